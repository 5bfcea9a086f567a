// Open, read, release, access: where a caller meets a secret.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "fs/base/errno_map.h"
#include "fs/base/strings.h"
#include "fs/secrets/gate_steps.h"
#include "fs/secrets/secret_gate.h"

namespace leasefs {

void SecretGate::Open(const Request& request, NodeId id, int flags, Reply<Opened> done) {
  TryOpen(Attempt(request), id, flags, std::move(done));
}

void SecretGate::TryOpen(Attempt attempt, NodeId id, int flags, Reply<Opened> done) {
  RunSteps<Opened>(attempt, done, [&](Result<Opened>& result) REQUIRES(mutex_) {
    Step step = OpenLocked(attempt, id, flags, done, result);
    if (step == Step::kFinished && !result.ok())
      EndInstanceOfOpenLocked(attempt.request.unique, attempt.request.caller.uid, id.node);
    return step;
  });
}

SecretGate::Step SecretGate::OpenLocked(Attempt& attempt, NodeId id, int flags, Reply<Opened>& done,
                                        Result<Opened>& result) {
  auto finish = [&](const Decision& decision, Error error) REQUIRES(mutex_) {
    result = ConcludeLocked(attempt, id, decision, AuditEvent::Source::kNone, std::move(error));
    return Step::kFinished;
  };
  if (SentBackLocked(attempt.request)) {
    result = Error(ErrorKind::kStale, "");
    return Step::kFinished;
  }
  auto again = [this, id, flags, done](Attempt next) { TryOpen(std::move(next), id, flags, done); };
  if (!nodes_.Exists(id.node) || ShownOptionsLocked(id.node) == nullptr || !IsShownLocked(id.node)) {
    std::optional<uint32_t> unsure = UnsureLocked(attempt, id.node, false);
    if (attempt.failure) unsure.reset();
    Status waiting = unsure ? WaitLocked(attempt, *unsure, Question::kNames, false, again) : Ok();
    if (!waiting.ok()) return finish({}, std::move(waiting).error());
    if (unsure) return Step::kWaiting;
    if (!ReplacedLocked(attempt, id.node)) {
      return finish({}, attempt.failure ? *attempt.failure : Error(ErrorKind::kNotFound, "there is no such secret"));
    }
    result = Error(ErrorKind::kStale, "");
    return Step::kFinished;
  }
  if (nodes_.IsDirectory(id.node)) return finish({}, Error(ErrorKind::kIsDirectory, "it is a directory"));
  if ((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0)
    return finish({}, Error(ErrorKind::kReadOnly, "read-only"));

  Decision decision = DecideLocked(attempt, RulesLocked(id.node));
  if (decision.outcome == Decision::Outcome::kNeedGroups) return Step::kNeedGroups;
  if (decision.outcome == Decision::Outcome::kDeny) {
    Step denied = finish(decision, Error(ErrorKind::kDenied, "no rule allows it"));
    // The kernel may keep the name from a time when the tree was not hidden (S22). Recorded as what it is.
    if (HiddenLocked(id.node)) result = Error(ErrorKind::kNotFound, "there is no such secret");
    return denied;
  }

  AtHand value;
  Step ready = ValueLocked(attempt, id.node, again, value);
  if (ready != Step::kFinished) return ready;
  if (value.failure) return finish(decision, *value.failure);
  bool fetched = held_.TakeBrought(nodes_[id.node].parent) || attempt.waits > 0;
  AuditEvent::Source source = value.stale ? AuditEvent::Source::kStale
                              : fetched   ? AuditEvent::Source::kFetched
                                          : AuditEvent::Source::kCached;
  result = ServeLocked(attempt, id, decision, source);
  return Step::kFinished;
}

// S14, S25: that a lease has ended and nothing could replace it says more than how the backend fails.
Error SecretGate::RefusalLocked(uint32_t directory, const Error& failure) const {
  bool outage = failure.kind() == ErrorKind::kUnreachable || failure.kind() == ErrorKind::kRemote;
  if (!outage || nodes_[directory].minted == 0 || !held_.LeaseEnded(directory, loop_.Now())) return failure;
  return {ErrorKind::kExpired, StrCat("the lease has ended and could not be replaced: ", failure.message())};
}

SecretGate::Step SecretGate::ValueLocked(Attempt& attempt, uint32_t file, std::function<void(Attempt)> again,
                                         AtHand& value) {
  attempt.file = file;
  if (derived_.Is(file)) return GatherLocked(attempt, file, true, std::move(again), value);
  auto fail = [&](Error error) {
    value.failure = std::move(error);
    return Step::kFinished;
  };
  uint32_t directory = nodes_[file].parent;
  const Tree& tree = *trees_.Of(file);
  if (tree.options.lease_scope != LeaseScope::kShared) {
    if (tree.options.lease_scope == LeaseScope::kProcess && !attempt.process) return Step::kNeedProcess;
    auto instance = InstanceLocked(attempt, tree, directory);
    if (!instance.ok()) return fail(std::move(instance).error());
    directory = *instance;
    attempt.file = nodes_.Find(directory, nodes_.Name(file), false);
  }
  Readiness readiness = ReadinessLocked(directory, attempt.file);
  value.stale = readiness == Readiness::kStale;
  bool in_vain = RecentFailureLocked(directory, Question::kValue) != nullptr;
  if (value.stale && !attempt.failure && in_vain) return Step::kFinished;
  if (attempt.failure && readiness != Readiness::kFresh) {
    if (!value.stale || !IsOutage(attempt.failure->kind())) return fail(RefusalLocked(directory, *attempt.failure));
  } else if (readiness == Readiness::kFailed) {
    return fail(RefusalLocked(directory, failures_.at(directory).error));
  } else if (attempt.failure && attempt.failure->kind() == ErrorKind::kInterrupted) {
    return fail(*attempt.failure);
  } else if (readiness != Readiness::kFresh && attempt.waits >= kMaxWaits && held_.LeaseEnded(directory, loop_.Now())) {
    return fail(Error(ErrorKind::kExpired, "the lease has ended, as that of every version that came"));
  } else if (readiness != Readiness::kFresh && !(attempt.waits >= kMaxWaits && attempt.file != kNoNode &&
                                                 versions_.CurrentSlot(attempt.file) != kNoSlot)) {
    Status waiting = WaitLocked(attempt, directory, Question::kValue, value.stale, std::move(again));
    if (waiting.ok()) return Step::kWaiting;
    return fail(std::move(waiting).error());
  }
  return Step::kFinished;
}

Result<Opened> SecretGate::ServeLocked(const Attempt& attempt, NodeId id, const Decision& decision,
                                       AuditEvent::Source source) {
  const Request& request = attempt.request;
  uint32_t slot = versions_.CurrentSlot(attempt.file);
  if (versions_.TooLarge(slot)) {
    return ConcludeLocked(attempt, id, decision, source,
                          Error(ErrorKind::kTooLarge, "the value is larger than limits.value"));
  }
  const HandleRecord* before = handles_.Find(request.unique);  // a predecessor had served it: it keeps what it reads
  bool current = id.version == (before != nullptr ? before->number : nodes_[id.node].version.load());
  std::optional<ReopenMarks::Mark> mark = TakeMarkLocked(request, id.node);
  if (mark && mark->fetched && source == AuditEvent::Source::kCached) source = AuditEvent::Source::kFetched;
  bool scoped = attempt.file != id.node;  // an inode of no version, whose bytes are of who opens it
  if (!current && !mark && before == nullptr && !scoped) {
    // The kernel walks the path again and comes back with the current inode, or, through a bind mount, with this one
    // (S8, S10). It is the same open(2): it is recorded when it ends.
    marks_.Set(static_cast<uint32_t>(request.caller.tid),
               {id.node, source == AuditEvent::Source::kFetched, request.unique});
    ++state_.header().counters.reopened;
    return Error(ErrorKind::kStale, "");
  }
  NoteOpenedLocked(attempt.file);
  bool direct = !current || scoped || !ShownOptionsLocked(id.node)->page_cache;
  return ConcludeLocked(attempt, id, decision, source, Opened{request.unique, direct});
}

Result<Opened> SecretGate::ConcludeLocked(const Attempt& attempt, NodeId id, const Decision& decision,
                                          AuditEvent::Source source, Result<Opened> result) {
  const Request& request = attempt.request;
  bool inserted = result.ok() && handles_.Find(request.unique) == nullptr;
  if (result.ok()) {
    Status held = handles_.Insert(request.unique, versions_.CurrentSlot(attempt.file), id.node, id.version,
                                  request.replay, request.caller.uid);
    if (!held.ok()) result = std::move(held).error();
  }
  Status recorded = RecordOpenLocked(request, OpenEventLocked(attempt, id, decision, source, result));
  if (!recorded.ok()) {
    if (inserted) handles_.Undo(request.unique);
    result = std::move(recorded).error();
  }
  StateCounters& counters = state_.header().counters;
  ++counters.opens;
  if (result.ok()) return result;
  ++(result.error().kind() == ErrorKind::kDenied ? counters.denied : counters.failed);
  (void)marks_.Take(static_cast<uint32_t>(request.caller.tid));
  return result;
}

AuditEvent SecretGate::OpenEventLocked(const Attempt& attempt, NodeId id, const Decision& decision,
                                       AuditEvent::Source source, const Result<Opened>& result) const {
  const Request& request = attempt.request;
  BootTime now = loop_.Now();
  AuditEvent event;
  event.boot_ns = ToNanoseconds(now);
  event.wall_ns = loop_.WallNow().time_since_epoch().count();
  event.unique = request.unique;
  event.generation = policy_->generation();
  event.node = id.node;
  event.uid = request.caller.uid;
  event.gid = request.caller.gid;
  event.tid = static_cast<uint32_t>(request.caller.tid);
  event.rule = decision.rule;
  event.latency_us = static_cast<uint32_t>(std::clamp<int64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(now - request.arrival).count(), 0, UINT32_MAX));
  event.source = source;
  if (!result.ok()) event.error = ErrnoOf(result.error().kind(), UsesPosixErrorsLocked(id.node));
  if (!nodes_.Exists(id.node) || nodes_[id.node].kind != NodeKind::kFile) return event;
  const HandleRecord* open = handles_.Find(request.unique);
  const uint32_t file = open != nullptr ? open->file : id.node;
  event.secret_version = derived_.IsFile(file) ? 0 : SecretVersionLocked(nodes_[file].parent);
  event.file_version = open != nullptr ? open->number : nodes_[id.node].version.load();
  if (result.ok()) {
    BootTime fetched = now;
    for (uint32_t secret : SecretsOfLocked(file))
      fetched = std::min(fetched, BootTimeFromNanoseconds(nodes_[secret].fetched_ns));
    Duration age = now - fetched;
    event.age_s = static_cast<int32_t>(std::chrono::duration_cast<std::chrono::seconds>(age).count());
  }
  return event;
}

// Of a replay the predecessor may have made the record already. It counts only if it says what is answered now.
Status SecretGate::RecordOpenLocked(const Request& request, const AuditEvent& event) {
  if (request.replay) {
    std::optional<AuditEvent> before = audit_.Find(request.unique);
    if (before && before->error == event.error && before->file_version == event.file_version) return Ok();
  }
  return audit_.Append(event, loop_.Now(), kAuditMaxWait, audit_required_);
}

Decision SecretGate::DecideLocked(const Attempt& attempt, RuleSetId rules) const {
  return policy_->Decide(rules, attempt.request.caller, attempt.groups ? &*attempt.groups : nullptr);
}

// Without the lock: a few system calls on procfs. Groups that cannot be read are no groups, so that rules naming one do
// not match.
void SecretGate::LoadGroups(Attempt& attempt) const {
  auto groups = groups_.Groups(attempt.request.caller);
  attempt.groups = groups.ok() ? std::move(groups).value() : std::vector<gid_t>();
}

RuleSetId SecretGate::RulesLocked(uint32_t node) const {
  if (node >= rule_sets_.size()) rule_sets_.resize(nodes_.count(), 0);
  if (rule_sets_[node] == 0) {
    std::string path = nodes_.Path(node);
    rule_sets_[node] = 1 + (nodes_.IsDirectory(node) ? policy_->RulesBelow(path) : policy_->RulesFor(path));
  }
  return rule_sets_[node] - 1;
}

void SecretGate::Abandon(uint64_t handle) {
  Release(handle);
}

void SecretGate::Release(uint64_t handle) {
  MutexLock lock(mutex_);
  const HandleRecord* record = handles_.Find(handle);
  HandleRecord closed{};
  if (record != nullptr) closed.node = record->node, closed.uid = record->uid;
  handles_.Remove(handle);
  held_.ForgetFreed();
  if (record != nullptr) EndInstanceOfOpenLocked(handle, closed.uid, closed.node);
}

Result<SecretBuffer> SecretGate::UnsealPinned(uint32_t slot) const {
  return versions_.Unseal(slot);
}

Result<Slice> SecretGate::Read(uint64_t handle, NodeId id, uint64_t offset, size_t size) {
  uint32_t slot = kNoSlot;
  Slice slice;
  {
    MutexLock lock(mutex_);
    const HandleRecord* record = handles_.Find(handle);
    if (record == nullptr || record->node != id.node) return Error(ErrorKind::kInternal, "no such descriptor");
    if (!handles_.IsIntact(*record)) return Error(ErrorKind::kInternal, "the version that was opened is not there");
    slot = record->slot;
    if (versions_[slot].number != id.version) slice.foreign = id;
    slice.value = cache_.Find(slot, loop_.Now());
  }
  if (slice.value == nullptr) {
    LEASEFS_ASSIGN_OR_RETURN(opened, UnsealPinned(slot));
    slice.value = cache_.Insert(slot, std::move(opened), loop_.Now());
  }
  std::span<const std::byte> bytes = slice.value->Expose();
  size_t from = static_cast<size_t>(std::min<uint64_t>(offset, bytes.size()));
  slice.bytes = bytes.subspan(from, std::min(size, bytes.size() - from));
  return slice;
}

void SecretGate::Access(const Request& request, NodeId id, int mask, Reply<Done> done) {
  Attempt attempt(request);
  RunSteps<Done>(attempt, done,
                 [&](Status& result) REQUIRES(mutex_) { return AccessLocked(attempt, id, mask, result); });
}

SecretGate::Step SecretGate::AccessLocked(const Attempt& attempt, NodeId id, int mask, Status& result) {
  auto finish = [&](Status status) {
    result = std::move(status);
    return Step::kFinished;
  };
  if (!nodes_.Exists(id.node) || !IsShownLocked(id.node)) return finish(Error(ErrorKind::kNotFound, ""));
  if (HiddenLocked(id.node) && !attempt.groups) return Step::kNeedGroups;
  if (!VisibleLocked(attempt, id.node)) return finish(Error(ErrorKind::kNotFound, ""));
  if ((mask & W_OK) != 0) return finish(Error(ErrorKind::kReadOnly, ""));
  if (nodes_.IsDirectory(id.node)) return finish(Ok());
  if ((mask & X_OK) != 0) return finish(Error(ErrorKind::kDenied, ""));
  if ((mask & R_OK) == 0) return finish(Ok());
  Decision decision = DecideLocked(attempt, RulesLocked(id.node));
  if (decision.outcome == Decision::Outcome::kNeedGroups) return Step::kNeedGroups;
  return finish(decision.outcome == Decision::Outcome::kAllow ? Ok() : Error(ErrorKind::kDenied, ""));
}

}  // namespace leasefs
