#include "fs/fuse/notifier.h"

#include <pthread.h>

#include <cerrno>
#include <csignal>
#include <utility>

namespace leasefs {

void InodeNotifier::InvalidateInode(NodeId id) {
  {
    MutexLock lock(mutex_);
    if (queued_.contains(id.inode())) return;
    if (queue_.size() >= max_queued_) {
      dropped_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    queued_.insert(id.inode());
    queue_.push_back(id.inode());
    if (queue_.size() > 1) return;  // the thread is awake
  }
  wake_.fetch_add(1);
  wake_.notify_one();
}

void InodeNotifier::Start(Tell tell) {
  if (thread_.joinable()) return;
  tell_ = std::move(tell);
  stop_.store(false);
  // Signals are for the process's main thread.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { Run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void InodeNotifier::Stop() {
  while (!StopWithin(std::chrono::hours(1))) {
  }
}

bool InodeNotifier::StopWithin(std::chrono::milliseconds bound) {
  if (!thread_.joinable()) return true;
  stop_.store(true);
  wake_.fetch_add(1);
  wake_.notify_one();
  if (!ended_.try_acquire_for(bound)) return false;
  thread_.join();
  return true;
}

bool InodeNotifier::Take(uint64_t* inode) {
  MutexLock lock(mutex_);
  if (queue_.empty()) return false;
  *inode = queue_.front();
  queue_.pop_front();
  // Out of the set before the kernel is told: who asks from now on wants to be told after what is still to come.
  queued_.erase(*inode);
  return true;
}

void InodeNotifier::Run() {
  pthread_setname_np(pthread_self(), "notifier");
  while (!stop_.load()) {
    uint32_t seen = wake_.load();
    uint64_t inode = 0;
    while (!stop_.load() && Take(&inode)) {
      int error = tell_(inode);
      (error == 0 ? told_ : error == -ENOENT ? forgotten_ : failed_).fetch_add(1, std::memory_order_relaxed);
    }
    if (!stop_.load()) wake_.wait(seen);
  }
  ended_.release();
}

InodeNotifier::Counts InodeNotifier::counts() const {
  return {told_.load(std::memory_order_relaxed), forgotten_.load(std::memory_order_relaxed),
          failed_.load(std::memory_order_relaxed), dropped_.load(std::memory_order_relaxed)};
}

}  // namespace leasefs
