// Waiting: who waits holds a record, not a thread. Questions to backends and deadlines are the loop's.
#include <algorithm>

#include "fs/secrets/gate_core.h"

namespace leasefs {
namespace {

constexpr Duration kSweepInterval = std::chrono::seconds(10);
constexpr int kStaleShare = 4;  // who could be served a stale copy waits a quarter of the deadline for a fresh one

}  // namespace

Status GateCore::WaitLocked(Attempt& attempt, uint32_t directory, Question question, bool has_stale,
                            std::function<void(Attempt)> resume) {
  Request& request = attempt.request;
  if (waits_.WouldExceed(request.caller.uid, directory, limits_.waiting_secrets_per_uid)) {
    return Error(ErrorKind::kBusy, "this user waits for too many secrets already (limits.waiting_secrets_per_uid)");
  }
  if (!attempt.parked) {
    if (request.parking == nullptr || !request.parking->Park())
      return Error(ErrorKind::kBusy, "too many requests wait already");
    attempt.parked = true;
  } else if (request.parking->Interrupted()) {
    return Error(ErrorKind::kInterrupted, "the caller was signalled");
  }
  ++attempt.waits;
  Duration patience = std::chrono::duration_cast<Duration>(limits_.deadline);
  Waiter waiter;
  waiter.unique = request.unique;
  waiter.uid = request.caller.uid;
  waiter.directory = directory;
  waiter.question = question;
  waiter.deadline = request.arrival + (has_stale ? patience / kStaleShare : patience);
  waiter.resume = [attempt, resume = std::move(resume)](std::optional<Error> failure) mutable {
    attempt.failure = std::move(failure);
    resume(std::move(attempt));
  };
  waits_.Add(std::move(waiter));
  RequestPumpLocked();
  return Ok();
}

void GateCore::RequestPumpLocked() {
  if (std::exchange(pump_posted_, true)) return;
  loop_.Post([this, alive = std::weak_ptr<bool>(alive_)] {
    if (!alive.expired()) Pump();
  });
}

// Tells what is not held any more, unless it was asked for again meanwhile.
void GateCore::SendIdle() {
  std::vector<std::pair<Link*, std::string>> idle;
  bool processes = false;
  {
    MutexLock lock(mutex_);
    for (uint32_t directory : held_.TakeIdle()) {
      const Tree* tree = trees_.Of(directory);
      Link* link = tree == nullptr ? nullptr : FindLinkLocked(tree->options.backend);
      bool held = SecretVersionLocked(directory) != 0 && !held_.resting(directory);
      bool wanted = held || waits_.IsAsked(directory, Question::kValue);
      if (wanted) continue;
      if (instances_.Contains(directory) && !held_.resting(directory)) {
        EndInstanceLocked(directory);
      } else if (link != nullptr) {
        idle.emplace_back(link, trees_.BackendPath(directory));
      }
    }
    for (const auto& [backend, path] : std::exchange(ended_, {})) {
      if (Link* link = FindLinkLocked(backend)) idle.emplace_back(link, path);
    }
    processes = !instances_.All(LeaseScope::kProcess).empty();
  }
  ArmProcessWatch(processes);
  for (auto& [link, path] : idle) link->link.Send(protocol::Idle{path});
}

// Asks what nobody asked yet, and sees to the nearest deadline.
void GateCore::Pump() {
  {
    MutexLock lock(mutex_);
    pump_posted_ = false;  // before anything is taken: what another thread adds from here on asks for the next round
  }
  SendIdle();
  struct Send {
    Link* link;
    std::string path;
    Question question;
    bool refresh;
    bool for_open;
    uint64_t version;
  };
  std::vector<Send> sends;
  BootTime deadline, lease_end;
  {
    MutexLock lock(mutex_);
    for (const WaitQueue::Asked& asked : waits_.Unasked()) {
      const Tree* tree = trees_.Of(asked.directory);
      Link* link = tree == nullptr ? nullptr : FindLinkLocked(tree->options.backend);
      if (link == nullptr || !link->connected) continue;
      waits_.MarkAsked(asked.directory, asked.question);
      if (asked.question == Question::kValue) held_.NoteAsked(asked.directory);
      // A version of which not all bytes are held is as good as none.
      bool held = SecretVersionLocked(asked.directory) != 0 && held_.HoldsAll(asked.directory);
      sends.push_back({link, trees_.BackendPath(asked.directory), asked.question, asked.refresh, asked.for_open,
                       held ? SecretVersionLocked(asked.directory) : 0});
    }
    deadline = waits_.NextDeadline();
    lease_end = held_.NextLeaseEnd();
  }
  for (const Send& send : sends) {
    if (send.question == Question::kNames) {
      send.link->link.Send(
          protocol::List{send.path, send.for_open ? protocol::Purpose::kOpen : protocol::Purpose::kNames});
    } else if (send.refresh) {
      send.link->link.Send(protocol::Refresh{send.path, send.version});
    } else {
      send.link->link.Send(protocol::Want{send.path, send.version});
    }
  }
  ArmDeadline(deadline);
  ArmLeaseEnd(lease_end);
}

void GateCore::ArmDeadline(BootTime deadline) {
  if (deadline == deadline_armed_) return;
  loop_.Cancel(deadline_timer_);
  deadline_timer_ = Loop::kNoTimer;
  deadline_armed_ = deadline;
  if (deadline != kNever) deadline_timer_ = loop_.At(deadline, [this] { OnDeadline(); });
}

void GateCore::OnDeadline() {
  std::vector<Waiter> expired;
  BootTime next;
  {
    MutexLock lock(mutex_);
    expired = waits_.TakeExpired(loop_.Now());
    next = waits_.NextDeadline();
  }
  deadline_armed_ = kNever;
  deadline_timer_ = Loop::kNoTimer;
  ArmDeadline(next);
  Resume(expired, Error(ErrorKind::kUnreachable, "the backend did not answer within the deadline"));
}

void GateCore::ArmLeaseEnd(BootTime end) {
  if (end == lease_end_armed_) return;
  loop_.Cancel(std::exchange(lease_end_timer_, Loop::kNoTimer));
  lease_end_armed_ = end;
  if (end != kNever) lease_end_timer_ = loop_.At(end, [this] { OnLeaseEnd(); });
}

void GateCore::OnLeaseEnd() {
  BootTime next;
  {
    MutexLock lock(mutex_);
    held_.WithdrawEnded(loop_.Now());
    next = held_.NextLeaseEnd();
  }
  lease_end_armed_ = kNever;
  lease_end_timer_ = Loop::kNoTimer;
  ArmLeaseEnd(next);
}

void GateCore::Resume(const std::vector<Waiter>& waiters, const std::optional<Error>& failure) {
  for (const Waiter& waiter : waiters) waiter.resume(failure);
}

// Wipes what nobody reads, and lets go of values that were not opened within `keep` or `idle` of their tree.
void GateCore::Sweep() {
  cache_.Sweep(loop_.Now());
  {
    MutexLock lock(mutex_);
    held_.LetGoUnused(loop_.Now(), [&](uint32_t directory) REQUIRES(mutex_) {
      const Tree* tree = trees_.Of(directory);
      if (tree == nullptr) return HeldValues::Patience{};
      // What one open has, its close ends. An instance goes after `keep` as with `idle`: it was for one alone.
      bool scoped = instances_.Contains(directory);
      if (scoped && tree->options.lease_scope == LeaseScope::kOpen) return HeldValues::Patience{Duration::max(), true};
      if (scoped && tree->options.idle.count() == 0) return HeldValues::Patience{tree->options.keep, true};
      bool idle = tree->options.idle.count() != 0;
      return HeldValues::Patience{idle ? tree->options.idle : tree->options.keep, idle};
    });
    EndLeftInstancesLocked();
    if (held_.has_idle()) RequestPumpLocked();
  }
  sweep_timer_ = loop_.After(kSweepInterval, [this] { Sweep(); });
}

}  // namespace leasefs
