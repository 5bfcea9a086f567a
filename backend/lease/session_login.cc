#include <algorithm>
#include <utility>

#include "backend/lease/schedule.h"
#include "backend/lease/session.h"
#include "fs/base/strings.h"

namespace leasefs::lease {
namespace {

BootTime DueOf(const HeldToken& token, Duration reserve) {
  return ReplacementDue(token.granted_at, token.End() - token.granted_at, reserve);
}

}  // namespace

// S19, as far as a login can satisfy it. The last eighth of a token's life is no reserve: it would be replaced all the
// time.
Duration Session::ReserveOf(const HeldToken& token) const {
  return reserve_ < token.longest_life ? std::min(reserve_, token.longest_life / 8 * 7) : Duration::zero();
}

// S18: only when there is no token, or one that ends and cannot be renewed.
bool Session::MayLogIn() const {
  return !context_.stopping && !retired_ && (logging_in_ || context_.Now() >= login_not_before_);
}

bool Session::CanRenew(const HeldToken& token) const {
  return token.renewable && !token.capped && !token.retired && token.life > Duration::zero() && !retired_;
}

// By a login, which has not begun yet. One that was got in another way than the settings say now is renewed until then.
bool Session::MustBeReplaced(const HeldToken& token) const {
  return (!CanRenew(token) || IsOutdated()) && token.used && !logging_in_;
}

// A login or a renewal would give a better one for this.
bool Session::IsShort(const HeldToken& token, const Need& need) const {
  if (!need.lease) return false;
  if (!CanRenew(token) && context_.Now() >= login_at_) return true;
  return token.End() - context_.Now() < need.left && token.longest_life > need.left;
}

void Session::Login(Then then) {
  if (then) after_login_.push_back(std::move(then));
  if (std::exchange(logging_in_, true)) return;
  credential_changed_ = may_have_changed_ = refused_while_well_ = false;
  context_.source.Login(identity_, lifetime_.Guard([this](Answer<Token> answer) { OnLoggedIn(std::move(answer)); }));
}

void Session::OnLoggedIn(Answer<Token> answer) {
  logging_in_ = false;
  std::optional<Failure> failure;
  if (auto* token = std::get_if<Token>(&answer)) {
    failure = Adopt(std::move(*token));
  } else {
    failure = std::move(std::get<Failure>(answer));
  }
  if (!failure || failure->cause != Cause::kOutage) {
    another_lent_ = false;
    SetDues();
  }
  if (failure) LoginFailed(std::move(*failure));
  Plan();
  for (const Then& then : std::exchange(after_login_, {})) then();
}

std::optional<Failure> Session::Adopt(Token token) {
  auto refuse = [](std::string why) {
    return Failure{Error(ErrorKind::kLoginRefused, std::move(why)), Cause::kRefused};
  };
  if (token.value.empty()) return refuse("the login gave no token");
  if (token.uses != 0) {
    return refuse(StrCat("the login gives tokens that are good for ", token.uses,
                         " requests only: set token_num_uses = 0 on its role"));
  }
  HeldToken fresh;
  fresh.granted_at = token.granted_at;
  fresh.life = fresh.longest_life = token.life;
  fresh.renewable = token.renewable;
  fresh.can_hold_leases = token.can_hold_leases;
  fresh.lent = token.lent;
  BootTime now = context_.Now();
  if (fresh.End() <= now) return refuse("the login gave a token that has ended");
  token_login_ = login_;
  HeldToken* old = current();
  if (old != nullptr && ConstantTimeEqual(*old->value, token.value)) {
    old->granted_at = fresh.granted_at;
    old->life = fresh.life;
    old->shortened = kNever;
    SetDues();
    Record();
    if (!CanRenew(*old) && old->life > Duration::zero()) {
      return refuse("the login gives the same token again, and it cannot be renewed: put a new one in its place");
    }
  } else {
    if (old != nullptr) {
      old->retired = true;
      if (old->life > Duration::zero()) old->replace_from = std::max(now, DueOf(*old, ReserveOf(*old)));
    }
    fresh.generation = ++last_generation_;
    fresh.value = std::make_shared<const SecretBuffer>(std::move(token.value));
    tokens_.push_back(std::move(fresh));
  }
  ++logins_;
  problem_.clear();
  login_failure_.reset();
  login_outages_.Reset();
  login_refusals_.Reset();
  renewal_outages_.Reset();
  renew_not_before_ = {};
  login_not_before_ = now + Backoff::kFloor;
  checked_generation_ = current()->generation;
  checked_at_ = now;
  check_failure_.reset();
  SetDues();
  Record();
  changed_();
  return std::nullopt;
}

void Session::LoginFailed(Failure failure) {
  bool outage = failure.cause == Cause::kOutage;
  Backoff& backoff = outage ? login_outages_ : login_refusals_;
  login_not_before_ = backoff.After(failure, context_.Now(), context_.loop.random());
  if (!outage && failure.error.kind() != ErrorKind::kLoginRefused)
    failure.error = Error(ErrorKind::kLoginRefused, failure.error.message());
  problem_ = failure.error.message();
  login_failure_ = std::move(failure);
  login_failure_->in_doubt = false;  // as to the question that needed it
  Record();
}

void Session::Renew(Then then) {
  if (then) after_renewal_.push_back(std::move(then));
  if (std::exchange(renewing_, true)) return;
  const HeldToken& token = *current();
  context_.source.RenewToken(
      identity_, *token.value,
      lifetime_.Guard([this, asked = token](Answer<Renewal> answer) { OnRenewed(asked, std::move(answer)); }));
}

void Session::OnRenewed(const HeldToken& asked, Answer<Renewal> answer) {
  renewing_ = false;
  renew_not_before_ = context_.Now() + Backoff::kFloor;
  HeldToken* token = Find(asked.generation);
  if (auto* renewal = std::get_if<Renewal>(&answer)) {
    BootTime now = context_.Now();
    bool ended = asked.End() <= now && asked.generation > last_dropped_ && !context_.stopping;
    if (token == nullptr && ended && renewal->asked_at + renewal->life > now) {
      // It ended before this was known: no login is needed, and a stop revokes what it made.
      const bool superseded = current() != nullptr;
      token = &tokens_.emplace_back(asked);
      token->retired = superseded;
    }
    if (token != nullptr) ApplyRenewal(*token, *renewal);
  } else if (token != nullptr) {
    RenewalFailed(asked.generation, std::get<Failure>(answer));
  }
  Plan();
  for (const Then& then : std::exchange(after_renewal_, {})) then();
}

bool Session::IsBoundToAnother() const {
  return (credential_changed_ || may_have_changed_) && context_.source.BindsTokens(identity_);
}

void Session::RenewalFailed(uint64_t generation, const Failure& failure) {
  if (failure.cause == Cause::kOutage) {
    problem_ = StrCat("renewing the token: ", failure.error.message());
    renew_not_before_ = renewal_outages_.After(failure, context_.Now(), context_.loop.random());
    const bool once_before = std::exchange(refused_while_well_, false);
    if (!IsBoundToAnother() || failure.error.kind() == ErrorKind::kUnreachable) return;
    return Check(generation, false, [this, generation, once_before](Finding finding, const Failure&) {
      refused_while_well_ = finding == Finding::kAlive;
      if (refused_while_well_ && once_before) Cap(generation);  // only this fails: a login helps
    });
  }
  if (failure.cause == Cause::kRefused) return Cap(generation);
  Cap(generation);  // it is dead or cannot be renewed; in either case not this way again
  Check(generation, false, [](Finding, const Failure&) {});
}

void Session::ApplyRenewal(HeldToken& token, const Renewal& renewal) {
  problem_.clear();
  renewal_outages_.Reset();
  credential_changed_ = may_have_changed_ = refused_while_well_ = false;
  if (renewal.life <= Duration::zero()) return Cap(token.generation);
  token.capped = IsCapped(renewal.life, token.longest_life);
  token.longest_life = std::max(token.longest_life, renewal.life);
  token.granted_at = renewal.asked_at;
  token.life = renewal.life;
  token.renewable = renewal.renewable;
  token.shortened = kNever;
  if (token.retired) token.replace_from = std::max(context_.Now(), DueOf(token, ReserveOf(token)));
  SetDues();
  Record();
  changed_();
}

// From now on what is left of it counts: it is replaced by a login (S16).
void Session::Cap(uint64_t generation) {
  HeldToken* token = Find(generation);
  if (token == nullptr) return;
  token->capped = true;
  SetDues();
  if (credential_changed_ && context_.source.BindsTokens(identity_)) login_at_ = context_.Now();
  Record();
  Plan();
}

void Session::SetDues() {
  renew_at_ = login_at_ = kNever;
  if (const HeldToken* token = current(); token != nullptr && token->End() != kNever) {
    if (CanRenew(*token)) {
      Duration life = token->End() - token->granted_at;
      renew_at_ = RenewalDue(token->granted_at, life, ReserveOf(*token), context_.loop.random());
    } else {
      login_at_ = DueOf(*token, ReserveOf(*token));
    }
  }
  if (IsOutdated()) login_at_ = context_.Now();
  Plan();
}

BootTime Session::NextEvent() const {
  BootTime next = kNever;
  for (const HeldToken& token : tokens_) next = std::min(next, token.End());
  const HeldToken* token = current();
  if (token == nullptr || context_.stopping || retired_) return next;
  if (CanRenew(*token) && !renewing_) next = std::min(next, std::max(renew_at_, renew_not_before_));
  if (MustBeReplaced(*token)) next = std::min(next, std::max(login_at_, login_not_before_));
  return next;
}

void Session::Plan() {
  context_.loop.Cancel(std::exchange(timer_, Loop::kNoTimer));
  BootTime next = NextEvent();
  if (next != kNever) timer_ = context_.loop.At(next, lifetime_.Guard([this] { OnTimer(); }));
}

// What has ended first: after a suspend both may be due (F27).
void Session::OnTimer() {
  timer_ = Loop::kNoTimer;
  DropEnded();
  const HeldToken* token = current();
  BootTime now = context_.Now();
  if (token != nullptr && !context_.stopping && !retired_) {
    if (CanRenew(*token) && !renewing_ && now >= std::max(renew_at_, renew_not_before_)) Renew({});
    if (MustBeReplaced(*token) && now >= std::max(login_at_, login_not_before_)) Login({});
  }
  Plan();
}

void Session::DropEnded() {
  BootTime now = context_.Now();
  if (std::erase_if(tokens_, [&](const HeldToken& token) { return token.End() <= now; }) == 0) return;
  SetDues();
  Record();
  changed_();
}

}  // namespace leasefs::lease
