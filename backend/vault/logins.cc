#include "backend/vault/logins.h"

#include <algorithm>
#include <utility>

#include "backend/http/json_text.h"
#include "backend/http/path_escape.h"
#include "fs/base/strings.h"

namespace leasefs::vault {
namespace {

using lease::Answer;
using lease::Cause;
using lease::Failure;

Failure CannotLogIn(const Subject& subject, std::string_view what) {
  return Refused(subject, ErrorKind::kLoginRefused, what);
}

// Of the file itself; or of whoever opens it for us, which says nothing of the credential.
Failure CannotRead(const Subject& subject, const Error& error) {
  const bool about_file = error.kind() == ErrorKind::kNotFound || error.kind() == ErrorKind::kDenied ||
                          error.kind() == ErrorKind::kTooLarge || error.kind() == ErrorKind::kInvalid;
  if (about_file) return CannotLogIn(subject, error.message());
  Failure failure = Refused(subject, error.kind(), error.message());
  failure.cause = Cause::kOutage;
  return failure;
}

// What a header, or JSON, can carry: a token, a secret-id, a JWT.
bool IsOneWord(const SecretBuffer& text) {
  return !text.empty() && std::ranges::all_of(text.ExposeText(), [](char c) { return c > ' ' && c <= '~'; });
}

// One line end, as editors and `echo` leave it.
SecretBuffer WithoutLineEnd(SecretBuffer text) {
  std::string_view view = text.ExposeText();
  if (view.ends_with('\n')) view.remove_suffix(1);
  if (view.ends_with('\r')) view.remove_suffix(1);
  text.Resize(view.size());
  return text;
}

void AppendMember(SecretBuffer& body, std::string_view name, std::string_view value) {
  body.Append(body.empty() ? "{" : ",");
  http::AppendJsonString(body, name);
  body.Append(":");
  http::AppendJsonString(body, value);
}

SecretBuffer LoginBody(const Identity& identity, const SecretBuffer& credential) {
  SecretBuffer body;
  switch (identity.method) {
    case LoginMethod::kToken:
      break;
    case LoginMethod::kAppRole:
      AppendMember(body, "role_id", identity.role);
      if (!credential.empty()) AppendMember(body, "secret_id", credential.ExposeText());
      break;
    case LoginMethod::kCert:
      if (!identity.role.empty()) AppendMember(body, "name", identity.role);
      break;
    case LoginMethod::kKubernetes:
    case LoginMethod::kJwt:
      if (!identity.role.empty()) AppendMember(body, "role", identity.role);
      AppendMember(body, "jwt", credential.ExposeText());
      break;
    case LoginMethod::kUserpass:
      AppendMember(body, "password", credential.ExposeText());
      break;
  }
  body.Append(body.empty() ? "{}" : "}");
  return body;
}

Answer<lease::Token> TokenOf(const Subject& subject, const VaultReply& reply) {
  const Members& auth = reply.answer.auth;
  if (auth.Find("mfa_requirement") != nullptr) {
    return CannotLogIn(subject,
                       "the server wants a second factor, which nobody is here to give: log in by a role that "
                       "needs none");
  }
  if (reply.answer.wrap_info.present()) {
    return CannotLogIn(subject, "the server wraps the token: turn off wrapping for this login");
  }
  lease::Token token;
  token.value = SecretBuffer::CopyOf(auth.Text("client_token"));
  if (!IsOneWord(token.value) || token.value.size() > lease::kMaxTokenBytes) {
    return WrongAnswer(subject, "the answer holds no token, or none that can be used");
  }
  token.granted_at = reply.asked_at;
  token.life = std::chrono::seconds(auth.Seconds("lease_duration").value_or(0));
  token.renewable = auth.Bool("renewable");
  token.uses = static_cast<uint32_t>(std::min<int64_t>(auth.Seconds("num_uses").value_or(0), UINT32_MAX));
  return token;
}

}  // namespace

std::string_view LoginMethodName(LoginMethod method) {
  switch (method) {
    case LoginMethod::kToken:
      return "token";
    case LoginMethod::kAppRole:
      return "approle";
    case LoginMethod::kCert:
      return "cert";
    case LoginMethod::kKubernetes:
      return "kubernetes";
    case LoginMethod::kJwt:
      return "jwt";
    case LoginMethod::kUserpass:
      return "userpass";
  }
  return "";
}

Logins::Logins(VaultClient& client, CredentialFiles& files, const VaultSettings& settings,
               lease::SurvivingRecords* records)
    : client_(client), files_(files), settings_(settings), records_(records) {
  if (records_ != nullptr) ForgetUnused();
}

Subject Logins::SubjectOf(const std::string& identity, Asked asked) const {
  std::string place = identity.empty() ? "the login" : StrCat("the login of the identity \"", identity, "\"");
  const auto found = settings_.identities.find(identity);
  if (found == settings_.identities.end()) return {.asked = asked, .place = std::move(place), .path = ""};
  const Identity& of = found->second;
  place += StrCat(" (", LoginMethodName(of.method));
  if (of.method != LoginMethod::kToken) place += StrCat(" at ", MountOf(of));
  place += ")";
  return {.asked = asked, .place = std::move(place), .path = ""};
}

std::string Logins::MountOf(const Identity& identity) const {
  return StrCat("auth/", identity.mount.empty() ? LoginMethodName(identity.method) : std::string_view(identity.mount));
}

void Logins::ReadFile(const std::string& identity, GotCredential done) {
  const Subject subject = SubjectOf(identity, Asked::kLogin);
  const Identity& how = settings_.identities.at(identity);
  std::function<void(Result<SecretBuffer>)> read = [subject, name = how.file, method = how.method,
                                                    done = std::move(done)](Result<SecretBuffer> file) {
    if (!file.ok()) return done(CannotRead(subject, file.error()));
    SecretBuffer credential = WithoutLineEnd(std::move(*file));
    // A password may hold anything that JSON can.
    const bool fits = method == LoginMethod::kUserpass ? IsValidUtf8(credential.ExposeText()) && !credential.empty()
                                                       : IsOneWord(credential);
    if (fits) return done(std::move(credential));
    done(CannotLogIn(subject, StrCat("the file ", name, " is empty, or holds more than one credential")));
  };
  files_.Read(how.file, client_.WhileAlive(std::move(read)));
}

void Logins::Login(const std::string& identity, lease::Reply<lease::Token> done) {
  const auto found = settings_.identities.find(identity);
  if (found == settings_.identities.end()) {
    const Subject subject{.asked = Asked::kLogin, .place = StrCat("the identity \"", identity, "\""), .path = ""};
    return client_.Later([done = std::move(done), subject] {
      done(CannotLogIn(subject, "there is none of this name in the settings"));
    });
  }
  const Identity& how = found->second;
  const bool has_file = how.method != LoginMethod::kCert && !(how.method == LoginMethod::kAppRole && how.file.empty());
  if (!has_file) return Post(identity, SecretBuffer(), std::move(done));
  if (!how.wrapped.empty() && how.method == LoginMethod::kAppRole) return LoginBySecretId(identity, std::move(done));
  ReadFile(identity, [this, identity, method = how.method, done = std::move(done)](Answer<SecretBuffer> read) {
    if (auto* failure = FailureIn(read)) return done(std::move(*failure));
    SecretBuffer credential = std::move(std::get<SecretBuffer>(read));
    if (method == LoginMethod::kToken) return LoginByToken(identity, std::move(credential), done);
    Post(identity, credential, done);
  });
}

// ---- token ----

void Logins::LoginByToken(const std::string& identity, SecretBuffer token, lease::Reply<lease::Token> done) {
  auto held = std::make_shared<SecretBuffer>(std::move(token));
  Question question;
  question.subject = SubjectOf(identity, Asked::kTokenLookup);
  question.path = "auth/token/lookup-self";
  question.token = SecretBuffer::CopyOf(held->Expose());
  const BootTime asked_at = client_.loop().Now();
  client_.Ask(std::move(question), [this, identity, held, asked_at, done = std::move(done)](Answer<VaultReply> answer) {
    const Subject subject = SubjectOf(identity, Asked::kLogin);
    auto* failure = FailureIn(answer);
    if (failure != nullptr && failure->cause != Cause::kForbidden && failure->cause != Cause::kGone) {
      return done(std::move(*failure));
    }
    if (failure != nullptr) {
      return TellDeadFromDenied(
          identity, *held, std::move(*failure), [subject, held, asked_at, done](Answer<lease::TokenState> state) {
            auto* dead = FailureIn(state);
            if (dead != nullptr && dead->cause == Cause::kGone) {
              return done(CannotLogIn(subject,
                                      "the server does not know the token in the file: it has expired or was "
                                      "revoked; put a new one there"));
            }
            if (dead != nullptr && dead->cause != Cause::kForbidden) return done(std::move(*dead));
            // It lives, but may not look at itself: how long, nobody says.
            done(lease::Token{
                .value = std::move(*held), .granted_at = asked_at, .life = Duration(0), .lent = true});
          });
    }
    VaultReply& reply = std::get<VaultReply>(answer);
    const Members& data = reply.answer.data;
    done(lease::Token{
        .value = std::move(*held),
        .granted_at = reply.asked_at,
        .life = LifeOf(data),
        .renewable = data.Bool("renewable"),
        .lent = true,  // who put it into the file may use it elsewhere, and wants it there at the next start, too
        .uses = static_cast<uint32_t>(std::min<int64_t>(data.Seconds("num_uses").value_or(0), UINT32_MAX))});
  });
}

// ---- the others ----

void Logins::Post(const std::string& identity, const SecretBuffer& credential, lease::Reply<lease::Token> done) {
  const Identity& how = settings_.identities.at(identity);
  const Subject subject = SubjectOf(identity, Asked::kLogin);
  std::string path = MountOf(how) + "/login";
  if (how.method == LoginMethod::kUserpass) path += "/" + how.role;
  const auto escaped = http::EscapePath(path);
  if (!escaped.ok()) {
    return client_.Later([done = std::move(done), subject, why = escaped.error().message()] {
      done(CannotLogIn(subject, StrCat("mount or user cannot be right: ", why)));
    });
  }
  Question question;
  question.subject = subject;
  question.method = http::Method::kPost;
  question.path = *escaped;
  question.body = LoginBody(how, credential);  // SECURITY: and no token, which would be another's
  client_.Ask(std::move(question), [subject, done = std::move(done)](Answer<VaultReply> answer) {
    if (auto* failure = FailureIn(answer)) return done(std::move(*failure));
    done(TokenOf(subject, std::get<VaultReply>(answer)));
  });
}

}  // namespace leasefs::vault
