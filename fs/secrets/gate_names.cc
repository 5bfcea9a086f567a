// Names and attributes. They are answered from memory; nothing here mints, and a value is fetched only for who may open
// it (S6).
#include <algorithm>

#include "fs/base/strings.h"
#include "fs/secrets/gate_steps.h"
#include "fs/secrets/name_escape.h"
#include "fs/secrets/secret_gate.h"

namespace leasefs {
namespace {

constexpr Duration kLongTimeout =
    std::chrono::hours(1);  // of what does not depend on the caller; publication does not rely on it
constexpr mode_t kDirectoryMode = 0555;
constexpr size_t kMaxProbes = 4096;  // names asked for in directories that may not be listed, since fs was started

bool IsAnswer(const std::optional<Error>& failure, ErrorKind kind) {
  return failure && failure->kind() == kind;
}

}  // namespace

std::optional<uint32_t> SecretGate::UnsureLocked(Attempt& attempt, uint32_t node, bool names_below) const {
  const Tree* tree = nodes_.Exists(node) ? trees_.Of(node) : nullptr;
  if (tree == nullptr) return std::nullopt;
  std::vector<uint32_t> chain;
  if (names_below && nodes_.IsDirectory(node)) chain.push_back(node);
  for (uint32_t at = node; at != tree->root; at = nodes_[at].parent) chain.push_back(nodes_[at].parent);
  std::reverse(chain.begin(), chain.end());
  for (uint32_t directory : chain) {
    if (nodes_[directory].present == 0) return std::nullopt;
    // Those above are known to be there; what is asked for decides whether they still are.
    bool listed = nodes_[directory].listed != 0;
    if ((listed || MayNotBeListedLocked(directory)) && directory != chain.back()) continue;
    if (listed && BootTimeFromNanoseconds(nodes_[directory].listed_until_ns) > loop_.Now()) continue;
    const Failure* recent = RecentFailureLocked(directory, Question::kNames);
    if (recent != nullptr && !attempt.failure) attempt.failure = recent->error;
    return directory;
  }
  return std::nullopt;
}

// A directory that may not be listed can still have names that may be read: each is asked for by itself, as a
// directory.
SecretGate::Step SecretGate::ProbeLocked(Attempt& attempt, uint32_t parent, const std::string& name,
                                         Reply<Attributes>& done, Result<Attributes>& result) {
  auto finish = [&](Error error) {
    result = std::move(error);
    return Step::kFinished;
  };
  uint32_t child = nodes_.Find(parent, name, true);
  if (child == kNoNode) {
    if (!UnescapeName(name) || probes_ >= kMaxProbes) return finish(*attempt.failure);
    auto added = AddNodeLocked(parent, name, NodeKind::kDirectory);
    if (!added.ok()) return finish(std::move(added).error());
    child = *added;
    ++probes_;
  }
  const NodeRecord& record = nodes_[child];
  if (record.listed != 0 && BootTimeFromNanoseconds(record.listed_until_ns) > loop_.Now()) {
    return finish(Error(ErrorKind::kNotFound, ""));
  }
  if (const Failure* recent = RecentFailureLocked(child, Question::kNames)) return finish(recent->error);
  attempt.failure.reset();
  return WaitStepLocked(attempt, child, Question::kNames, false, result, [this, parent, name, done](Attempt again) {
    TryLookup(std::move(again), {parent, kDirectoryVersion}, name, done);
  });
}

bool SecretGate::SentBackLocked(const Request& request) const {
  if (!request.replay) return false;
  std::optional<ReopenMarks::Mark> mark = marks_.Find(static_cast<uint32_t>(request.caller.tid));
  return mark && mark->unique == request.unique;
}

std::optional<ReopenMarks::Mark> SecretGate::TakeMarkLocked(const Request& request, uint32_t node) {
  auto mark = marks_.Take(static_cast<uint32_t>(request.caller.tid));
  if (!mark || mark->node == node) return mark;
  bool known = nodes_.Exists(mark->node) && nodes_.Exists(node) && nodes_[mark->node].parent == nodes_[node].parent;
  return known && nodes_.Name(mark->node) == nodes_.Name(node) ? mark
                                                               : std::nullopt;  // else the first try was given up
}

bool SecretGate::ReplacedLocked(const Attempt& attempt, uint32_t node) {
  if (!nodes_.Exists(node) || node == kRootNode) return false;
  if (SentBackLocked(attempt.request)) return true;
  if (TakeMarkLocked(attempt.request, node)) return false;
  if (nodes_.FindPresent(nodes_[node].parent, nodes_.Name(node)) == kNoNode) return false;
  marks_.Set(static_cast<uint32_t>(attempt.request.caller.tid), {node, false, attempt.request.unique});
  return true;
}

void SecretGate::Lookup(const Request& request, NodeId parent, std::string_view name, Reply<Attributes> done) {
  TryLookup(Attempt(request), parent, std::string(name), std::move(done));
}

void SecretGate::TryLookup(Attempt attempt, NodeId parent, std::string name, Reply<Attributes> done) {
  RunSteps<Attributes>(attempt, done, [&](Result<Attributes>& result) REQUIRES(mutex_) {
    return LookupLocked(attempt, parent, name, done, result);
  });
}

SecretGate::Step SecretGate::LookupLocked(Attempt& attempt, NodeId parent, const std::string& name,
                                          Reply<Attributes>& done, Result<Attributes>& result) {
  uint32_t node = nodes_.Exists(parent.node) ? nodes_.FindPresent(parent.node, name) : kNoNode;
  if (node != kNoNode && !IsShownLocked(node)) node = kNoNode;
  // What the configuration puts there is there, whatever a listing would say.
  bool certain = node != kNoNode && (derived_.IsFile(node) || derived_.IsPinned(node));
  std::optional<uint32_t> unsure = certain ? std::nullopt : UnsureLocked(attempt, parent.node, true);
  if (unsure && !attempt.failure) {
    bool shared = trees_.Of(parent.node)->options.lease_scope == LeaseScope::kShared;
    if (shared && *unsure == parent.node && nodes_[parent.node].listed == 0) {
      Decision decision = DecideLocked(attempt, policy_->RulesFor(StrCat(nodes_.Path(parent.node), "/", name)));
      if (decision.outcome == Decision::Outcome::kNeedGroups) return Step::kNeedGroups;
      if (decision.outcome == Decision::Outcome::kAllow) waits_.SetForOpen(parent.node);
    }
    return WaitStepLocked(
        attempt, *unsure, Question::kNames, node != kNoNode, result,
        [this, parent, name, done](Attempt again) { TryLookup(std::move(again), parent, name, done); });
  }
  if (HiddenLocked(node != kNoNode ? node : parent.node) && !attempt.groups) return Step::kNeedGroups;
  if (nodes_.Exists(parent.node) && !nodes_.IsDirectory(parent.node)) {
    result = Error(ErrorKind::kNotDirectory, "");
  } else if (node == kNoNode && attempt.waits < kMaxWaits && attempt.failure &&
             attempt.failure->kind() == ErrorKind::kDenied && MayNotBeListedLocked(parent.node)) {
    return ProbeLocked(attempt, parent.node, name, done, result);
  } else if (node == kNoNode || nodes_[parent.node].present == 0 || !VisibleLocked(attempt, node)) {
    result = unsure && attempt.failure ? *attempt.failure : Error(ErrorKind::kNotFound, "");
  } else if (nodes_.IsDirectory(node)) {
    result = Describe({node, kDirectoryVersion}, 0, true);
  } else {
    NodeId id{node, nodes_[node].version};
    result = Describe(id, SizeLocked(id), IsSettledLocked(id));
  }
  return Step::kFinished;
}

void SecretGate::GetAttributes(const Request& request, NodeId id, uint64_t handle, Reply<Attributes> done) {
  TryGetAttributes(Attempt(request), id, handle, std::move(done));
}

void SecretGate::TryGetAttributes(Attempt attempt, NodeId id, uint64_t handle, Reply<Attributes> done) {
  RunSteps<Attributes>(attempt, done, [&](Result<Attributes>& result) REQUIRES(mutex_) {
    return AttributesLocked(attempt, id, handle, done, result);
  });
}

SecretGate::Step SecretGate::AttributesLocked(Attempt& attempt, NodeId id, uint64_t handle, Reply<Attributes>& done,
                                              Result<Attributes>& result) {
  auto finish = [&](Result<Attributes> value) {
    result = std::move(value);
    return Step::kFinished;
  };
  auto again = [this, id, handle, done](Attempt next) { TryGetAttributes(std::move(next), id, handle, done); };
  if (!nodes_.Exists(id.node)) return finish(Error(ErrorKind::kNotFound, ""));
  // A version that descriptors read keeps its size, whatever became of its name (S8). The kernel's fstat gives no
  // handle.
  uint32_t read = versions_.SupersededSlot(id);
  const HandleRecord* open = handle == 0 ? nullptr : handles_.Find(handle);
  if (read == kNoSlot && open != nullptr && open->file == id.node && open->slot != versions_.CurrentSlot(id.node))
    read = open->slot;
  if (read != kNoSlot) return finish(Describe(id, versions_[read].size, false));
  if (!IsShownLocked(id.node)) {
    std::optional<uint32_t> unsure = UnsureLocked(attempt, id.node, false);
    if (unsure && !attempt.failure) return WaitStepLocked(attempt, *unsure, Question::kNames, false, result, again);
    if (ReplacedLocked(attempt, id.node)) return finish(Error(ErrorKind::kStale, ""));
    return finish(attempt.failure ? *attempt.failure : Error(ErrorKind::kNotFound, ""));
  }
  if (HiddenLocked(id.node) && !attempt.groups) return Step::kNeedGroups;
  if (handle == 0 && !VisibleLocked(attempt, id.node)) return finish(Error(ErrorKind::kNotFound, ""));
  if (nodes_.IsDirectory(id.node)) return finish(Describe(id, 0, true));
  if (derived_.Is(id.node)) return DerivedAttributesLocked(attempt, id, result, again);
  return FileAttributesLocked(attempt, id, result, again);
}

// What a descriptor reads keeps its size (S8). Of what must be minted and is not held, nothing is known of what an open
// would show (S6).
uint64_t SecretGate::SizeLocked(NodeId id) const {
  uint32_t read = versions_.SupersededSlot(id);
  if (read != kNoSlot) return versions_[read].size;
  const NodeRecord& record = nodes_[id.node];
  bool unknown = MintedLocked(id.node) && versions_.CurrentSlot(id.node) == kNoSlot;
  return unknown ? 0 : record.size.load();
}

// Who may open it learns the size that an open would show; for others, and when it cannot be had, it is what was known
// last. What must be minted is never asked for here, nor what may have become such since its directory was listed.
SecretGate::Step SecretGate::FileAttributesLocked(Attempt& attempt, NodeId id, Result<Attributes>& result,
                                                  std::function<void(Attempt)> again) {
  auto finish = [&](Result<Attributes> value) {
    result = std::move(value);
    return Step::kFinished;
  };
  const NodeRecord& record = nodes_[id.node];
  uint32_t slot = versions_.CurrentSlot(id.node);
  bool current = slot != kNoSlot && id.version == record.version && id.version != 0;
  bool open = current && versions_.Pinned(slot);  // it may be fstat that asks: the size of this inode is settled
  Readiness readiness = ReadinessLocked(id.node);
  bool minted = nodes_[record.parent].minted != 0;
  if (readiness == Readiness::kFresh || open || minted) return finish(Describe(id, SizeLocked(id), current));
  if (IsAnswer(attempt.failure, ErrorKind::kInterrupted) || IsAnswer(attempt.failure, ErrorKind::kNotFound)) {
    return finish(*attempt.failure);
  }
  Decision decision = DecideLocked(attempt, RulesLocked(id.node));
  if (decision.outcome == Decision::Outcome::kNeedGroups) return Step::kNeedGroups;
  bool may_ask = decision.outcome == Decision::Outcome::kAllow && !attempt.failure && attempt.waits < kMaxWaits;
  bool listed = nodes_[record.parent].listed != 0;
  bool in_vain = RecentFailureLocked(record.parent, Question::kValue) != nullptr ||
                 (!listed && RecentFailureLocked(record.parent, Question::kNames) != nullptr);
  if (may_ask && !in_vain) {
    Question question = listed ? Question::kValue : Question::kNames;
    return WaitStepLocked(attempt, record.parent, question, readiness == Readiness::kStale, result, std::move(again));
  }
  return finish(Describe(id, record.size, current));
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
  if (!cacheable || HiddenLocked(id.node)) return attributes;
  attributes.entry_timeout = attributes.attribute_timeout = kLongTimeout;
  if (attributes.directory) return attributes;
  Duration fresh = FreshUntilLocked(id.node) - loop_.Now();
  attributes.attribute_timeout = std::clamp(fresh, Duration::zero(), kLongTimeout);
  return attributes;
}

Ownership SecretGate::OwnershipLocked(uint32_t node) const {
  Ownership ownership = policy_->OwnershipFor(RulesLocked(node));
  const ShownOptions* shown = ShownOptionsLocked(node);
  if (shown == nullptr) return ownership;
  ownership.uid = shown->owner.value_or(ownership.uid);
  ownership.gid = shown->group.value_or(ownership.gid);
  ownership.mode = shown->mode.value_or(ownership.mode);
  return ownership;
}

bool SecretGate::HiddenLocked(uint32_t node) const {
  const ShownOptions* shown = ShownOptionsLocked(node);
  return shown != nullptr && shown->hidden;
}

bool SecretGate::VisibleLocked(const Attempt& attempt, uint32_t node) const {
  if (!HiddenLocked(node)) return true;
  return DecideLocked(attempt, RulesLocked(node)).outcome == Decision::Outcome::kAllow;
}

void SecretGate::OpenDirectory(const Request& request, NodeId id, Reply<Done> done) {
  TryOpenDirectory(Attempt(request), id, std::move(done));
}

void SecretGate::TryOpenDirectory(Attempt attempt, NodeId id, Reply<Done> done) {
  RunSteps<Done>(attempt, done,
                 [&](Status& result) REQUIRES(mutex_) { return OpenDirectoryLocked(attempt, id, done, result); });
}

bool SecretGate::HasShownChildLocked(uint32_t directory) const {
  uint32_t child = nodes_.FirstChild(directory);
  while (child != kNoNode && !IsShownLocked(child)) child = nodes_.NextSibling(child);
  return child != kNoNode;
}

SecretGate::Step SecretGate::OpenDirectoryLocked(Attempt& attempt, NodeId id, Reply<Done>& done, Status& result) {
  auto finish = [&](Status status) {
    result = std::move(status);
    return Step::kFinished;
  };
  if (!nodes_.Exists(id.node)) return finish(Error(ErrorKind::kNotFound, ""));
  if (!nodes_.IsDirectory(id.node)) return finish(Error(ErrorKind::kNotDirectory, ""));
  std::optional<uint32_t> unsure = UnsureLocked(attempt, id.node, true);
  // Better than nothing in an outage.
  const bool some = unsure && nodes_[id.node].present != 0 && HasShownChildLocked(id.node);
  if (unsure && !attempt.failure) {
    return WaitStepLocked(attempt, *unsure, Question::kNames, some, result,
                          [this, id, done](Attempt again) { TryOpenDirectory(std::move(again), id, done); });
  }
  if (HiddenLocked(id.node) && !attempt.groups) return Step::kNeedGroups;
  if (IsAnswer(attempt.failure, ErrorKind::kInterrupted)) return finish(*attempt.failure);
  if (unsure && attempt.failure && !some) return finish(*attempt.failure);
  if (nodes_[id.node].present == 0) {
    return finish(Error(ReplacedLocked(attempt, id.node) ? ErrorKind::kStale : ErrorKind::kNotFound, ""));
  }
  return finish(VisibleLocked(attempt, id.node) ? Ok() : Error(ErrorKind::kNotFound, ""));
}

Status SecretGate::ReadDirectory(const Request& request, NodeId id, uint64_t cookie,
                                 const std::function<bool(const DirectoryEntry&)>& visit) {
  Attempt attempt(request);
  bool hidden = false;
  {
    MutexLock lock(mutex_);
    if (!nodes_.Exists(id.node) || !nodes_.IsDirectory(id.node)) return Error(ErrorKind::kNotDirectory, "");
    for (const Tree& tree : trees_.trees()) hidden = hidden || tree.options.hidden;
    for (const auto& [node, options] : derived_.files()) hidden = hidden || options.hidden;
  }
  if (hidden) LoadGroups(attempt);
  MutexLock lock(mutex_);
  uint32_t node = nodes_.FirstChild(id.node);
  if (cookie != 0) {  // a cookie is the number of the node that was shown last, which stays in its place
    auto last = static_cast<uint32_t>(cookie);
    if (!nodes_.Exists(last) || nodes_[last].parent != id.node)
      return Error(ErrorKind::kInvalid, "no such place in the directory");
    node = nodes_.NextSibling(last);
  }
  for (; node != kNoNode; node = nodes_.NextSibling(node)) {
    if (!IsShownLocked(node) || !VisibleLocked(attempt, node)) continue;
    bool directory = nodes_.IsDirectory(node);
    DirectoryEntry entry{
        nodes_.Name(node), {node, directory ? kDirectoryVersion : nodes_[node].version.load()}, directory, node};
    if (!visit(entry)) break;
  }
  return Ok();
}

}  // namespace leasefs
