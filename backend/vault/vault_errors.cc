#include "backend/vault/vault_errors.h"

#include <algorithm>
#include <chrono>

#include "fs/base/strings.h"

namespace leasefs::vault {
namespace {

using lease::Cause;
using lease::Failure;

constexpr size_t kMaxQuoteBytes = 200;
constexpr size_t kMaxWordBytes = 40;  // of letters and other marks: a path, a name
constexpr size_t kMaxMixedBytes =
    16;  // of one that mixes digits, small and capital letters: it may be an ID or a token

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}
bool IsSmall(char c) {
  return c >= 'a' && c <= 'z';
}
bool IsCapital(char c) {
  return c >= 'A' && c <= 'Z';
}

// A piece of a word between slashes and other marks.
bool LooksRandom(std::string_view piece) {
  const int kinds = int{std::ranges::any_of(piece, IsDigit)} + int{std::ranges::any_of(piece, IsSmall)} +
                    int{std::ranges::any_of(piece, IsCapital)};
  return piece.size() > kMaxWordBytes || (kinds > 1 && piece.size() > kMaxMixedBytes);
}

bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// All errors of the body in one text, for comparing; never shown as it is.
std::string Words(const VaultAnswer& answer) {
  std::string words;
  for (const SecretBuffer& error : answer.Errors()) {
    if (words.size() + error.size() > 4096) break;
    words += error.ExposeText();
    words += '\n';
  }
  return words;
}

// SECURITY: what is said about tokens, leases and logins may quote them.
bool MayQuote(Asked asked) {
  return asked == Asked::kMount || asked == Asked::kRead || asked == Asked::kSubkeys || asked == Asked::kList ||
         asked == Asked::kMint;
}

std::string Quote(const Subject& subject, std::string_view words) {
  if (!MayQuote(subject.asked)) return "";
  const std::string quotable = Quotable(words);
  return quotable.empty() ? "" : StrCat(" (it says: ", quotable, ")");
}

Failure Make(const Subject& subject, Cause cause, ErrorKind kind, std::string_view what) {
  return {
      .error = Error(kind, StrCat(subject.place, ": ", what)), .cause = cause, .in_doubt = false, .retry_after = {}};
}

Failure Outage(const Subject& subject, const http::Response& response, std::string_view what) {
  Failure failure = Make(subject, Cause::kOutage, ErrorKind::kRemote, StrCat(response.address, " ", what));
  failure.retry_after = response.retry_after;
  return failure;
}

Failure WrapRefused(const Subject& subject) {
  return Make(subject, Cause::kRefused, ErrorKind::kLoginRefused,
              "the wrapping token is not valid: it was used, has expired or was never there. Each start of leasefsd "
              "needs a new one. If it was not used by leasefs before, somebody else has unwrapped it: look into the "
              "server's audit log and revoke the secret-id");
}

Failure LoginRefused(const Subject& subject, int status) {
  std::string_view what;
  switch (status) {
    case 400:
      what =
          "the server refuses the login: is the credential right, complete and not used up, does the role exist? "
          "After some refusals a server locks the account for minutes";
      break;
    case 403:
      what =
          "the server forbids the login: no such method is mounted there, the role or credential is wrong, its use "
          "from here is not allowed, or the account is locked for minutes after too many refusals";
      break;
    case 404:
    case 405:
      what = "no such login method is mounted there: check method, mount and namespace";
      break;
    default:
      what = "the server refuses the login";
      break;
  }
  return Make(subject, Cause::kRefused, ErrorKind::kLoginRefused, what);
}

// ---- 400 ----

Failure BadRequest(const Subject& subject, const http::Response& response, std::string_view words) {
  if (Contains(words, "Upgrading from non-versioned")) {
    Failure failure = Outage(subject, response, "is still turning this mount into a versioned one");
    if (!failure.retry_after) failure.retry_after = std::chrono::seconds(1);
    return failure;
  }
  if (Contains(words, "missing client token")) {
    return Make(subject, Cause::kForbidden, ErrorKind::kDenied, "the server saw no token");
  }
  switch (subject.asked) {
    case Asked::kLogin:
      return LoginRefused(subject, 400);
    case Asked::kWrapping:
      return WrapRefused(subject);
    case Asked::kTokenLookup:
    case Asked::kTokenRenewal:
      return Make(subject, Cause::kGone, ErrorKind::kExpired, "the token cannot be renewed any more");
    case Asked::kTokenRevocation:
      return Make(subject, Cause::kGone, ErrorKind::kExpired, "the token does not exist any more, or ends by itself");
    case Asked::kLeaseRenewal:
    case Asked::kLeaseRevocation: {
      const bool gone = Contains(words, "lease not found") || Contains(words, "invalid lease") ||
                        Contains(words, "lease expired") || Contains(words, "expired lease");
      if (gone) return Make(subject, Cause::kGone, ErrorKind::kRevoked, "the server does not know the lease any more");
      return subject.asked == Asked::kLeaseRevocation
                 ? Make(subject, Cause::kRefused, ErrorKind::kRemote, "the server does not revoke the lease")
                 : Make(subject, Cause::kRefused, ErrorKind::kExpired, "the lease cannot be renewed any further");
    }
    default:
      break;
  }
  const bool unknown = Contains(words, "unknown role") || Contains(words, "unknown key") ||
                       Contains(words, "could not be found") || Contains(words, "not found") ||
                       Contains(words, "does not exist") || Contains(words, "Unknown role");
  if (unknown) {
    return Make(subject, Cause::kRefused, ErrorKind::kNotFound,
                StrCat("the server has no such role or name: check the last part of the path", Quote(subject, words)));
  }
  return Make(
      subject, Cause::kRefused, ErrorKind::kRemote,
      StrCat("the server refuses the request: check the tree's path, method and params", Quote(subject, words)));
}

// ---- 403 ----

Failure Forbidden(const Subject& subject, std::string_view words) {
  switch (subject.asked) {
    case Asked::kLogin:
      return LoginRefused(subject, 403);
    case Asked::kWrapping:
      return WrapRefused(subject);
    case Asked::kTokenRenewal:
      return Make(subject, Cause::kGone, ErrorKind::kExpired,
                  "the token is dead, or its policy does not let it renew itself (auth/token/renew-self)");
    case Asked::kMount:
      return Make(
          subject, Cause::kForbidden, ErrorKind::kDenied,
          StrCat("nothing is mounted there, or the token's policy grants nothing there: check the path",
                 " and the policy for it (for KV v2 it names <mount>/data/<path> and <mount>/metadata/<path>), ",
                 "or that the token is alive"));
    default:
      break;
  }
  return Make(
      subject, Cause::kForbidden, ErrorKind::kDenied,
      StrCat("the token's policy does not allow ", subject.path.empty() ? subject.place : subject.path,
             ", or the token is dead", Contains(words, "invalid token") ? ": the server calls it invalid" : ""));
}

// ---- 404, 405 ----

Failure NotFound(const Subject& subject, const VaultAnswer& answer, std::string_view words) {
  if (subject.asked == Asked::kLogin) return LoginRefused(subject, 404);
  if (subject.asked == Asked::kLeaseRevocation || subject.asked == Asked::kLeaseRenewal) {
    return Make(subject, Cause::kGone, ErrorKind::kRevoked, "the server does not know the lease any more");
  }
  if (answer.metadata.Bool("destroyed")) {
    return Refused(subject, ErrorKind::kNotFound, "this version was destroyed");
  }
  if (!answer.metadata.Text("deletion_time").empty()) {
    return Refused(subject, ErrorKind::kNotFound, "this version was deleted; it can be undeleted");
  }
  // A warning in place of an error: "Invalid path for a versioned K/V secrets engine".
  const bool unsupported = Contains(words, "unsupported path") || (!answer.HasErrors() && !answer.data.present());
  if (subject.asked == Asked::kSubkeys && unsupported) {
    return Refused(subject, ErrorKind::kRemote, "the server is too old to tell the names of keys");
  }
  if (Contains(words, "no handler for route")) {
    return Refused(subject, ErrorKind::kNotFound, "nothing is mounted there: check the path and the namespace");
  }
  return Refused(subject, ErrorKind::kNotFound, "there is nothing");
}

// ---- everything else ----

Failure Unavailable(const Subject& subject, const http::Response& response, std::string_view words) {
  switch (response.status) {
    case 412:
      return Outage(subject, response,
                    "does not have the state yet that was asked for, or wants a header that a proxy "
                    "in between has dropped");
    case 429: {
      Failure failure = Make(subject, Cause::kOutage, ErrorKind::kUnreachable,
                             StrCat(response.address, " has no time for us now: a quota of the server is used up"));
      failure.retry_after = response.retry_after;
      return failure;
    }
    case 472:
      return Outage(subject, response, "is a disaster-recovery secondary, which serves nothing: name the primary");
    case 473:
      return Outage(subject, response, "is a standby, which does not serve this");
    case 474:
    case 530:
      return Outage(subject, response, "has lost its cluster");
    case 501:
      return Outage(subject, response, "is not initialized");
    case 502:
      return Outage(subject, response, StrCat("got no good answer from what stands behind it", Quote(subject, words)));
    case 503:
      if (Contains(words, "sealed")) return Outage(subject, response, "is sealed: unseal it");
      return Outage(subject, response, "cannot serve now: sealed, without a leader, or locked");
    default:
      return Outage(subject, response,
                    StrCat("failed with status ", response.status, ": its log says why", Quote(subject, words)));
  }
}

}  // namespace

