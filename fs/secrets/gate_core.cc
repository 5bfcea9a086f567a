#include "fs/secrets/gate_core.h"

namespace leasefs {

GateCore::GateCore(const GateParts& parts)
    : loop_(parts.loop),
      groups_(parts.groups),
      notifier_(parts.notifier),
      audit_(parts.audit),
      state_(parts.state),
      nodes_(parts.state),
      versions_(parts.state, nodes_, parts.loop.random(), parts.state_key),
      derived_(nodes_, versions_),
      held_(nodes_, versions_, derived_, cache_, notifier_),
      handles_(parts.state, versions_),
      marks_(parts.state),
      trees_(nodes_),
      instances_(parts.state, nodes_, trees_, parts.loop.random()),
      policy_(std::make_shared<const Policy>(std::vector<AllowRule>(), 0)),
      alive_(std::make_shared<bool>(true)) {
  versions_.FinishRecovery();
  (void)versions_.TakeFreed();
  for (uint32_t node = 0; node < nodes_.count(); ++node) {
    if (!nodes_.IsDirectory(node) || SecretVersionLocked(node) == 0) continue;
    held_.NoteSurvived(node, loop_.Now());
  }
}

GateCore::~GateCore() {
  loop_.Cancel(deadline_timer_);
  loop_.Cancel(sweep_timer_);
  loop_.Cancel(lease_end_timer_);
  loop_.Cancel(process_timer_);
}

uint64_t GateCore::SecretVersionLocked(uint32_t directory) const {
  const NodeRecord& record = nodes_[directory];
  return record.secret_version[record.publication & 1];
}

GateCore::Link* GateCore::FindLinkLocked(const std::string& backend) const {
  for (const auto& link : links_) {
    if (link->link.name() == backend) return link.get();
  }
  return nullptr;
}

GateCore::Readiness GateCore::ReadinessLocked(uint32_t directory, uint32_t file) const {
  return ReadinessOfLocked(directory, file != kNoNode && versions_.CurrentSlot(file) != kNoSlot);
}

GateCore::Readiness GateCore::SecretReadinessLocked(uint32_t directory) const {
  return ReadinessOfLocked(directory, HeldLocked(directory));
}

bool GateCore::HeldLocked(uint32_t directory) const {
  if (SecretVersionLocked(directory) == 0 || held_.LeaseEnded(directory, loop_.Now())) return false;
  for (uint32_t child = nodes_.FirstChild(directory); child != kNoNode; child = nodes_.NextSibling(child)) {
    bool key = !nodes_.IsDirectory(child) && nodes_[child].present != 0 && !derived_.Is(child);
    if (key && versions_.CurrentSlot(child) == kNoSlot) return false;
  }
  return true;
}

GateCore::Readiness GateCore::ReadinessOfLocked(uint32_t directory, bool bytes_are_held) const {
  const NodeRecord& secret = nodes_[directory];
  BootTime now = loop_.Now();
  bool held = bytes_are_held && SecretVersionLocked(directory) != 0 && !held_.LeaseEnded(directory, now);
  if (held && BootTimeFromNanoseconds(secret.fresh_until_ns) > now) return Readiness::kFresh;
  if (held && BootTimeFromNanoseconds(secret.stale_until_ns) > now) return Readiness::kStale;
  return RecentFailureLocked(directory, Question::kValue) != nullptr ? Readiness::kFailed : Readiness::kMissing;
}

const GateFailure* GateCore::RecentFailureLocked(uint32_t directory, Question question) const {
  const auto& failures = question == Question::kNames ? listing_failures_ : failures_;
  auto failure = failures.find(directory);
  return failure != failures.end() && failure->second.retry_at > loop_.Now() ? &failure->second : nullptr;
}

}  // namespace leasefs
