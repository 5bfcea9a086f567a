#include "backend/lease/session.h"

#include <algorithm>

#include "backend/lease/schedule.h"
#include "fs/base/strings.h"

namespace leasefs::lease {
namespace {

using std::chrono::seconds;

constexpr Duration kYoung = seconds(3);  // standbys may not know a token yet
constexpr Duration kGrace = seconds(1);

}  // namespace

Session::Session(Context& context, std::string identity, std::function<void()> changed)
    : context_(context), identity_(std::move(identity)), changed_(std::move(changed)) {}

void Session::Load() {
  Result<SecretBuffer> bytes = context_.records.Get("token/" + identity_);
  if (!bytes.ok()) return;
  Result<TokensRecord> record = DecodeTokens(*bytes);
  if (!record.ok()) return context_.Forget("token/" + identity_);
  tokens_ = std::move(record->tokens);
  token_login_ = std::move(record->login);
  last_generation_ = record->last_generation;
  login_not_before_ = record->login_not_before;
  std::erase_if(tokens_, [&](const HeldToken& token) { return token.End() <= context_.Now(); });
  may_have_changed_ = true;
  SetDues();
}

void Session::Record() {
  TokensRecord record{{}, token_login_, login_not_before_, last_generation_};
  for (const HeldToken& token : tokens_) record.tokens.push_back(token);
  context_.Record("token/" + identity_, Encode(record));
}

HeldToken* Session::Find(uint64_t generation) {
  for (HeldToken& token : tokens_)
    if (token.generation == generation) return &token;
  return nullptr;
}

HeldToken* Session::current() {
  for (HeldToken& token : tokens_)
    if (!token.retired) return &token;
  return nullptr;
}

Session::Key Session::KeyOf(uint64_t generation) const {
  const HeldToken* token = Find(generation);
  return token == nullptr ? Key{} : Key{generation, token->value, token->can_hold_leases};
}

BootTime Session::EndOf(uint64_t generation) const {
  const HeldToken* token = Find(generation);
  return token == nullptr ? BootTime{} : token->End();
}

BootTime Session::LastEndOf(uint64_t generation) const {
  const HeldToken* token = Find(generation);
  if (token == nullptr) return {};
  return CanRenew(*token) ? kNever : token->End();
}

BootTime Session::ReplaceFrom(uint64_t generation) const {
  const HeldToken* token = Find(generation);
  return token == nullptr ? kNever : token->replace_from;
}

void Session::SetLogin(const std::string& login) {
  if (login == login_) return;
  login_ = login;
  SetDues();
}

// It was got in another way than the settings say now, or a file has another.
bool Session::IsOutdated() const {
  return !retired_ && current() != nullptr && (another_lent_ || token_login_ != login_);
}

void Session::SetReserve(Duration reserve) {
  if (reserve == reserve_) return;
  reserve_ = reserve;
  SetDues();
}

void Session::MarkUsed(uint64_t generation) {
  HeldToken* token = Find(generation);
  if (token == nullptr || token->used) return;
  token->used = true;
  Record();
  Plan();
}

void Session::Acquire(Need need, const Acquired& acquired) {
  DropEnded();
  if (need.generation != 0) {
    Key key = KeyOf(need.generation);
    if (key.value) return acquired(std::move(key));
    return acquired(Failure{Error(ErrorKind::kRevoked, "the token that it depends on is gone"), Cause::kGone});
  }
  const HeldToken* token = current();
  if (token != nullptr && !IsShort(*token, need)) return AnswerAcquire(acquired);
  auto answer = [this, acquired] { AnswerAcquire(acquired); };
  if (token != nullptr && CanRenew(*token) && context_.Now() >= renew_not_before_) {
    return Renew([this, need, answer] {
      const HeldToken* renewed = current();
      if ((renewed == nullptr || IsShort(*renewed, need)) && MayLogIn()) return Login(answer);
      answer();
    });
  }
  if (MayLogIn()) return Login(answer);
  answer();
}

void Session::AnswerAcquire(const Acquired& acquired) {
  if (const HeldToken* token = current()) return acquired(KeyOf(token->generation));
  if (login_failure_) {
    Failure failure = *login_failure_;
    if (failure.cause == Cause::kOutage) failure.error = std::move(failure.error).RetryAt(login_not_before_);
    return acquired(std::move(failure));
  }
  acquired(Failure{Error(ErrorKind::kUnreachable, "there is no login just now"), Cause::kOutage});
}

Failure Session::Denied(Failure failure) {
  failure.cause = Cause::kRefused;
  if (failure.error.kind() != ErrorKind::kDenied) failure.error = Error(ErrorKind::kDenied, failure.error.message());
  return failure;
}

void Session::Judge(const Key& key, const Need& need, std::shared_ptr<Tries> tries, const Judged& judged) {
  const Failure gone{Error(ErrorKind::kRevoked, "the token that it depends on was revoked"), Cause::kGone};
  auto with_another = [need, tries, judged, gone] {
    if (need.generation != 0) return judged(Verdict::kFailed, gone);
    if (std::exchange(tries->again, true)) return judged(Verdict::kDenied, gone);
    judged(Verdict::kAskWithAnother, gone);
  };
  const HeldToken* token = Find(key.generation);
  if (token == nullptr) return with_another();
  if (need.generation == 0 && token != current() && !tries->again) return with_another();
  if (!tries->grace && context_.Now() - token->granted_at < kYoung) {
    tries->grace = true;
    auto again = [judged, gone] { judged(Verdict::kAskAgain, gone); };
    context_.loop.After(kGrace, lifetime_.Guard(std::move(again)));
    return;
  }
  Check(key.generation, need.generation == 0, [with_another, judged](Finding finding, const Failure& why) {
    switch (finding) {
      case Finding::kAlive:
        return judged(Verdict::kDenied, why);
      case Finding::kDead:
      case Finding::kReplaced:
        return with_another();
      case Finding::kUnknown:
        return judged(Verdict::kFailed, why);
    }
  });
}

void Session::CredentialChanged() {
  credential_changed_ = true;
  another_lent_ = current() != nullptr && current()->lent;
  SetDues();
  TryAtOnce();
}

void Session::TryAtOnce() {
  login_refusals_.Reset();
  login_not_before_ = {};
  blind_login_not_before_ = {};
  if (current() == nullptr && login_failure_ && MayLogIn()) return Login({});
  Plan();
}

void Session::SetRetired(bool retired) {
  if (retired == retired_) return;
  retired_ = retired;
  SetDues();
}

void Session::RevokeAll(std::function<void(std::vector<std::string> problems)> done) {
  struct Job {
    size_t left = 0;
    std::vector<std::string> problems;
  };
  DropEnded();
  std::vector<HeldToken> ours = tokens_;
  std::erase_if(ours, [](const HeldToken& token) { return token.lent; });
  auto job = std::make_shared<Job>();
  job->left = ours.size();
  if (job->left == 0) return done({});
  for (const HeldToken& token : ours) {
    auto finish = [this, job, done, value = token.value, generation = token.generation](Answer<Done> answer) {
      auto* failure = std::get_if<Failure>(&answer);
      if (failure == nullptr || failure->cause == Cause::kGone) {
        std::erase_if(tokens_, [&](const HeldToken& held) { return held.generation == generation; });
        Record();
      } else {
        job->problems.push_back(StrCat("revoking a token of identity '", identity_, "': ", failure->error.message()));
      }
      if (--job->left == 0) done(std::move(job->problems));
    };
    context_.source.RevokeToken(identity_, *token.value, lifetime_.Guard(std::move(finish)));
  }
}

protocol::ReportIdentity Session::Report() const {
  protocol::ReportIdentity report;
  report.name = identity_;
  report.logins = logins_;
  report.problem = problem_;
  if (const HeldToken* token = current()) {
    report.logged_in = true;
    report.token_ends = token->End();
    report.renewable = CanRenew(*token);
  }
  return report;
}

}  // namespace leasefs::lease
