#include <algorithm>
#include <iterator>
#include <utility>

#include "backend/lease/leased_secret.h"
#include "backend/lease/schedule.h"
#include "fs/base/strings.h"

namespace leasefs::lease {

// As long as the server allows, whether or not anybody opens the file: a program that read a password once at its
// start lives on it (S15).
bool LeasedSecret::CanRenew() const {
  return record_.current && record_.current->lease.renewable && !record_.current->lease.capped && !abandoned_ &&
         !context_.stopping;
}

void LeasedSecret::SetDues() {
  renew_at_ = replace_at_ = kNever;
  if (!record_.current || record_.current->computed()) return;
  const Lease& lease = record_.current->lease;
  Duration life = lease.OwnLife();
  renew_at_ = RenewalDue(lease.granted_at, life, min_ttl(), context_.loop.random());
  replace_at_ = ReplacementDue(lease.granted_at, life, min_ttl());
}

BootTime LeasedSecret::RenewalDueAt() const {
  return CanRenew() && !renewing_ ? std::max(renew_at_, renew_not_before_) : kNever;
}

// S14, S16: while it is in use.
BootTime LeasedSecret::ReplacementDueAt() const {
  if (!record_.in_use || !record_.current || minting_ || abandoned_ || !context_.MayMint()) return kNever;
  const Lease& lease = record_.current->lease;
  BootTime due = CanRenew() || no_overlap_ ? kNever : replace_at_;
  const Session* session = context_.session_of(lease.identity);
  BootTime from = lease.id.empty() || session == nullptr ? kNever : session->ReplaceFrom(lease.generation);
  if (from != kNever) {
    BootTime end = session->EndOf(lease.generation);
    Duration window = std::max(end - from, Duration::zero());
    BootTime spread = from + window / 2 / 1024 * static_cast<int64_t>(spread_);
    if (min_ttl() > Duration::zero()) spread = std::min(spread, std::max(from, end - min_ttl() / 4 * 5));
    due = std::min(due, spread);
  }
  if (due == kNever) return kNever;
  return std::max({due, record_.mint_not_before, replace_not_before_, Later(record_.last_mint, Backoff::kFloor)});
}

bool LeasedSecret::WantsRevoking() const {
  return std::any_of(record_.past.begin(), record_.past.end(), [](const Lease& lease) { return lease.revoke; });
}

bool LeasedSecret::HasTooManyToRevoke() const {
  return record_.past.size() >= kMostPast && std::ranges::all_of(record_.past, &Lease::revoke);
}

BootTime LeasedSecret::NextEvent() const {
  BootTime next = std::min(RenewalDueAt(), ReplacementDueAt());
  if (record_.current) next = std::min(next, EndOf(record_.current->lease));
  for (const Lease& lease : record_.past) next = std::min(next, EndOf(lease));
  if (!revoking_ && WantsRevoking()) next = std::min(next, revoke_not_before_);
  return next;
}

void LeasedSecret::Plan() {
  context_.loop.Cancel(std::exchange(timer_, Loop::kNoTimer));
  BootTime next = NextEvent();
  if (next != kNever) timer_ = context_.loop.At(next, lifetime_.Guard([this] { OnTimer(); }));
}

// What has ended first: after a suspend everything may be due at once (F27).
void LeasedSecret::OnTimer() {
  timer_ = Loop::kNoTimer;
  bool held = record_.current.has_value();
  ExpireEnded();
  BootTime now = context_.Now();
  bool at_its_end = held && !record_.current && no_overlap_ && record_.in_use && !minting_ && context_.MayMint() &&
                    now >= record_.mint_not_before;
  if (at_its_end) {
    Mint(Why::kAtItsEnd);
  } else if (now >= ReplacementDueAt()) {
    Mint(Why::kScheduled);
  } else if (now >= RenewalDueAt()) {
    Renew();
  }
  RevokeDue();
  Plan();
}

void LeasedSecret::Renew() {
  renewing_ = true;
  renewed_at_ = context_.Now();
  const Lease& lease = record_.current->lease;
  Session* session = context_.session_of(lease.identity);
  session->Ask<Renewal>({.generation = lease.generation},
                        lifetime_.Guard([this, tree = origin_.tree, id = lease.id, wanted = lease.longest_life](
                                            const Session::Key& key, Reply<Renewal> reply) {
                          context_.source.Renew(*tree, id, *key.value, wanted,
                                                [reply = std::move(reply), tree, value = key.value](
                                                    Answer<Renewal> answer) { reply(std::move(answer)); });
                        }),
                        lifetime_.Guard([this, asked = lease](const Answer<Renewal>& answer) {
                          OnRenewed(asked, answer);
                        }));
}

void LeasedSecret::OnRenewed(const Lease& asked, const Answer<Renewal>& answer) {
  renewing_ = false;
  renew_not_before_ = context_.Now() + Backoff::kFloor;
  ExpireEnded();
  const bool current = record_.current && record_.current->lease.sequence == asked.sequence;
  if (auto* renewal = std::get_if<Renewal>(&answer)) {
    ++context_.counters.renewals;
    if (current) {
      Extend(*renewal);
    } else {
      ExtendPast(asked, *renewal);
    }
  } else if (current) {
    RenewalFailed(std::get<Failure>(answer));
  }
  Settle();
  ServeOrMint();
}

void LeasedSecret::Extend(const Renewal& renewal) {
  Lease& lease = record_.current->lease;
  renew_backoff_.Reset();
  lease.problem.clear();
  lease.capped = renewal.life <= Duration::zero() || IsCapped(renewal.life, lease.longest_life);
  lease.renewable = renewal.renewable;
  if (renewal.life > Duration::zero()) {
    lease.granted_at = renewal.asked_at;
    lease.life = renewal.life;
    lease.longest_life = std::max(lease.longest_life, renewal.life);
  }
  SetDues();
  Save();
}

// It was superseded meanwhile, or had ended before this was known. The server honours it, so it is listed, and revoked
// by a stop.
void LeasedSecret::ExtendPast(const Lease& asked, const Renewal& renewal) {
  auto past = std::ranges::find(record_.past, asked.sequence, &Lease::sequence);
  if (past == record_.past.end()) {
    if (EndOf(asked) > context_.Now()) return;  // it is revoked
    LeaveToItsEnd(asked);
    past = std::prev(record_.past.end());
    past->revoke = revoke_everything_ || (!record_.in_use && RevokesOnForget());
  }
  if (renewal.life > Duration::zero()) {
    past->granted_at = renewal.asked_at;
    past->life = renewal.life;
  }
  ExpireEnded();
  Save();
  RevokeDue();
}

void LeasedSecret::RenewalFailed(const Failure& failure) {
  Lease& lease = record_.current->lease;
  switch (failure.cause) {
    case Cause::kOutage:
      lease.problem = StrCat("renewing the lease: ", failure.error.message());
      renew_not_before_ = renew_backoff_.After(failure, context_.Now(), context_.loop.random());
      if (failure.error.kind() == ErrorKind::kUnreachable && renewed_for_readers_) FailAll(failure.error);  // S18
      return;
    case Cause::kGone:
      return Withdraw(Error(ErrorKind::kRevoked, StrCat("the server revoked the lease of '", Printable(name_), "'")));
    case Cause::kForbidden:
    case Cause::kRefused:
      lease.capped = true;
      if (failure.error.kind() == ErrorKind::kDenied)
        lease.problem = StrCat("the lease may not be renewed, and is replaced instead: ", failure.error.message());
      return Save();
  }
}

void LeasedSecret::RevokeDue() {
  if (revoking_ || context_.Now() < revoke_not_before_) return;
  auto next = std::find_if(record_.past.begin(), record_.past.end(), [](const Lease& lease) { return lease.revoke; });
  if (next == record_.past.end()) return FinishRevokeAll();
  const Session* session = context_.session_of(next->identity);
  Session::Key key = session == nullptr ? Session::Key{} : session->KeyOf(next->generation);
  if (!key.value) return;  // ended with its token: ExpireEnded drops it
  revoking_ = true;
  context_.source.Revoke(next->identity, next->id, *key.value,
                         lifetime_.Guard([this, sequence = next->sequence, value = key.value](Answer<Done> answer) {
                           OnRevoked(sequence, std::move(answer));
                         }));
}

void LeasedSecret::OnRevoked(uint64_t sequence, Answer<Done> answer) {
  revoking_ = false;
  auto lease = std::find_if(record_.past.begin(), record_.past.end(),
                            [&](const Lease& past) { return past.sequence == sequence; });
  auto* failure = std::get_if<Failure>(&answer);
  if (failure != nullptr && failure->cause == Cause::kOutage) {
    revoke_not_before_ = revoke_backoff_.After(*failure, context_.Now(), context_.loop.random());
  } else if (failure != nullptr && failure->cause != Cause::kGone) {
    if (lease != record_.past.end()) {
      lease->revoke = false;
      lease->problem = StrCat("the lease may not be revoked and runs out: ", failure->error.message());
    }
  } else {
    revoke_backoff_.Reset();
    ++context_.counters.revocations;
    if (lease != record_.past.end()) record_.past.erase(lease);
  }
  Save();
  RevokeDue();
  Plan();
}

void LeasedSecret::RevokeAll(std::function<void()> done) {
  ExpireEnded();
  revoke_everything_ = true;
  all_revoked_ = std::move(done);
  bool held = record_.current.has_value();
  Supersede();
  for (Lease& lease : record_.past) lease.revoke = true;
  Save();
  if (held && context_.events.on_changed) context_.events.on_changed(name_);
  RevokeDue();
  FinishRevokeAll();
  Plan();
}

void LeasedSecret::FinishRevokeAll() {
  if (!all_revoked_ || minting_ || revoking_ || WantsRevoking()) return;
  std::exchange(all_revoked_, nullptr)();
}

}  // namespace leasefs::lease
