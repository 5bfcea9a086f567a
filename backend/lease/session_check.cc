// What the server means by 403: it says the same when a policy forbids something and when the token is dead.
#include <algorithm>
#include <utility>

#include "backend/lease/session.h"
#include "fs/base/strings.h"

namespace leasefs::lease {
namespace {

constexpr Duration kCheckInterval = std::chrono::seconds(1);

}  // namespace

// The server is asked at most once in kCheckInterval, and who asks sooner waits: what it said before says nothing of a
// token that was refused after it.
void Session::Check(uint64_t generation, bool by_other_means, Found found) {
  const HeldToken* token = Find(generation);
  const Failure none{Error(ErrorKind::kDenied, "denied"), Cause::kRefused};
  if (token == nullptr) return found(Finding::kDead, none);
  bool under_way = checks_.count(generation) != 0;
  bool recent = checked_generation_ == generation && context_.Now() - checked_at_ < kCheckInterval;
  if (!under_way && recent && check_failure_) return found(Finding::kUnknown, *check_failure_);
  CheckUnderWay& check = checks_[generation];
  check.by_other_means |= by_other_means;
  check.waiting.push_back(std::move(found));
  if (under_way) return;
  if (!recent) return AskAbout(generation);
  context_.loop.At(checked_at_ + kCheckInterval, lifetime_.Guard([this, generation] { AskAbout(generation); }));
}

void Session::AskAbout(uint64_t generation) {
  const HeldToken* token = Find(generation);
  const Failure none{Error(ErrorKind::kDenied, "denied"), Cause::kRefused};
  if (token == nullptr) return FinishCheck(generation, Finding::kDead, none);
  context_.source.CheckToken(identity_, *token->value,
                             lifetime_.Guard([this, generation, value = token->value](Answer<TokenState> answer) {
                               OnChecked(generation, std::move(answer));
                             }));
}

void Session::OnChecked(uint64_t generation, Answer<TokenState> answer) {
  const Failure none{Error(ErrorKind::kDenied, "denied"), Cause::kRefused};
  HeldToken* token = Find(generation);
  if (token == nullptr) return FinishCheck(generation, Finding::kDead, none);
  checked_generation_ = generation;
  checked_at_ = context_.Now();
  check_failure_.reset();
  if (auto* state = std::get_if<TokenState>(&answer)) {
    BootTime end = state->life > Duration::zero() ? context_.Now() + state->life : kNever;
    if (end < token->End()) {
      token->shortened = end;
      SetDues();
      Record();
      changed_();
    }
    return FinishCheck(generation, Finding::kAlive, none);
  }
  const Failure& failure = std::get<Failure>(answer);
  switch (failure.cause) {
    case Cause::kGone:
      Drop(generation);
      return FinishCheck(generation, Finding::kDead, failure);
    case Cause::kOutage:
      check_failure_ = failure;
      return FinishCheck(generation, Finding::kUnknown, failure);
    case Cause::kForbidden:
    case Cause::kRefused:
      if (checks_[generation].by_other_means) return CheckByRenewal(generation, failure);
      return FinishCheck(generation, Finding::kAlive, none);
  }
}

// The token may not look itself up. If it can be renewed, it lives.
void Session::CheckByRenewal(uint64_t generation, const Failure& why) {
  const HeldToken* token = Find(generation);
  if (token == nullptr || !CanRenew(*token) || renewing_) return CheckByLogin(generation, why);
  context_.source.RenewToken(
      identity_, *token->value, lifetime_.Guard([this, generation, why, value = token->value](Answer<Renewal> answer) {
        HeldToken* renewed = Find(generation);
        auto* renewal = std::get_if<Renewal>(&answer);
        if (renewed != nullptr && renewal != nullptr) {
          ApplyRenewal(*renewed, *renewal);
          return FinishCheck(generation, Finding::kAlive, why);
        }
        if (auto* failure = std::get_if<Failure>(&answer); failure != nullptr && failure->cause == Cause::kOutage) {
          check_failure_ = *failure;
          return FinishCheck(generation, Finding::kUnknown, *failure);
        }
        CheckByLogin(generation, why);
      }));
}

// Nothing tells. A login does, but not more often than its back-off allows: until then it counts as a denial. The
// token before is not taken for dead, so that a mere denial costs no lease.
void Session::CheckByLogin(uint64_t generation, const Failure& why) {
  const HeldToken* token = current();
  if (token != nullptr && token->generation != generation) return FinishCheck(generation, Finding::kReplaced, why);
  if (!MayLogIn() || context_.Now() < blind_login_not_before_) return FinishCheck(generation, Finding::kAlive, why);
  blind_login_not_before_ = context_.Now() + blind_logins_.Next(context_.loop.random());
  Login([this, generation, why] {
    const HeldToken* now = current();
    bool replaced = now != nullptr && now->generation != generation;
    FinishCheck(generation, replaced ? Finding::kReplaced : Finding::kUnknown, login_failure_.value_or(why));
  });
}

void Session::FinishCheck(uint64_t generation, Finding finding, const Failure& why) {
  auto check = checks_.extract(generation);
  if (check.empty()) return;
  for (const Found& found : check.mapped().waiting) found(finding, why);
}

// Its leases died with it: whoever holds one asks by WasDead.
void Session::Drop(uint64_t generation) {
  if (std::erase_if(tokens_, [&](const HeldToken& token) { return token.generation == generation; }) == 0) return;
  SetDues();
  Record();
  last_dropped_ = std::max(last_dropped_, generation);
  uint64_t before = std::exchange(dead_generation_, generation);
  changed_();
  dead_generation_ = before;
}

}  // namespace leasefs::lease
