// GateCore: what the gate knows, under one lock, and who waits for more of it.
//
// The lowest of three layers that share the lock, each a class of its own: GateCore (tables, waiters, questions to
// backends, deadlines), GateAnswers (what backends answer), SecretGate (what callers ask). By inheritance and not by
// reference, so that clang sees that it is one lock. One lock guards everything but the cache of opened values.
//
// gate_core.cc: the tables · gate_wait.cc: waiting, deadlines, questions · gate_scoped.cc: lease_scope
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "fs/audit/audit_ring.h"
#include "fs/config/options.h"
#include "fs/policy/policy.h"
#include "fs/secrets/derived_files.h"
#include "fs/secrets/gate_state.h"
#include "fs/secrets/handle_table.h"
#include "fs/secrets/held_values.h"
#include "fs/secrets/scoped_instances.h"
#include "fs/secrets/tree_map.h"
#include "fs/secrets/value_cache.h"
#include "fs/secrets/version_table.h"
#include "fs/secrets/wait_queue.h"

namespace leasefs {

class GateCore {
 public:
  GateCore(const GateCore&) = delete;
  GateCore& operator=(const GateCore&) = delete;

 protected:
  using Attempt = GateAttempt;
  using Failure = GateFailure;
  using Link = GateLink;
  using Step = GateStep;
  using Readiness = GateReadiness;

  // Takes over what a predecessor left in surviving memory.
  explicit GateCore(const GateParts& parts);
  ~GateCore();

  Readiness ReadinessLocked(uint32_t file) const REQUIRES(mutex_) { return ReadinessLocked(nodes_[file].parent, file); }
  Readiness ReadinessLocked(uint32_t directory, uint32_t file) const REQUIRES(mutex_);  // kNoNode: not known yet
  Readiness SecretReadinessLocked(uint32_t directory) const REQUIRES(mutex_);           // of all its keys
  Readiness ReadinessOfLocked(uint32_t directory, bool bytes_are_held) const REQUIRES(mutex_);
  // The failure of a moment ago, for which it is not asked again yet; null: it may be asked. A stale copy of a value is
  // served without a wait meanwhile.
  const Failure* RecentFailureLocked(uint32_t directory, Question question) const REQUIRES(mutex_);
  bool HeldLocked(uint32_t directory) const REQUIRES(mutex_);  // fresh or not, all its keys' bytes are here
  uint64_t SecretVersionLocked(uint32_t directory) const REQUIRES(mutex_);
  Link* FindLinkLocked(const std::string& backend) const REQUIRES(mutex_);

  // Error: it may not wait (kBusy).
  Status WaitLocked(Attempt& attempt, uint32_t directory, Question question, bool has_stale,
                    std::function<void(Attempt)> resume) REQUIRES(mutex_);
  void RequestPumpLocked() REQUIRES(mutex_);
  void Pump() EXCLUDES(mutex_);
  void SendIdle() EXCLUDES(mutex_);
  void OnDeadline() EXCLUDES(mutex_);
  void ArmDeadline(BootTime deadline);
  void OnLeaseEnd() EXCLUDES(mutex_);
  void ArmLeaseEnd(BootTime end);
  void Sweep() EXCLUDES(mutex_);
  // The credential of one uid, process or open is of no use any more: its backend is told, for it to be revoked.
  void EndInstanceLocked(uint32_t directory) REQUIRES(mutex_);
  void EndLeftInstancesLocked() REQUIRES(mutex_);
  void ArmProcessWatch(bool wanted);
  void WatchProcesses() EXCLUDES(mutex_);
  static void Resume(const std::vector<Waiter>& waiters, const std::optional<Error>& failure);

  Loop& loop_;
  const GroupReader& groups_;
  Notifier& notifier_;
  AuditRing& audit_;
  ValueCache cache_;

  mutable Mutex mutex_;  // rank 10; under it may be taken: the cache's (20), the notifier's and parked table's (leaves)
  StateMemory state_;
  NodeTable nodes_ GUARDED_BY(mutex_);
  VersionTable versions_ GUARDED_BY(mutex_);
  DerivedFiles derived_ GUARDED_BY(mutex_);
  HeldValues held_ GUARDED_BY(mutex_);
  HandleTable handles_ GUARDED_BY(mutex_);
  ReopenMarks marks_ GUARDED_BY(mutex_);
  TreeMap trees_ GUARDED_BY(mutex_);
  ScopedInstances instances_ GUARDED_BY(mutex_);
  std::vector<std::pair<std::string, std::string>> ended_ GUARDED_BY(mutex_);  // backend and path, to be told of
  WaitQueue waits_ GUARDED_BY(mutex_);
  LimitOptions limits_ GUARDED_BY(mutex_);
  bool audit_required_ GUARDED_BY(mutex_) = true;
  std::shared_ptr<const Policy> policy_ GUARDED_BY(mutex_);
  std::unordered_map<uint32_t, Failure> failures_ GUARDED_BY(mutex_);  // by directory: the last answer was an error
  std::unordered_map<uint32_t, Failure> listing_failures_ GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<Link>> links_ GUARDED_BY(mutex_);
  bool pump_posted_ GUARDED_BY(mutex_) = false;
  uint64_t next_internal_ GUARDED_BY(mutex_) = uint64_t{1} << 62;  // uniques of the gate's own waiters
  // Loop-only:
  BootTime deadline_armed_ = kNever, lease_end_armed_ = kNever;
  Loop::TimerId deadline_timer_ = Loop::kNoTimer, sweep_timer_ = Loop::kNoTimer, lease_end_timer_ = Loop::kNoTimer;
  Loop::TimerId process_timer_ = Loop::kNoTimer;
  std::shared_ptr<bool> alive_;  // posted callbacks look at it first
};

}  // namespace leasefs
