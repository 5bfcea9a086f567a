// SupervisedChild: one role that always has a process: started, watched, replaced when it dies or stops answering.
// Owned by the keeper, which outlives it; used on the loop's thread. The successor starts only when no thread of the
// old process can run its program again, since two that write to the same surviving memory would tear it. As a rule
// that is when it is dead (its pidfd says so). But fs's notifier waits in the kernel, uninterruptibly, until a READ is
// answered, and when fs is killed then, only its successor can answer: such a process is left to its end.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "fs/base/loop.h"
#include "fs/keeper/child_process.h"
#include "fs/keeper/child_wire.h"
#include "fs/keeper/restart_delay.h"

namespace leasefs {

class SupervisedChild {
 public:
  struct Options {
    std::string name{};  // "fs", "store local": for words
    Duration ping_interval = std::chrono::milliseconds(500);
    unsigned missed_pings = 4;  // in a row, then it is killed. Counted, not timed: a suspended host is no hang
    Duration start_limit = std::chrono::seconds(30);  // from the start to kReady
    // The kernel may hold up its end until a successor serves. Not for what waits for a disk: so would its successor.
    bool may_leave_held_up = false;
  };
  struct Events {
    // What to run; `keeper_socket` is the child's end. Called at each start, so that files are opened anew.
    std::function<Result<ChildSpec>(UniqueFd keeper_socket)> prepare;
    std::function<void()> on_started;  // runs, not ready: messages can be sent
    std::function<void()> on_ready;
    std::function<void(ChildMessage)> on_message;  // what comes from a child, but kReady and kPong
    std::function<void()> on_pong;
    // Dead, or could not be started. After it the next start is already planned, unless Stop was called.
    std::function<void(const std::string& how)> on_death;
  };

  SupervisedChild(FdLoop& loop, Options options, Events events);
  ~SupervisedChild();  // kills it
  SupervisedChild(const SupervisedChild&) = delete;
  SupervisedChild& operator=(const SupervisedChild&) = delete;

  void Start();
  void Stop(bool revoke = false);  // asks it to end (and to revoke leases); it is not started again
  void Kill();
  // A message that cannot be delivered is dropped: a child that does not read is replaced soon.
  void Send(const ChildMessage& message);

  bool running() const { return process_.has_value(); }
  bool ready() const { return ready_; }
  pid_t pid() const { return process_ ? process_->pid() : 0; }
  const std::string& name() const { return options_.name; }
  const std::string& status() const { return status_; }  // its last kStatus

 private:
  Status Launch();
  void PlanStart(const std::string& how, bool was_ready);
  void Ping();
  void ReadMessages();
  void Dispatch(ChildMessage message);
  void Violation(const std::string& what);
  void CheckDeath();
  void CheckHeldUp();
  void LeaveHeldUp();
  void ReapLeft();
  void Forget();

  FdLoop& loop_;
  const Options options_;
  const Events events_;
  std::optional<ChildProcess> process_;
  std::vector<ChildProcess> left_;  // killed, held up in the kernel, not dead yet
  UniqueFd socket_;
  bool ready_ = false;
  bool stopping_ = false;
  uint64_t pings_ = 0;       // number of the last one
  unsigned unanswered_ = 0;  // pings since the last pong
  int looks_held_up_ = 0;    // in a row
  std::string status_;
  RestartDelay restart_delay_;
  Loop::TimerId ping_timer_ = Loop::kNoTimer;
  Loop::TimerId look_timer_ = Loop::kNoTimer;   // from Kill to the death
  Loop::TimerId start_timer_ = Loop::kNoTimer;  // the next start, or the limit of this one
};

}  // namespace leasefs
