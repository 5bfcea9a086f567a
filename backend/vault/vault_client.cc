#include "backend/vault/vault_client.h"

#include <utility>

#include "backend/http/retry_after.h"
#include "fs/base/strings.h"

namespace leasefs::vault {
namespace {

// What is sent more than once has no effect: reading what is static, and looking.
bool IsRepeatable(Asked asked) {
  switch (asked) {
    case Asked::kMount:
    case Asked::kRead:
    case Asked::kSubkeys:
    case Asked::kList:
    case Asked::kTokenLookup:
      return true;
    case Asked::kMint:
    case Asked::kLogin:
    case Asked::kWrapping:
    case Asked::kTokenRenewal:
    case Asked::kTokenRevocation:
    case Asked::kLeaseRenewal:
    case Asked::kLeaseRevocation:
      return false;
  }
  return false;
}

void AddHeader(http::Request& request, std::string name, SecretBuffer value) {
  request.headers.push_back({.name = std::move(name), .value = std::move(value)});
}

bool HasControlBytes(std::string_view escaped) {
  return escaped.find("%0") != std::string_view::npos || escaped.find("%1") != std::string_view::npos ||
         escaped.find("%7F") != std::string_view::npos;
}

bool IsRawText(const http::Response& response) {
  const std::string_view type = response.Header("content-type");
  const bool known = type.starts_with("application/pem-certificate-chain") ||
                     type.starts_with("application/pkix-cert") || type.starts_with("application/pkix-crl") ||
                     type.starts_with("application/x-pem-file") || type.starts_with("text/plain");
  return known && !response.body.ExposeText().starts_with("<");
}

}  // namespace

void VaultClient::Ask(Question question, Done done) {
  const bool repeatable = IsRepeatable(question.subject.asked) && question.method == http::Method::kGet;
  Expected expected{.subject = std::move(question.subject),
                    .shape = question.shape,
                    .may_be_raw = question.may_be_raw,
                    .unprintable = HasControlBytes(question.path)};
  http::Request request;
  request.method = question.method;
  request.path = "/v1/" + question.path;
  request.body = std::move(question.body);
  request.repeatable = repeatable;
  request.lane = std::move(question.lane);
  request.group = std::move(question.group);
  request.deadline = loop_.Now() + (repeatable ? timeouts_.read : timeouts_.change);
  request.patience = timeouts_.read;  // a reader may be waiting for a login or a mint
  // Agents and proxies may insist on it, as a guard against requests that a browser was tricked into.
  AddHeader(request, "X-Vault-Request", SecretBuffer::CopyOf("true"));
  if (!name_space_.empty()) AddHeader(request, "X-Vault-Namespace", SecretBuffer::CopyOf(name_space_));
  if (!question.token.empty()) AddHeader(request, "X-Vault-Token", std::move(question.token));
  http_.Send(std::move(request), [this, expected = std::move(expected), done = std::move(done),
                                  alive = std::weak_ptr(alive_)](Result<http::Response> result, bool in_doubt) {
    if (!alive.expired()) done(Read(expected, std::move(result), in_doubt));
  });
}

void VaultClient::Later(std::function<void()> task) {
  loop_.After(Duration(0), WhileAlive(std::move(task)));
}

lease::Answer<VaultReply> VaultClient::Read(const Expected& expected, Result<http::Response> result, bool in_doubt) {
  const Subject& subject = expected.subject;
  if (!result.ok()) return FailureOfTransport(subject, result.error(), in_doubt);
  http::Response& response = *result;
  if (IsToBeAvoided(response.status)) http_.Avoid(response.address);
  const bool fine = response.status == 200 || response.status == 202 || response.status == 204;
  VaultReply reply;
  reply.asked_at = response.sent_at;
  reply.server_time = http::ParseHttpDate(response.Header("date")).value_or(loop_.WallNow());
  if ((response.status == 204 || response.status == 202) && response.body.empty()) return reply;
  if (fine && expected.may_be_raw && IsRawText(response)) {
    reply.raw = std::move(response.body);
    return reply;
  }
  // The body is gone after it was read; what it began with is remembered for the words.
  const size_t size = response.body.size();
  if (size == 0 || response.body.ExposeText().find_first_not_of(" \t\r\n") == std::string_view::npos) {
    if (response.status == 400 && expected.unprintable) {
      return Refused(subject, ErrorKind::kNotFound, "the server takes no path with bytes that cannot be printed");
    }
    return FailureOfStranger(subject, response, "");
  }
  const std::string_view text = response.body.ExposeText();
  if (text[text.find_first_not_of(" \t\r\n")] != '{') return FailureOfStranger(subject, response, "");
  auto answer = ReadAnswer(std::exchange(response.body, SecretBuffer::CopyOf("{")), expected.shape);
  if (!answer.ok()) {
    lease::Failure failure = FailureOfStranger(subject, response, answer.error().message());
    if (answer.error().kind() != ErrorKind::kTooLarge) return failure;
    failure.cause = lease::Cause::kRefused;
    failure.error = Error(ErrorKind::kTooLarge, StrCat(subject.place, ": ", answer.error().message()));
    return failure;
  }
  if (!answer->IsEnvelope()) return FailureOfStranger(subject, response, "");
  if (!fine) return FailureOfStatus(subject, response, *answer);
  reply.answer = std::move(*answer);
  return reply;
}

}  // namespace leasefs::vault
