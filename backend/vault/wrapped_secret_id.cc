// A secret-id that was handed over wrapped: a token that gives it out once, to whoever comes first.
#include <memory>
#include <utility>

#include "backend/http/json_text.h"
#include "backend/vault/logins.h"
#include "fs/base/strings.h"

namespace leasefs::vault {
namespace {

using lease::Answer;
using lease::Failure;

std::string WithoutSlashes(std::string_view path) {
  while (path.starts_with('/')) path.remove_prefix(1);
  while (path.ends_with('/')) path.remove_suffix(1);
  return std::string(path);
}

}  // namespace

void Logins::Forget(const std::string& identity) {
  unwrapped_.erase(identity);
  ++forgotten_[identity];
}

void Logins::LoginBySecretId(const std::string& identity, lease::Reply<lease::Token> done) {
  // Unwrapped once for all logins, until the file changes.
  if (const auto known = unwrapped_.find(identity); known != unwrapped_.end()) {
    return Post(identity, known->second, std::move(done));
  }
  const uint64_t era = forgotten_[identity];
  ReadFile(identity, [this, identity, era, done = std::move(done)](Answer<SecretBuffer> read) {
    if (auto* failure = FailureIn(read)) return done(std::move(*failure));
    Unwrap(identity, std::move(std::get<SecretBuffer>(read)),
           [this, identity, era, done](Answer<SecretBuffer> unwrapped) {
             if (auto* failure = FailureIn(unwrapped)) return done(std::move(*failure));
             SecretBuffer secret_id = std::move(std::get<SecretBuffer>(unwrapped));
             Post(identity, secret_id, done);
             if (forgotten_[identity] == era) unwrapped_[identity] = std::move(secret_id);
           });
  });
}

// First a look, which uses nothing up: a token that somebody else made for us would show another path.
void Logins::Unwrap(const std::string& identity, SecretBuffer wrapping_token, GotCredential done) {
  const Subject subject = SubjectOf(identity, Asked::kWrapping);
  const std::string expected = WithoutSlashes(settings_.identities.at(identity).wrapped);
  auto token = std::make_shared<SecretBuffer>(std::move(wrapping_token));
  Question look;
  look.subject = subject;
  look.method = http::Method::kPost;
  look.path = "sys/wrapping/lookup";
  look.name_space = NameSpaceOf(identity);
  look.body.Append("{\"token\":");
  http::AppendJsonString(look.body, token->ExposeText());
  look.body.Append("}");
  client_.Ask(std::move(look), [this, identity, subject, expected, token,
                                done = std::move(done)](Answer<VaultReply> answer) {
    if (auto* failure = FailureIn(answer)) {
      failure->in_doubt = false;  // a look has no effect
      return done(std::move(*failure));
    }
    const std::string made_by = WithoutSlashes(std::get<VaultReply>(answer).answer.data.Text("creation_path"));
    if (made_by != expected) {
      return done(Refused(subject, ErrorKind::kLoginRefused,
                          StrCat("the wrapping token was made by ", Printable(made_by, 100), " and not by ", expected,
                                 ": it may be forged, so it is not used. Find out who put it there")));
    }
    Question unwrap;
    unwrap.subject = subject;
    unwrap.method = http::Method::kPost;
    unwrap.path = "sys/wrapping/unwrap";
    unwrap.name_space = NameSpaceOf(identity);
    unwrap.token = std::move(*token);  // as the request's own token: beside another, it would be used up for nothing
    client_.Ask(std::move(unwrap), [subject, done](Answer<VaultReply> unwrapped) {
      if (auto* failure = FailureIn(unwrapped)) return done(std::move(*failure));
      const std::string_view secret_id = std::get<VaultReply>(unwrapped).answer.data.Text("secret_id");
      if (secret_id.empty()) {
        return done(Refused(subject, ErrorKind::kLoginRefused, "the wrapping token did not hold a secret-id"));
      }
      done(SecretBuffer::CopyOf(secret_id));
    });
  });
}

}  // namespace leasefs::vault