Failure WrongAnswer(const Subject& subject, std::string_view what) {
  Failure failure = Make(subject, Cause::kOutage, ErrorKind::kRemote, what);
  failure.in_doubt = subject.Mints();
  return failure;
}

Failure Refused(const Subject& subject, ErrorKind kind, std::string_view what) {
  return Make(subject, Cause::kRefused, kind, what);
}

Failure FailureOfTransport(const Subject& subject, const Error& error, bool in_doubt) {
  // The answer came and is about this place; all else tells of the server or the way to it.
  const Cause cause = error.kind() == ErrorKind::kTooLarge ? Cause::kRefused : Cause::kOutage;
  const ErrorKind kind = error.kind() == ErrorKind::kInvalid ? ErrorKind::kInternal : error.kind();
  return {.error = Error(kind, StrCat(subject.place, ": ", error.message())).RetryAt(error.retry_at()),
          .cause = cause,
          .in_doubt = subject.Mints() && in_doubt,
          .retry_after = {}};
}

Failure FailureOfStranger(const Subject& subject, const http::Response& response, std::string_view why) {
  const std::string_view text = response.body.ExposeText();
  const size_t start = text.find_first_not_of(" \t\r\n");
  const bool page = (start != std::string_view::npos && text[start] == '<') ||
                    response.Header("content-type").starts_with("text/html");
  std::string what = StrCat("answered ", response.status, " with ");
  if (page) {
    what += "a web page: is this the address of the server, or of something in front of it that has no server behind?";
  } else if (response.body.empty()) {
    what += "nothing, as no such server does: is something in front of it that answers for it?";
  } else {
    what += StrCat("what is not the answer of such a server", why.empty() ? "" : ": ", why);
  }
  if (response.status == 400 && response.address.starts_with("http://")) what += "; if it speaks TLS, write https://";
  Failure failure = Outage(subject, response, what);
  if (response.status == 429) {
    failure.error = Error(ErrorKind::kUnreachable, failure.error.message());
  }
  // A server or a proxy that fails behind the request may have let it through first.
  failure.in_doubt = subject.Mints() && (response.status < 300 || response.status >= 500);
  return failure;
}

