// One loop, one clock, one source of chance.
//
// Nothing above fs/base reads a clock, sleeps, draws a random number, opens a socket or starts a thread by itself: it
// is handed a Loop. The real one (FdLoop: epoll, timerfd on CLOCK_BOOTTIME, eventfd) serves the daemon; SimLoop jumps
// from event to event in simulated time, so that everything but the keeper and the kernel runs in one process from one
// seed.
//
// Now, WallNow, random and Post may be called from any thread; everything else only on the loop's own thread, which is
// the one that calls Run. Callbacks run on that thread, never from within the call that registered them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "fs/base/random.h"
#include "fs/base/result.h"
#include "fs/base/time.h"

namespace leasefs {

class Loop {
 public:
  using Callback = std::function<void()>;
  using TimerId = uint64_t;  // never 0, never used again
  static constexpr TimerId kNoTimer = 0;

  virtual ~Loop() = default;

  virtual BootTime Now() const = 0;
  virtual WallTime WallNow() const = 0;
  virtual Random& random() = 0;

  // Runs `callback` once, at `when` or as soon after as the loop can; at kNever, never. Timers of one moment run in the
  // order of their ids.
  virtual TimerId At(BootTime when, Callback callback) = 0;
  // A delay that reaches beyond kNever means kNever.
  TimerId After(Duration delay, Callback callback) { return At(Later(Now(), delay), std::move(callback)); }
  // Unknown, finished and kNoTimer are no error.
  virtual void Cancel(TimerId timer) = 0;
  virtual void Post(Callback callback) = 0;
};

// The real loop. Blocks in Run until Stop; Stop may be called from any thread and from a signal-free callback.
class FdLoop : public Loop {
 public:
  // What `callback` gets: the EPOLL* bits that are ready.
  using ReadyCallback = std::function<void(uint32_t events)>;

  // Fails with kInternal when the kernel gives no epoll, timer or event descriptor.
  static Result<std::unique_ptr<FdLoop>> Create();

  // Level-triggered. `events` are EPOLLIN, EPOLLOUT; EPOLLHUP and EPOLLERR always come. The descriptor stays the
  // caller's, who calls Unwatch before closing it. Watching a watched descriptor changes its events and callback.
  virtual Status Watch(int fd, uint32_t events, ReadyCallback callback) = 0;
  virtual void Unwatch(int fd) = 0;
  virtual void Run() = 0;
  virtual void Stop() = 0;
};

}  // namespace leasefs
