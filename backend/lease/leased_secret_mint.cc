#include <algorithm>
#include <utility>

#include "backend/lease/leased_secret.h"
#include "backend/lease/schedule.h"
#include "fs/base/strings.h"

namespace leasefs::lease {
namespace {

using std::chrono::duration_cast;
using std::chrono::seconds;

// A reader's own deadline is five seconds unless it says otherwise (S25).
constexpr Duration kMostWaitForMint = seconds(5);
// A server that binds a lease to its token counts in whole seconds, so that its end lies a little before the token's.
constexpr Duration kWholeSeconds = seconds(2);

}  // namespace

// S15: what readers and failures cause.
BootTime LeasedSecret::AskedMintAllowedAt() const {
  if (record_.last_asked_mint == BootTime{}) return {};
  return Later(record_.last_asked_mint, std::max(origin_.tree->mint_interval, Backoff::kFloor));
}

Error LeasedSecret::WhyNotMinted() const {
  if (!mint_failure_) return {ErrorKind::kUnreachable, "it could not be minted a moment ago, and is not tried yet"};
  bool outage = mint_failure_->cause == Cause::kOutage;
  if (!lost_ || !outage) return mint_failure_->error;
  return {lost_->kind(), StrCat(lost_->message(), ", and could not be replaced: ", mint_failure_->error.message())};
}

void LeasedSecret::MintForReaders() {
  BootTime now = context_.Now();
  if (now < record_.mint_not_before) return FailAll(WhyNotMinted().RetryAt(record_.mint_not_before));
  BootTime allowed = std::max(AskedMintAllowedAt(), Later(record_.last_mint, Backoff::kFloor));
  if (now >= allowed) return Mint(Why::kAsked);
  if (allowed - now > kMostWaitForMint) {
    std::string why = StrCat("it was minted a moment ago, and is again in ",
                             duration_cast<seconds>(allowed - now).count() + 1, " s at the earliest (mint_interval)");
    return FailAll((lost_ ? Error(lost_->kind(), StrCat(lost_->message(), "; ", why))
                          : Error(ErrorKind::kUnreachable, std::move(why)))
                       .RetryAt(allowed));
  }
  if (mint_timer_ != Loop::kNoTimer) return;
  mint_timer_ = context_.loop.At(allowed, lifetime_.Guard([this] {
    mint_timer_ = Loop::kNoTimer;
    ServeOrMint();
  }));
}

void LeasedSecret::Mint(Why why) {
  if (context_.leaving) return;
  if (context_.stopping || abandoned_)
    return FailAll(Error(ErrorKind::kUnreachable, "nothing is minted any more: the backend is being stopped"));
  if (HasTooManyToRevoke()) {
    const Error full(ErrorKind::kUnreachable, "too many of its leases could not be revoked yet: nothing is minted");
    return MintFailed({full, Cause::kOutage});
  }
  minting_ = true;
  minting_why_ = why;
  mint_sequence_ = 0;
  mint_origin_ = origin_;
  mint_abandonments_ = abandonments_;
  mint_origin_.session->Ask<Grant>(
      {.lease = true, .left = min_ttl()},
      lifetime_.Guard([this](const Session::Key& key, Reply<Grant> reply) { Send(key, std::move(reply)); }),
      lifetime_.Guard([this](Answer<Grant> answer) { OnMinted(std::move(answer)); }));
}

// While there was no token nobody wanted it any more; or it ended, and now only a reader may cause a mint.
bool LeasedSecret::IsCalledOff() const {
  return !context_.MayMint() || mint_abandonments_ != abandonments_ ||
         (minting_why_ == Why::kScheduled && (!record_.current || !record_.in_use));
}

// A mint that a crash leaves without an answer is known by its intent: what it made, nobody has the id of.
void LeasedSecret::Send(const Session::Key& key, Reply<Grant> reply) {
  if (!key.can_hold_leases) {
    return reply(Failure{Error(ErrorKind::kDenied, "the login's tokens cannot hold leases: give it another token type"),
                         Cause::kRefused});
  }
  if (IsCalledOff()) {
    mint_called_off_ = true;
    return reply(Failure{Error(ErrorKind::kUnreachable, "it was called off before it was sent"), Cause::kOutage});
  }
  if (WouldEndTooSoon(key)) return reply(EndsTooSoon(mint_origin_.session->EndOf(key.generation)));
  mint_sequence_ = ++context_.counters.sequence;
  mint_sent_at_ = context_.Now();
  mint_key_ = key;
  MintIntent intent{mint_sequence_, mint_sent_at_, minting_why_ == Why::kAsked};
  if (!context_.RecordCounters() || !context_.Record("mint/" + name_, Encode(intent))) {
    return reply(Failure{Error(ErrorKind::kNoMemory, "there is no room to remember a lease: nothing is minted"),
                         Cause::kRefused});
  }
  // A refusal is asked about before it counts, which takes time: no intent is left to be taken for an orphan meanwhile.
  auto settle = lifetime_.Guard([this, sequence = mint_sequence_] {
    if (mint_sequence_ == sequence) context_.Forget("mint/" + name_);
  });
  context_.source.Get(*mint_origin_.tree, mint_origin_.below, *key.value,
                      [reply = std::move(reply), settle, tree = mint_origin_.tree,
                       value = key.value](auto answer) mutable {
                        auto* failure = std::get_if<Failure>(&answer);
                        if (failure != nullptr && failure->cause == Cause::kForbidden && !failure->in_doubt) settle();
                        reply(std::move(answer));
                      });
}

// S16, S19: a lease of this token would be no better than the one that is held, or of no use.
bool LeasedSecret::WouldEndTooSoon(const Session::Key& key) const {
  if (record_.current && record_.current->lease.id.empty()) return false;  // no lease, so no matter
  const Session& session = *mint_origin_.session;
  BootTime end = session.EndOf(key.generation);
  if (end != kNever && end - context_.Now() < min_ttl()) return true;
  if (minting_why_ != Why::kScheduled || !record_.current) return false;
  const Lease& held = record_.current->lease;
  const Duration margin = std::min<Duration>(kWholeSeconds, held.OwnLife() / 20);
  return session.LastEndOf(key.generation) <= Later(LastEndOf(held), margin);
}

void LeasedSecret::OnMinted(Answer<Grant> answer) {
  minting_ = false;
  auto* failure = std::get_if<Failure>(&answer);
  bool sent = mint_sequence_ != 0;
  if (sent && (failure == nullptr || failure->in_doubt)) {
    ++(failure == nullptr ? context_.counters.mints : context_.counters.orphans);
    record_.last_mint = mint_sent_at_;
    if (minting_why_ == Why::kAsked) record_.last_asked_mint = mint_sent_at_;
  }
  if (sent) record_.settled = mint_sequence_;
  if (failure == nullptr) {
    OnGranted(std::move(std::get<Grant>(answer)));
  } else if (std::exchange(mint_called_off_, false)) {
    Save();
    ServeOrMint();
  } else {
    MintFailed(*failure);
  }
  if (sent && !minting_) {  // the next one's intent has taken its place
    context_.RecordCounters();
    context_.Forget("mint/" + name_);
  }
  FinishRevokeAll();
  Plan();
}

void LeasedSecret::OnGranted(Grant grant) {
  Lease lease;
  lease.sequence = mint_sequence_;
  lease.id = std::move(grant.lease_id);
  lease.identity = mint_origin_.tree->identity;
  lease.generation = mint_key_.generation;
  lease.minted_at = lease.granted_at = grant.asked_at;
  lease.life = lease.longest_life = grant.life;
  lease.ends = grant.ends;
  lease.renewable = grant.renewable && !lease.id.empty() && grant.life > Duration::zero();
  if (revoke_everything_ || (!record_.in_use && RevokesOnForget())) {
    Discard(std::move(lease));
    return FailAll(Error(ErrorKind::kRevoked, "it was given back before it came"));
  }
  if (mint_abandonments_ != abandonments_) {
    Discard(std::move(lease));
    return ServeOrMint();
  }
  Adopt(std::move(lease), std::move(grant.fields));
}

void LeasedSecret::Adopt(Lease lease, std::vector<protocol::Field> fields) {
  if (std::optional<Failure> unfit = UnfitForUse(lease)) {
    Discard(std::move(lease));
    return MintFailed(*unfit);
  }
  if (record_.current && !record_.current->computed() && LastEndOf(lease) <= LastEndOf(record_.current->lease)) {
    return PutOff(std::move(lease));
  }
  Supersede();
  if (lease.OwnLife() / 21 * 20 > no_overlap_life_) no_overlap_ = false;
  record_.current = MintedVersion{std::move(lease), std::move(fields)};
  record_.keys.clear();
  for (const protocol::Field& field : record_.current->fields) record_.keys.push_back(field.key);
  record_.mint_not_before = replace_not_before_ = {};
  mint_backoff_.Reset();
  renew_backoff_.Reset();
  renew_not_before_ = {};
  mint_failure_.reset();
  lost_.reset();
  problem_.clear();
  spread_ = context_.loop.random().Below(1024);
  SetDues();
  Save();
  if (!waiting_.empty()) return AnswerAll();
  told_ = FreshnessNow();
  if (context_.events.on_published) context_.events.on_published(name_, CurrentVersion());
}

// The one that is held lasts longer. Another like this is minted when it would not any more.
void LeasedSecret::PutOff(Lease lease) {
  const Lease& held = record_.current->lease;
  no_overlap_ = lease.id.empty();
  no_overlap_life_ = held.OwnLife();
  if (lease.OwnEnd() <= LastEndOf(held)) replace_not_before_ = LastEndOf(held) - lease.OwnLife() / 20 * 19;
  record_.mint_not_before = context_.Now() + mint_backoff_.Next(context_.loop.random());
  Discard(std::move(lease));
  ServeOrMint();
}

// S19: a lease that is shorter than min_ttl from the start is not handed out. It would break what the tree promises;
// the operator is told which of the two numbers to change.
std::optional<Failure> LeasedSecret::UnfitForUse(const Lease& lease) const {
  BootTime end = EndOf(lease);
  BootTime now = context_.Now();
  if (end > now && (end == kNever || end - now >= min_ttl())) return std::nullopt;
  Failure unfit = EndsTooSoon(end);
  unfit.cause = Cause::kRefused;
  return unfit;
}

Failure LeasedSecret::EndsTooSoon(BootTime end) const {
  Duration left = std::max(end - context_.Now(), Duration::zero());
  return {
      Error(ErrorKind::kExpired, StrCat("it would end in ", duration_cast<seconds>(left).count(),
                                        " s, and min_ttl of its tree is ", duration_cast<seconds>(min_ttl()).count(),
                                        " s: lower min_ttl, or have the role and the login last longer")),
      Cause::kOutage};
}

// The version that is held stays until its end, whatever the server says (S14).
void LeasedSecret::MintFailed(const Failure& failure) {
  record_.mint_not_before = mint_backoff_.After(failure, context_.Now(), context_.loop.random());
  mint_failure_ = failure;
  problem_ = failure.error.message();
  if (failure.cause != Cause::kOutage && record_.current && record_.current->computed()) Supersede();
  Save();
  MintForReaders();  // says why to those who wait
}

}  // namespace leasefs::lease
