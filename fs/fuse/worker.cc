#include "fs/fuse/worker.h"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <utility>

#include "fs/base/strings.h"

namespace leasefs {

namespace {

int WakeSignal() {
  return SIGRTMIN;
}

}  // namespace

void Worker::InstallWakeSignal() {
  struct sigaction action {};
  action.sa_handler = [](int) {};  // no SA_RESTART: read(2) must return
  sigemptyset(&action.sa_mask);
  sigaction(WakeSignal(), &action, nullptr);
}

Worker::Worker(SessionCore& core, size_t slot, std::function<void()> on_over)
    : core_(core), slot_(slot), on_over_(std::move(on_over)) {}

void Worker::Start() {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // the thread inherits it
  thread_ = std::thread([this] { Run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Worker::Stop() {
  if (!thread_.joinable()) return;
  stop_.store(true);
  // A signal that comes just before the read is lost, so it is sent until the thread has ended.
  do {
    pthread_kill(thread_.native_handle(), WakeSignal());
  } while (!ended_.try_acquire_for(std::chrono::milliseconds(2)));
  thread_.join();
}

void Worker::Run() {
  pthread_setname_np(pthread_self(), StrCat("fuse-", slot_).c_str());
  sigset_t wake;
  sigemptyset(&wake);
  sigaddset(&wake, WakeSignal());
  pthread_sigmask(SIG_UNBLOCK, &wake, nullptr);
  Got got = Got::kNothing;
  while (got != Got::kOver && !stop_.load(std::memory_order_relaxed)) {
    core_.slots.Free(slot_);
    size_t size = 0;
    got = ReadRequest(&size);
    if (got != Got::kRequest) continue;
    Delivery delivery;
    delivery.arrival = core_.loop.Now();
    delivery.raw = std::span<const std::byte>(core_.slots.buffer(slot_)).first(size);
    core_.slots.state(slot_).arrival = ToNanoseconds(delivery.arrival);
    core_.busy_since[slot_].store(ToNanoseconds(delivery.arrival), std::memory_order_relaxed);
    core_.Process(delivery);
    core_.busy_since[slot_].store(0, std::memory_order_relaxed);
  }
  core_.slots.Free(slot_);
  if (got == Got::kOver) on_over_();
  ended_.release();
}

Worker::Got Worker::ReadRequest(size_t* size) {
  std::span<std::byte> buffer = core_.slots.buffer(slot_);
  ssize_t n = read(core_.device_fd, buffer.data(), buffer.size());
  if (n > 0) {
    *size = static_cast<size_t>(n);
    return Got::kRequest;
  }
  if (n == 0) return Got::kOver;  // a socket whose peer is gone; the device never says it
  switch (errno) {
    case EINTR:
    case ENOENT:  // the request was interrupted before it was read
      return Got::kNothing;
    case EAGAIN: {
      pollfd ready{core_.device_fd, POLLIN, 0};
      poll(&ready, 1, -1);
      return Got::kNothing;
    }
    case ENODEV:  // unmounted or aborted
      return Got::kOver;
    default:
      core_.Complain(ErrnoError("reading the FUSE device", errno).message());
      return Got::kOver;
  }
}

}  // namespace leasefs
