// What is told of a file in words: its extended attributes.
#include <algorithm>

#include "fs/base/strings.h"
#include "fs/secrets/gate_steps.h"
#include "fs/secrets/secret_gate.h"

namespace leasefs {
namespace {

std::string_view ScopeWord(LeaseScope scope) {
  switch (scope) {
    case LeaseScope::kShared:
      return "secret";
    case LeaseScope::kUid:
      return "user";
    case LeaseScope::kProcess:
      return "process";
    case LeaseScope::kOpen:
      return "open";
  }
  return "";
}

}  // namespace

// Of a backend that answers no question: readers wait to their deadline, and nothing is known of any one secret.
std::string SecretGate::BackendProblemLocked(const Tree& tree) const {
  const Link* link = FindLinkLocked(tree.options.backend);
  if (link == nullptr || !link->connected) return "the backend's process is not there";
  if (link->health != protocol::HealthState::kUp) return link->message;
  if (!link->report || link->report->identities.empty()) return "";
  const auto& identities = link->report->identities;  // which of them a tree has is not known here
  bool none = std::all_of(identities.begin(), identities.end(),
                          [](auto& identity) { return !identity.logged_in && !identity.problem.empty(); });
  return none ? StrCat("its login fails: ", identities.front().problem) : "";
}

std::string SecretGate::StatusTextLocked(uint32_t node) const {
  if (derived_.Is(node)) return DerivedStatusTextLocked(node);
  bool directory = nodes_.IsDirectory(node);
  uint32_t secret = directory ? node : nodes_[node].parent;
  const NodeRecord& record = nodes_[secret];
  uint32_t slot = directory ? kNoSlot : versions_.CurrentSlot(node);
  if (slot != kNoSlot && versions_.TooLarge(slot)) return "too large: the value is over limits.value";
  const Tree* tree = trees_.Of(node);
  if (tree != nullptr && record.minted != 0 && tree->options.lease_scope != LeaseScope::kShared) {
    return StrCat("one lease for each ", ScopeWord(tree->options.lease_scope));
  }
  BootTime now = loop_.Now();
  auto failure = failures_.find(secret);
  bool failed = failure != failures_.end();
  if (!failed && directory) {
    auto listing = listing_failures_.find(secret);
    if (listing != listing_failures_.end()) return StrCat("failed: ", listing->second.error.message());
  }
  if (record.minted != 0 && held_.LeaseEnded(secret, now)) {
    return StrCat("expired: ", failed ? failure->second.error.message() : "the next open asks for a new lease");
  }
  if (SecretVersionLocked(secret) == 0 || (!directory && slot == kNoSlot)) {
    if (failed) return StrCat("failed: ", failure->second.error.message());
    std::string problem = tree == nullptr ? "" : BackendProblemLocked(*tree);
    return problem.empty() ? "not read yet" : StrCat("not read yet: ", problem);
  }
  if (record.minted != 0 && BootTimeFromNanoseconds(record.lease_end_ns) != kNever) {
    Duration left = BootTimeFromNanoseconds(record.lease_end_ns) - now;
    return StrCat("leased: ", std::chrono::duration_cast<std::chrono::seconds>(left).count(), " s left");
  }
  if (BootTimeFromNanoseconds(record.fresh_until_ns) > now) return "fresh";
  const bool served = BootTimeFromNanoseconds(record.stale_until_ns) > now;
  if (failed) return StrCat(served ? "stale: " : "failed: ", failure->second.error.message());
  return "to be asked again at the next open";
}

const Tree* SecretGate::ScopedTreeLocked(uint32_t node) const {
  const Tree* tree = derived_.IsFile(node) ? nullptr : trees_.Of(node);
  return tree != nullptr && tree->options.lease_scope != LeaseScope::kShared ? tree : nullptr;
}

Result<std::string> SecretGate::GetExtendedAttribute(const Request& request, NodeId id, std::string_view name) {
  Attempt attempt(request);
  bool hidden = false, of_process = false;
  {
    MutexLock lock(mutex_);
    if (!nodes_.Exists(id.node)) return Error(ErrorKind::kNotFound, "");
    hidden = HiddenLocked(id.node);
    const Tree* scoped = ScopedTreeLocked(id.node);
    const bool of_lease = name == "user.leasefs.version" || name == "user.leasefs.expires";
    of_process = of_lease && scoped != nullptr && scoped->options.lease_scope == LeaseScope::kProcess;
  }
  if (hidden) LoadGroups(attempt);
  if (of_process) LoadProcess(attempt);
  MutexLock lock(mutex_);
  if (ShownOptionsLocked(id.node) == nullptr || !VisibleLocked(attempt, id.node))
    return Error(ErrorKind::kNoAttribute, "");
  const Tree* scoped = ScopedTreeLocked(id.node);
  const uint32_t own = scoped == nullptr ? kNoNode : FindInstanceLocked(attempt, *scoped);
  uint32_t secret = nodes_.IsDirectory(id.node) ? id.node : nodes_[id.node].parent;
  if (own != kNoNode) secret = own;
  if (name == "user.leasefs.status") return StatusTextLocked(id.node);
  if (name == "user.leasefs.version") {
    return std::to_string(derived_.IsFile(id.node) ? nodes_[id.node].version.load() : SecretVersionLocked(secret));
  }
  if (name == "user.leasefs.scope" && scoped != nullptr) {
    return std::string(kLeaseScopeWords[static_cast<size_t>(scoped->options.lease_scope)]);
  }
  if (name == "user.leasefs.kind" && !nodes_.IsDirectory(id.node)) {
    return std::string(derived_.IsFile(id.node) ? "file" : derived_.IsForm(id.node) ? "form" : "key");
  }
  if (name == "user.leasefs.expires") {
    BootTime end = LeaseEndLocked(own == kNoNode ? id.node : own);
    if (end == BootTime{}) return std::string("not read yet");
    if (end == kNever) return std::string("never");
    Duration left = end - loop_.Now();
    return StrCat(std::max<int64_t>(0, std::chrono::duration_cast<std::chrono::seconds>(left).count()), " s");
  }
  return Error(ErrorKind::kNoAttribute, "");
}

std::vector<std::string> SecretGate::ListExtendedAttributes(NodeId id) {
  MutexLock lock(mutex_);
  if (!nodes_.Exists(id.node) || ShownOptionsLocked(id.node) == nullptr) return {};
  std::vector<std::string> names{"user.leasefs.status", "user.leasefs.version", "user.leasefs.expires"};
  if (!nodes_.IsDirectory(id.node)) names.emplace_back("user.leasefs.kind");
  if (ScopedTreeLocked(id.node) != nullptr) names.emplace_back("user.leasefs.scope");
  return names;
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
  const ShownOptions* shown = nodes_.Exists(node) ? ShownOptionsLocked(node) : nullptr;
  return shown != nullptr && shown->errors == ErrnoStyle::kPosix;
}

}  // namespace leasefs
