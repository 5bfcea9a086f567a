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

constexpr std::string_view kRecord = "unwrapped/";

std::string WithoutSlashes(std::string_view path) {
  while (path.starts_with('/')) path.remove_prefix(1);
  while (path.ends_with('/')) path.remove_suffix(1);
  return std::string(path);
}

}  // namespace

// A record is the wrapping token, which is one word, a line end, and the secret-id. A wrapping token is used up:
// this is all there is of the secret-id; and it is sealed, so that it lies open only while somebody logs in with it.
std::optional<Logins::Unwrapped> Logins::Recall(const std::string& identity) const {
  if (records_ == nullptr) return std::nullopt;
  const Result<SecretBuffer> record = records_->Get(StrCat(kRecord, identity));
  if (!record.ok()) return std::nullopt;
  const std::string_view text = record->ExposeText();
  const size_t end = text.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  return Unwrapped{SecretBuffer::CopyOf(text.substr(0, end)), SecretBuffer::CopyOf(text.substr(end + 1))};
}

// Without room for it the next login finds the wrapping token used up, and says so.
void Logins::Keep(const std::string& identity, const Unwrapped& unwrapped) {
  if (records_ == nullptr) return;
  SecretBuffer record = SecretBuffer::CopyOf(unwrapped.wrapping_token.Expose());
  record.Append("\n");
  record.Append(unwrapped.secret_id.Expose());
  (void)records_->Put(StrCat(kRecord, identity), record);
}

// Of identities that a reload took away, or that log in by other means now.
void Logins::ForgetUnused() {
  std::vector<std::string> unused;
  records_->ForEach([&](const std::string& name) {
    if (!name.starts_with(kRecord)) return;
    const auto found = settings_.identities.find(name.substr(kRecord.size()));
    if (found == settings_.identities.end() || found->second.wrapped.empty()) unused.push_back(name);
  });
  for (const std::string& name : unused) records_->Erase(name);
}

// Unwrapped once for all logins, until another wrapping token is in the file; a used one may be deleted.
void Logins::LoginBySecretId(const std::string& identity, lease::Reply<lease::Token> done) {
  ReadFile(identity, [this, identity, done = std::move(done)](Answer<SecretBuffer> read) {
    auto* failure = FailureIn(read);
    const auto kept = Recall(identity);
    if (kept && (failure != nullptr || ConstantTimeEqual(kept->wrapping_token, std::get<SecretBuffer>(read)))) {
      return Post(identity, kept->secret_id, done);
    }
    if (failure != nullptr) return done(std::move(*failure));
    auto unwrapped = std::make_shared<Unwrapped>();
    unwrapped->wrapping_token = SecretBuffer::CopyOf(std::get<SecretBuffer>(read).Expose());
    Unwrap(identity, std::move(std::get<SecretBuffer>(read)),
           [this, identity, unwrapped, done](Answer<SecretBuffer> got) {
             if (auto* refused = FailureIn(got)) return done(std::move(*refused));
             unwrapped->secret_id = std::move(std::get<SecretBuffer>(got));
             Keep(identity, *unwrapped);
             Post(identity, unwrapped->secret_id, done);
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
