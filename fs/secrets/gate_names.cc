// Names and attributes. They are answered from memory; nothing here mints, and a value is fetched only for who may open it (S6).
#include <algorithm>

#include "fs/base/strings.h"
#include "fs/secrets/secret_gate.h"

namespace leasefs {
namespace {

constexpr Duration kLongTimeout = std::chrono::hours(1);  // of what does not depend on the caller; publication does not rely on it
constexpr mode_t kDirectoryMode = 0555;

bool IsAnswer(const std::optional<Error>& failure, ErrorKind kind) { return failure && failure->kind() == kind; }

}  // namespace

void SecretGate::Lookup(const Request& request, NodeId parent, std::string_view name, Reply<Attributes> done) {
  TryLookup(Attempt(request), parent, std::string(name), std::move(done));
}

void SecretGate::TryLookup(Attempt attempt, NodeId parent, std::string name, Reply<Attributes> done) {
  auto run = [&]() -> std::optional<Result<Attributes>> {
    MutexLock lock(mutex_);
    if (!nodes_.Exists(parent.node) || nodes_[parent.node].present == 0) return Error(ErrorKind::kNotFound, "");
    if (!nodes_.IsDirectory(parent.node)) return Error(ErrorKind::kNotDirectory, "");
    if (HiddenLocked(parent.node) && !attempt.groups) return std::nullopt;
    bool listed = trees_.Of(parent.node) == nullptr || nodes_[parent.node].listed != 0;
    if (!listed && attempt.failure && nodes_.FindPresent(parent.node, name) == kNoNode) return *attempt.failure;
    if (!listed && !attempt.failure) {
      Status waiting = WaitLocked(attempt, parent.node, Question::kNames, nodes_.FindPresent(parent.node, name) != kNoNode,
                                  [this, parent, name, done](Attempt again) { TryLookup(std::move(again), parent, name, done); });
      if (waiting.ok()) return Error(ErrorKind::kStale, "waiting");
      return std::move(waiting).error();
    }
    uint32_t node = nodes_.FindPresent(parent.node, name);
    if (node == kNoNode) return Error(ErrorKind::kNotFound, "");
    if (HiddenLocked(node) && !attempt.groups) return std::nullopt;
    if (!VisibleLocked(attempt, node)) return Error(ErrorKind::kNotFound, "");
    if (nodes_.IsDirectory(node)) return Describe({node, kDirectoryVersion}, 0, true);
    bool known = versions_.CurrentSlot(node) != kNoSlot;
    return Describe({node, nodes_[node].version}, nodes_[node].size, known);
  };
  auto result = run();
  while (!result) {
    LoadGroups(attempt);
    result = run();
  }
  if (!result->ok() && result->error().kind() == ErrorKind::kStale) return;  // a waiter has `done`
  done(*std::move(result));
}

void SecretGate::GetAttributes(const Request& request, NodeId id, uint64_t handle, Reply<Attributes> done) {
  TryGetAttributes(Attempt(request), id, handle, std::move(done));
}

void SecretGate::TryGetAttributes(Attempt attempt, NodeId id, uint64_t handle, Reply<Attributes> done) {
  Result<Attributes> result = Attributes{};
  for (;;) {
    Step step;
    {
      MutexLock lock(mutex_);
      step = AttributesLocked(attempt, id, handle, done, result);
    }
    if (step == Step::kWaiting) return;
    if (step == Step::kFinished) break;
    LoadGroups(attempt);
  }
  done(std::move(result));
}

SecretGate::Step SecretGate::AttributesLocked(Attempt& attempt, NodeId id, uint64_t handle, Reply<Attributes>& done,
                                              Result<Attributes>& result) {
  auto finish = [&](Result<Attributes> value) {
    result = std::move(value);
    return Step::kFinished;
  };
  if (!nodes_.Exists(id.node)) return finish(Error(ErrorKind::kNotFound, ""));
  NodeRecord& record = nodes_[id.node];
  if (record.present == 0) {
    const HandleRecord* open = handle == 0 ? nullptr : handles_.Find(handle);
    if (open == nullptr || open->node != id.node) return finish(Error(ErrorKind::kNotFound, ""));
    return finish(Describe(id, versions_[open->slot].size, false));
  }
  if (HiddenLocked(id.node) && !attempt.groups) return Step::kNeedGroups;
  if (handle == 0 && !VisibleLocked(attempt, id.node)) return finish(Error(ErrorKind::kNotFound, ""));
  if (nodes_.IsDirectory(id.node)) return finish(Describe(id, 0, true));

  uint32_t superseded = versions_.SupersededSlot(id);
  if (superseded != kNoSlot) return finish(Describe(id, versions_[superseded].size, true));  // descriptors read it
  if (versions_.CurrentSlot(id.node) != kNoSlot) {
    return finish(Describe(id, record.size, id.version == record.version && id.version != 0));
  }
  // Not held. Who may open it learns its true size; for others, and when it cannot be had, it is what was known last.
  if (IsAnswer(attempt.failure, ErrorKind::kInterrupted) || IsAnswer(attempt.failure, ErrorKind::kNotFound)) {
    return finish(*attempt.failure);
  }
  Decision decision = DecideLocked(attempt, RulesLocked(id.node));
  if (decision.outcome == Decision::Outcome::kNeedGroups) return Step::kNeedGroups;
  if (decision.outcome == Decision::Outcome::kAllow && !attempt.failure &&
      ReadinessLocked(id.node) == Readiness::kMissing) {
    Status waiting = WaitLocked(attempt, record.parent, Question::kValue, false, [this, id, handle, done](Attempt again) {
      TryGetAttributes(std::move(again), id, handle, done);
    });
    if (waiting.ok()) return Step::kWaiting;
    return finish(std::move(waiting).error());
  }
  return finish(Describe(id, record.size, false));
}

Attributes SecretGate::Describe(NodeId id, uint64_t size, bool cacheable) const {
  Attributes attributes;
  const NodeRecord& record = nodes_[id.node];
  attributes.id = id;
  attributes.directory = nodes_.IsDirectory(id.node);
  attributes.changed = WallTime(Duration(record.changed_ns));
  if (attributes.directory) {
    attributes.permissions = kDirectoryMode;
  } else {
    Ownership ownership = OwnershipLocked(id.node);
    attributes.permissions = ownership.mode;
    attributes.uid = ownership.uid;
    attributes.gid = ownership.gid;
    attributes.size = size;
  }
  if (cacheable && !HiddenLocked(id.node)) attributes.entry_timeout = attributes.attribute_timeout = kLongTimeout;
  return attributes;
}

Ownership SecretGate::OwnershipLocked(uint32_t node) const {
  Ownership ownership = policy_->OwnershipFor(RulesLocked(node));
  const Tree* tree = trees_.Of(node);
  if (tree == nullptr) return ownership;
  ownership.uid = tree->options.owner.value_or(ownership.uid);
  ownership.gid = tree->options.group.value_or(ownership.gid);
  ownership.mode = tree->options.mode.value_or(ownership.mode);
  return ownership;
}

bool SecretGate::HiddenLocked(uint32_t node) const {
  const Tree* tree = trees_.Of(node);
  return tree != nullptr && tree->options.hidden;
}

bool SecretGate::VisibleLocked(const Attempt& attempt, uint32_t node) const {
  if (!HiddenLocked(node)) return true;
  return DecideLocked(attempt, RulesLocked(node)).outcome == Decision::Outcome::kAllow;
}

void SecretGate::OpenDirectory(const Request& request, NodeId id, Reply<Done> done) {
  TryOpenDirectory(Attempt(request), id, std::move(done));
}

void SecretGate::TryOpenDirectory(Attempt attempt, NodeId id, Reply<Done> done) {
  auto run = [&]() -> std::optional<Status> {
    MutexLock lock(mutex_);
    if (!nodes_.Exists(id.node) || nodes_[id.node].present == 0) return Error(ErrorKind::kNotFound, "");
    if (!nodes_.IsDirectory(id.node)) return Error(ErrorKind::kNotDirectory, "");
    if (HiddenLocked(id.node) && !attempt.groups) return std::nullopt;
    if (!VisibleLocked(attempt, id.node)) return Error(ErrorKind::kNotFound, "");
    if (trees_.Of(id.node) == nullptr || nodes_[id.node].listed != 0) return Ok();
    bool some = nodes_.FirstChild(id.node) != kNoNode;  // what was known before an outage is better than nothing
    if (attempt.failure) return some && attempt.failure->kind() != ErrorKind::kInterrupted ? Ok() : Status(*attempt.failure);
    Status waiting = WaitLocked(attempt, id.node, Question::kNames, some,
                                [this, id, done](Attempt again) { TryOpenDirectory(std::move(again), id, done); });
    if (waiting.ok()) return Error(ErrorKind::kStale, "waiting");
    return waiting;
  };
  std::optional<Status> status = run();
  while (!status) {
    LoadGroups(attempt);
    status = run();
  }
  if (!status->ok() && status->error().kind() == ErrorKind::kStale) return;  // a waiter has `done`
  done(*std::move(status));
}

Status SecretGate::ReadDirectory(const Request& request, NodeId id, uint64_t cookie,
                                 const std::function<bool(const DirectoryEntry&)>& visit) {
  Attempt attempt(request);
  bool hidden = false;
  {
    MutexLock lock(mutex_);
    if (!nodes_.Exists(id.node) || !nodes_.IsDirectory(id.node)) return Error(ErrorKind::kNotDirectory, "");
    for (const Tree& tree : trees_.trees()) hidden = hidden || tree.options.hidden;
  }
  if (hidden) LoadGroups(attempt);
  MutexLock lock(mutex_);
  uint32_t node = nodes_.FirstChild(id.node);
  if (cookie != 0) {  // a cookie is the number of the node that was shown last, which stays in its place
    auto last = static_cast<uint32_t>(cookie);
    if (!nodes_.Exists(last) || nodes_[last].parent != id.node) return Error(ErrorKind::kInvalid, "no such place in the directory");
    node = nodes_.NextSibling(last);
  }
  for (; node != kNoNode; node = nodes_.NextSibling(node)) {
    if (nodes_[node].present == 0 || !VisibleLocked(attempt, node)) continue;
    bool directory = nodes_.IsDirectory(node);
    DirectoryEntry entry{nodes_.Name(node), {node, directory ? kDirectoryVersion : nodes_[node].version.load()}, directory, node};
    if (!visit(entry)) break;
  }
  return Ok();
}

std::string SecretGate::StatusTextLocked(uint32_t node) const {
  bool directory = nodes_.IsDirectory(node);
  uint32_t secret = directory ? node : nodes_[node].parent;
  uint32_t slot = directory ? kNoSlot : versions_.CurrentSlot(node);
  if (slot != kNoSlot && versions_.TooLarge(slot)) return "too large: the value is over limits.value";
  BootTime now = loop_.Now();
  auto failure = failures_.find(secret);
  if (SecretVersionLocked(secret) == 0 || (!directory && slot == kNoSlot)) {
    if (failure != failures_.end()) return StrCat("failed: ", failure->second.error.message());
    return "not read yet";
  }
  if (BootTimeFromNanoseconds(nodes_[secret].fresh_until_ns) > now) return "fresh";
  if (failure != failures_.end()) return StrCat("stale: ", failure->second.error.message());
  return "to be asked again at the next open";
}

Result<std::string> SecretGate::GetExtendedAttribute(const Request& request, NodeId id, std::string_view name) {
  Attempt attempt(request);
  bool hidden = false;
  {
    MutexLock lock(mutex_);
    if (!nodes_.Exists(id.node)) return Error(ErrorKind::kNotFound, "");
    hidden = HiddenLocked(id.node);
  }
  if (hidden) LoadGroups(attempt);
  MutexLock lock(mutex_);
  if (trees_.Of(id.node) == nullptr || !VisibleLocked(attempt, id.node)) return Error(ErrorKind::kNoAttribute, "");
  uint32_t secret = nodes_.IsDirectory(id.node) ? id.node : nodes_[id.node].parent;
  if (name == "user.leasefs.status") return StatusTextLocked(id.node);
  if (name == "user.leasefs.version") return std::to_string(SecretVersionLocked(secret));
  if (name == "user.leasefs.expires") {
    int64_t end = nodes_[secret].lease_end_ns;
    if (end == 0 || BootTimeFromNanoseconds(end) == kNever) return std::string("never");
    Duration left = BootTimeFromNanoseconds(end) - loop_.Now();
    return StrCat(std::max<int64_t>(0, std::chrono::duration_cast<std::chrono::seconds>(left).count()), " s");
  }
  return Error(ErrorKind::kNoAttribute, "");
}

std::vector<std::string> SecretGate::ListExtendedAttributes(NodeId id) {
  MutexLock lock(mutex_);
  if (!nodes_.Exists(id.node) || trees_.Of(id.node) == nullptr) return {};
  return {"user.leasefs.status", "user.leasefs.version", "user.leasefs.expires"};
}

Gate::Counts SecretGate::Count() const {
  MutexLock lock(mutex_);
  return {nodes_.count(), versions_.sealed_bytes()};
}

bool SecretGate::UsesPosixErrors(NodeId id) const {
  MutexLock lock(mutex_);
  return UsesPosixErrorsLocked(id.node);
}

bool SecretGate::UsesPosixErrorsLocked(uint32_t node) const {
  const Tree* tree = nodes_.Exists(node) ? trees_.Of(node) : nullptr;
  return tree != nullptr && tree->options.errors == ErrnoStyle::kPosix;
}

}  // namespace leasefs
