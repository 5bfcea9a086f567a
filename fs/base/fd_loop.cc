#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <map>
#include <unordered_map>
#include <utility>
#include <vector>

#include "fs/base/loop.h"
#include "fs/base/mutex.h"
#include "fs/base/strings.h"
#include "fs/base/unique_fd.h"

namespace leasefs {
namespace {

class KernelRandom : public Random {
 public:
  void Fill(std::span<std::byte> bytes) override {
    while (!bytes.empty()) {
      ssize_t got = getrandom(bytes.data(), bytes.size(), 0);
      if (got < 0 && errno != EINTR) std::abort();  // a kernel without randomness keeps no secrets
      if (got > 0) bytes = bytes.subspan(static_cast<size_t>(got));
    }
  }
};

Duration ClockReading(clockid_t clock) {
  timespec time = {};
  if (clock_gettime(clock, &time) != 0) std::abort();
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

class EpollLoop final : public FdLoop {
 public:
  EpollLoop(UniqueFd epoll, UniqueFd timer, UniqueFd wakeup)
      : epoll_(std::move(epoll)), timer_(std::move(timer)), wakeup_(std::move(wakeup)) {}
  ~EpollLoop() override;

  BootTime Now() const override { return BootTime(ClockReading(CLOCK_BOOTTIME)); }
  WallTime WallNow() const override { return WallTime(ClockReading(CLOCK_REALTIME)); }
  Random& random() override { return random_; }
  TimerId At(BootTime when, Callback callback) override;
  void Cancel(TimerId timer) override;
  void Post(Callback callback) override EXCLUDES(mutex_);
  Status Watch(int fd, uint32_t events, ReadyCallback callback) override;
  void Unwatch(int fd) override;
  void Run() override;
  void Stop() override;

  Status WatchOwnDescriptors();

 private:
  struct Watched {
    uint32_t generation;
    ReadyCallback callback;
  };
  using TimerKey = std::pair<BootTime, TimerId>;

  std::vector<Callback> TakePosted() EXCLUDES(mutex_);
  bool HasPosted() EXCLUDES(mutex_);
  void Wake();
  void RunDueTimers();
  bool ArmTimer();
  void WaitAndDispatch();
  void Dispatch(const epoll_event& event);

  UniqueFd epoll_;
  UniqueFd timer_;
  UniqueFd wakeup_;
  KernelRandom random_;
  std::atomic<bool> stop_ = false;

  // The loop's thread only.
  std::map<TimerKey, Callback> timers_;
  std::unordered_map<TimerId, BootTime> timer_times_;
  TimerId next_timer_ = 1;
  BootTime armed_ = kNever;
  // Shared, since a callback that is running may unwatch itself.
  std::unordered_map<int, std::shared_ptr<const Watched>> watched_;
  // Tells an event of a descriptor from one that was fetched for an earlier descriptor of the same number.
  uint32_t next_generation_ = 1;

  Mutex mutex_;  // rank: last but the arena's
  std::vector<Callback> posted_ GUARDED_BY(mutex_);
};

// Makes a timer or event descriptor unreadable again. A failure means that it was so already.
void LowerFlag(const UniqueFd& fd) {
  uint64_t count = 0;
  [[maybe_unused]] ssize_t got = read(fd.get(), &count, sizeof count);
}

uint64_t PackEvent(int fd, uint32_t generation) {
  return uint64_t{generation} << 32 | static_cast<uint32_t>(fd);
}

EpollLoop::~EpollLoop() {
  // A callback may own what unwatches, cancels or posts when it is destroyed: the containers are left first.
  auto watched = std::exchange(watched_, {});
  auto timers = std::exchange(timers_, {});
  auto posted = TakePosted();
  watched.clear();
  timers.clear();
  posted.clear();
}

Status EpollLoop::WatchOwnDescriptors() {
  LEASEFS_RETURN_IF_ERROR(Watch(timer_.get(), EPOLLIN, [this](uint32_t) {
    LowerFlag(timer_);
    armed_ = kNever;
  }));
  return Watch(wakeup_.get(), EPOLLIN, [this](uint32_t) { LowerFlag(wakeup_); });
}

Loop::TimerId EpollLoop::At(BootTime when, Callback callback) {
  TimerId id = next_timer_++;
  timers_.emplace(TimerKey(when, id), std::move(callback));
  timer_times_.emplace(id, when);
  return id;
}

void EpollLoop::Cancel(TimerId timer) {
  auto time = timer_times_.find(timer);
  if (time == timer_times_.end()) return;
  auto cancelled = timers_.extract(TimerKey(time->second, timer));  // destroyed last: it may own what calls us again
  timer_times_.erase(time);
}

void EpollLoop::Post(Callback callback) {
  bool first = false;
  {
    MutexLock lock(mutex_);
    first = posted_.empty();
    posted_.push_back(std::move(callback));
  }
  if (first) Wake();
}

std::vector<Loop::Callback> EpollLoop::TakePosted() {
  MutexLock lock(mutex_);
  return std::exchange(posted_, {});
}

bool EpollLoop::HasPosted() {
  MutexLock lock(mutex_);
  return !posted_.empty();
}

void EpollLoop::Wake() {
  uint64_t one = 1;
  // EAGAIN: the counter is at its end, so the loop will wake.
  [[maybe_unused]] ssize_t put = write(wakeup_.get(), &one, sizeof one);
}

Status EpollLoop::Watch(int fd, uint32_t events, ReadyCallback callback) {
  auto known = watched_.find(fd);
  uint32_t generation = next_generation_++;
  epoll_event event = {};
  event.events = events;
  event.data.u64 = PackEvent(fd, generation);
  int operation = known == watched_.end() ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  if (epoll_ctl(epoll_.get(), operation, fd, &event) != 0) {
    return ErrnoError(StrCat("watching descriptor ", fd), errno);
  }
  auto watched = std::make_shared<const Watched>(Watched{generation, std::move(callback)});
  std::swap(watched_[fd], watched);  // the old one is destroyed at the end: it may own what calls us again
  return Ok();
}

void EpollLoop::Unwatch(int fd) {
  auto known = watched_.find(fd);
  if (known == watched_.end()) return;
  auto old = watched_.extract(known);
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

void EpollLoop::Run() {
  while (!stop_.exchange(false)) {
    for (Callback& callback : TakePosted()) callback();
    RunDueTimers();
    WaitAndDispatch();
  }
}

void EpollLoop::Stop() {
  stop_ = true;
  Wake();
}

void EpollLoop::RunDueTimers() {
  // What a callback adds waits for the next turn, even if it is due: descriptors get theirs in between.
  std::vector<TimerKey> due;
  BootTime now = Now();
  for (auto timer = timers_.begin(); timer != timers_.end() && timer->first.first <= now; ++timer) {
    due.push_back(timer->first);
  }
  if (armed_ <= now) armed_ = kNever;  // spent: another timer of the same moment must arm it again
  for (const TimerKey& key : due) {
    auto timer = timers_.extract(key);
    if (timer.empty()) continue;  // cancelled by one before it
    timer_times_.erase(key.second);
    timer.mapped()();
  }
}

// False: a timer is due already, and none is armed for it. To set the kernel's timer is dear, in virtual machines above
// all: one that is armed for an earlier moment, since cancelled or run, is left to fire in vain, once.
bool EpollLoop::ArmTimer() {
  BootTime next = timers_.empty() ? kNever : timers_.begin()->first.first;
  if (next <= Now()) return false;
  if (armed_ <= next) return true;
  armed_ = next;
  itimerspec setting = {};
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(next.time_since_epoch());
  setting.it_value = {.tv_sec = seconds.count(), .tv_nsec = (next.time_since_epoch() - seconds).count()};
  if (timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &setting, nullptr) != 0) std::abort();
  return true;
}

void EpollLoop::WaitAndDispatch() {
  const bool due = !ArmTimer();
  std::array<epoll_event, 64> events;
  int timeout = due || HasPosted() || stop_ ? 0 : -1;
  int count = epoll_wait(epoll_.get(), events.data(), events.size(), timeout);
  if (count < 0 && errno != EINTR) std::abort();
  for (int i = 0; i < count; ++i) Dispatch(events[static_cast<size_t>(i)]);
}

void EpollLoop::Dispatch(const epoll_event& event) {
  auto found = watched_.find(static_cast<int>(event.data.u64 & UINT32_MAX));
  if (found == watched_.end()) return;
  std::shared_ptr<const Watched> watched = found->second;
  if (watched->generation != event.data.u64 >> 32) return;
  watched->callback(event.events);
}

}  // namespace

Result<std::unique_ptr<FdLoop>> FdLoop::Create() {
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return ErrnoError("creating an epoll instance", errno);
  UniqueFd timer(timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer) return ErrnoError("creating a timer on CLOCK_BOOTTIME", errno);
  UniqueFd wakeup(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wakeup) return ErrnoError("creating an event descriptor", errno);
  auto loop = std::make_unique<EpollLoop>(std::move(epoll), std::move(timer), std::move(wakeup));
  LEASEFS_RETURN_IF_ERROR(loop->WatchOwnDescriptors());
  return std::unique_ptr<FdLoop>(std::move(loop));
}

}  // namespace leasefs