Failure FailureOfStatus(const Subject& subject, const http::Response& response, const VaultAnswer& answer) {
  const std::string words = Words(answer);
  switch (response.status) {
    case 400:
      return BadRequest(subject, response, words);
    case 403:
      return Forbidden(subject, words);
    case 404:
      return NotFound(subject, answer, words);
    case 405:
      if (subject.asked == Asked::kLogin) return LoginRefused(subject, 405);
      return Refused(
          subject, ErrorKind::kRemote,
          StrCat("the server cannot do this there: set the tree's method and path right", Quote(subject, words)));
    case 413:
      return Refused(subject, ErrorKind::kTooLarge, "the server finds the request too large: shorten the params");
    case 415:
      return Refused(subject, ErrorKind::kRemote, "the server does not take the request's format");
    default:
      return Unavailable(subject, response, words);
  }
}

bool IsToBeAvoided(int status) {
  return status == 472 || status == 473 || status == 474 || status == 501 || status == 503 || status == 530;
}

std::string Quotable(std::string_view text) {
  std::string line;
  for (const char c : text) {
    const char plain = c == '\n' || c == '\t' || c == '\r' ? ' ' : c;
    if (plain < ' ' || plain > '~') return "";
    if (plain == ' ' && (line.empty() || line.back() == ' ')) continue;
    line += plain;
  }
  while (line.ends_with(' ')) line.pop_back();
  if (line.size() > kMaxQuoteBytes || Contains(line, "://") || Contains(line, "@") || Contains(line, "=")) return "";
  size_t begin = 0;
  const auto is_part = [](char c) {
    return IsDigit(c) || IsSmall(c) || IsCapital(c) || c == '-' || c == '_' || c == '+' || c == '.';
  };
  for (size_t i = 0; i <= line.size(); ++i) {
    if (i < line.size() && is_part(line[i])) continue;
    if (LooksRandom(std::string_view(line).substr(begin, i - begin))) return "";
    begin = i + 1;
  }
  return line;
}

}  // namespace leasefs::vault
