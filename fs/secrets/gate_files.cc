// Files that are made of secrets, as callers meet them (S7). The rules of the file's own path have decided; those of
// its secrets do not matter, since to grant the file is to grant what the operator put into it.
#include <algorithm>

#include "fs/base/strings.h"
#include "fs/secrets/secret_gate.h"

namespace leasefs {

std::vector<uint32_t> SecretGate::SecretsOfLocked(uint32_t file) const {
  if (derived_.Is(file)) return derived_.SecretsOf(file);
  return {nodes_.IsDirectory(file) ? file : nodes_[file].parent};
}

bool SecretGate::MintedLocked(uint32_t file) const {
  std::vector<uint32_t> secrets = SecretsOfLocked(file);
  return std::any_of(secrets.begin(), secrets.end(),
                     [&](uint32_t secret) REQUIRES(mutex_) { return nodes_[secret].minted != 0; });
}

void SecretGate::NoteOpenedLocked(uint32_t file) {
  for (uint32_t secret : SecretsOfLocked(file)) {
    if (!held_.NoteOpened(secret, loop_.Now())) continue;
    waits_.Ask(secret, Question::kValue);
    RequestPumpLocked();
  }
}

BootTime SecretGate::FreshUntilLocked(uint32_t file) const {
  BootTime until = kNever;
  for (uint32_t secret : SecretsOfLocked(file))
    until = std::min(until, BootTimeFromNanoseconds(nodes_[secret].fresh_until_ns));
  return until;
}

BootTime SecretGate::LeaseEndLocked(uint32_t file) const {
  BootTime end = kNever;
  for (uint32_t secret : SecretsOfLocked(file)) {
    BootTime one = BootTimeFromNanoseconds(nodes_[secret].lease_end_ns);
    if (one == BootTime{} && nodes_[secret].minted == 0) continue;
    end = std::min(end, one);
  }
  return end;
}

const ShownOptions* SecretGate::ShownOptionsLocked(uint32_t node) const {
  if (const FileOptions* file = derived_.OptionsOf(node)) return file;
  const Tree* tree = trees_.Of(node);
  return tree == nullptr ? nullptr : &tree->options;
}

bool SecretGate::IsShownLocked(uint32_t node) const {
  if (nodes_[node].present == 0) return false;
  if (nodes_.IsDirectory(node) || derived_.Is(node)) return true;
  const Tree* tree = trees_.Of(node);
  return tree == nullptr || tree->options.forms.keys;
}

bool SecretGate::IsSettledLocked(NodeId id) const {
  if (versions_.CurrentSlot(id.node) == kNoSlot || id.version != nodes_[id.node].version || id.version == 0)
    return false;
  return !derived_.Is(id.node) || derived_.Made(id.node) != nullptr;
}

// Asks for all that is not at hand, at once, and waits for one after the other: the deadline is the request's. Of a
// secret that fails, a stale copy does if its own keys would be served so.
SecretGate::Step SecretGate::GatherLocked(Attempt& attempt, uint32_t file, bool may_mint,
                                          std::function<void(Attempt)> again, AtHand& value) {
  const std::vector<uint32_t> secrets = derived_.SecretsOf(file);
  // Nothing is to be asked, and perhaps minted, for somebody who is gone.
  auto fail = [&](Error error) REQUIRES(mutex_) {
    for (uint32_t secret : secrets) {
      waits_.Unask(secret, Question::kValue);
      waits_.Unask(secret, Question::kNames);
    }
    value.failure = std::move(error);
    return Step::kFinished;
  };
  auto refused = [&](uint32_t secret, const Error& error) REQUIRES(mutex_) {
    return fail(RefusalLocked(secret, error).Context(Printable(nodes_.Path(secret))));
  };
  std::optional<Error> answer = std::exchange(attempt.failure, std::nullopt);
  if (answer && answer->kind() == ErrorKind::kInterrupted) return fail(*answer);
  const bool patient = attempt.waits < kMaxWaits * static_cast<int>(secrets.size());
  std::vector<uint32_t> missing;
  for (uint32_t secret : secrets) {
    Readiness readiness = SecretReadinessLocked(secret);
    bool stale = readiness == Readiness::kStale;
    if (readiness == Readiness::kFresh) continue;
    if (answer && secret == attempt.waited_for) {
      if (!stale || !IsOutage(answer->kind())) return refused(secret, *answer);
      attempt.settled.push_back(secret);
    } else if (stale && RecentFailureLocked(secret, Question::kValue) != nullptr) {
      attempt.settled.push_back(secret);
    }
    if (readiness == Readiness::kFailed) return refused(secret, failures_.at(secret).error);
    if (!may_mint && nodes_[secret].minted != 0) return fail(Error(ErrorKind::kStale, "only an open asks for it"));
    bool settled = std::find(attempt.settled.begin(), attempt.settled.end(), secret) != attempt.settled.end();
    value.stale = value.stale || stale;
    if (!(stale && settled) && (patient || !HeldLocked(secret))) missing.push_back(secret);
  }
  if (!missing.empty()) return WaitForLocked(attempt, missing, may_mint, std::move(again), value);
  NoteOpenedLocked(file);  // first, so that room is not made by letting go of them
  Status made = MakeLocked(file, true);
  return made.ok() ? Step::kFinished : fail(std::move(made).error());
}

// Whether a secret must be minted is known when its directory has been listed.
SecretGate::Step SecretGate::WaitForLocked(Attempt& attempt, const std::vector<uint32_t>& missing, bool may_mint,
                                           std::function<void(Attempt)> again, AtHand& value) {
  auto question = [&](uint32_t secret) REQUIRES(mutex_) {
    return may_mint || nodes_[secret].listed != 0 ? Question::kValue : Question::kNames;
  };
  for (uint32_t secret : missing) {
    waits_.Ask(secret, question(secret));
    if (nodes_[secret].listed == 0) waits_.Ask(secret, Question::kNames);  // nobody need have walked there
  }
  const uint32_t first = attempt.waited_for = missing.front();
  const bool stale = SecretReadinessLocked(first) == Readiness::kStale;
  Status waiting = WaitLocked(attempt, first, question(first), stale, std::move(again));
  if (waiting.ok()) return Step::kWaiting;
  value.failure = std::move(waiting).error();
  return Step::kFinished;
}

// As for keys: who may open it learns the size that an open would show.
SecretGate::Step SecretGate::DerivedAttributesLocked(Attempt& attempt, NodeId id, Result<Attributes>& result,
                                                     std::function<void(Attempt)> again) {
  auto finish = [&](Result<Attributes> value) {
    result = std::move(value);
    return Step::kFinished;
  };
  const NodeRecord& record = nodes_[id.node];
  auto as_known = [&]() REQUIRES(mutex_) { return Describe(id, SizeLocked(id), IsSettledLocked(id)); };
  uint32_t slot = versions_.CurrentSlot(id.node);
  bool open = slot != kNoSlot && id.version == record.version && versions_.Pinned(slot);
  if (open || (FreshUntilLocked(id.node) > loop_.Now() && derived_.Made(id.node) != nullptr)) return finish(as_known());
  Decision decision = DecideLocked(attempt, RulesLocked(id.node));
  if (decision.outcome == Decision::Outcome::kNeedGroups) return Step::kNeedGroups;
  if (decision.outcome != Decision::Outcome::kAllow) return finish(as_known());
  AtHand value;
  if (GatherLocked(attempt, id.node, false, std::move(again), value) == Step::kWaiting) return Step::kWaiting;
  if (value.failure && value.failure->kind() == ErrorKind::kInterrupted) return finish(*value.failure);
  return finish(as_known());
}

std::string SecretGate::DerivedStatusTextLocked(uint32_t file) const {
  const BootTime now = loop_.Now();
  std::string failure;
  bool held = true;
  for (uint32_t secret : derived_.SecretsOf(file)) {
    held = held && HeldLocked(secret);
    auto failed = failures_.find(secret);
    if (failed != failures_.end() && failure.empty())
      failure = StrCat(Printable(nodes_.Path(secret)), ": ", failed->second.error.message());
  }
  if (!held) return failure.empty() ? "not read yet" : StrCat("failed: ", failure);
  const Status* made = derived_.Made(file);
  if (made != nullptr && !made->ok()) return StrCat("failed: ", made->error().message());
  if (versions_.CurrentSlot(file) == kNoSlot) return "not read yet";
  if (FreshUntilLocked(file) > now) return "fresh";
  return failure.empty() ? "to be asked again at the next open" : StrCat("stale: ", failure);
}

}  // namespace leasefs
