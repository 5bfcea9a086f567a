// What the server says of tokens: renewal, state, end.
#include <utility>

#include "backend/vault/engines.h"
#include "backend/vault/logins.h"
#include "fs/base/strings.h"

namespace leasefs::vault {
namespace {

using lease::Answer;
using lease::Cause;
using lease::Failure;

Question AboutSelf(Subject subject, http::Method method, std::string_view what, const SecretBuffer& token) {
  Question question;
  question.subject = std::move(subject);
  question.subject.path = StrCat(CapabilityFor(http::MethodName(method)), " on ", what);
  question.method = method;
  question.path = what;
  if (method == http::Method::kPost) question.body = SecretBuffer::CopyOf("{}");
  question.token = SecretBuffer::CopyOf(token.Expose());
  return question;
}

}  // namespace

// A ttl of 0 is that of a token without an end, or the last second of one with an end.
Duration LifeOf(const Members& data) {
  const auto ttl = data.Seconds("ttl").value_or(0);
  return std::chrono::seconds(ttl == 0 && !data.Text("expire_time").empty() ? 1 : ttl);
}

void Logins::Renew(const std::string& identity, const SecretBuffer& token, lease::Reply<lease::Renewal> done) {
  Question question =
      AboutSelf(SubjectOf(identity, Asked::kTokenRenewal), http::Method::kPost, "auth/token/renew-self", token);
  const Subject subject = question.subject;
  client_.Ask(std::move(question), [subject, done = std::move(done)](Answer<VaultReply> answer) {
    if (auto* failure = FailureIn(answer)) return done(std::move(*failure));
    const VaultReply& reply = std::get<VaultReply>(answer);
    if (!reply.answer.auth.present()) {
      return done(WrongAnswer(subject, "the answer to a renewal says nothing"));
    }
    done(lease::Renewal{.asked_at = reply.asked_at,
                        .life = std::chrono::seconds(reply.answer.auth.Seconds("lease_duration").value_or(0)),
                        .renewable = reply.answer.auth.Bool("renewable")});
  });
}

void Logins::Check(const std::string& identity, const SecretBuffer& token, lease::Reply<lease::TokenState> done) {
  auto held = std::make_shared<SecretBuffer>(SecretBuffer::CopyOf(token.Expose()));
  client_.Ask(
      AboutSelf(SubjectOf(identity, Asked::kTokenLookup), http::Method::kGet, "auth/token/lookup-self", token),
      [this, identity, held, done = std::move(done)](Answer<VaultReply> answer) {
        if (auto* failure = FailureIn(answer)) {
          if (failure->cause != Cause::kForbidden) return done(std::move(*failure));
          return TellDeadFromDenied(identity, *held, std::move(*failure), done);
        }
        const Members& data = std::get<VaultReply>(answer).answer.data;
        done(lease::TokenState{.life = LifeOf(data), .renewable = data.Bool("renewable")});
      });
}

// Which mounts may be seen is told to every live token, be it none, and to no other.
void Logins::TellDeadFromDenied(const std::string& identity, const SecretBuffer& token, Failure denied,
                                lease::Reply<lease::TokenState> done) {
  client_.Ask(
      AboutSelf(SubjectOf(identity, Asked::kTokenLookup), http::Method::kGet, "sys/internal/ui/mounts", token),
      [denied = std::move(denied), done = std::move(done)](Answer<VaultReply> answer) {
        auto* failure = FailureIn(answer);
        if (failure == nullptr) return done(denied);
        if (failure->cause == Cause::kForbidden) {
          failure->cause = Cause::kGone;
          failure->error = Error(ErrorKind::kExpired, "the server does not know the token any more");
        }
        done(std::move(*failure));
      });
}

void Logins::Revoke(const std::string& identity, const SecretBuffer& token, lease::Reply<Done> done) {
  Question question =
      AboutSelf(SubjectOf(identity, Asked::kTokenRevocation), http::Method::kPost, "auth/token/revoke-self", token);
  client_.Ask(std::move(question), [done = std::move(done)](Answer<VaultReply> answer) {
    if (auto* failure = FailureIn(answer)) return done(std::move(*failure));
    done(Done());
  });
}

}  // namespace leasefs::vault
