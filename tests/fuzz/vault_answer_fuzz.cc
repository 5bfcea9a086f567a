// Any bytes as a server's answer: read within bounds into a grant, names or a failure, whose words are safe to show
// and quote nothing that was not there to be read.
#include <algorithm>
#include <cstdint>
#include <string>

#include "backend/vault/certificate_end.h"
#include "backend/vault/grants.h"
#include "backend/vault/names.h"
#include "backend/vault/server_time.h"
#include "backend/vault/vault_errors.h"
#include "fs/base/strings.h"
#include "tests/fuzz/require.h"

namespace leasefs::vault {
namespace {

constexpr WallTime kNow{std::chrono::seconds(1'795'529'555)};
constexpr BootTime kAskedAt{std::chrono::hours(1)};

void CheckFailure(const lease::Failure& failure) {
  const std::string& words = failure.error.message();
  Require(words.size() < 1000 && Printable(words, 1000) == words);
}

void CheckFields(const std::vector<protocol::Field>& fields) {
  for (const protocol::Field& field : fields) {
    Require(protocol::IsValidKey(field.key) && IsValidUtf8(field.key));
    Require(!field.too_large || field.value.empty());
  }
}

void CheckGrants(std::string_view text, AnswerKind kind) {
  auto answer = ReadAnswer(SecretBuffer::CopyOf(text), Shape::kPlain);
  if (!answer.ok()) return;
  VaultReply reply;
  reply.answer = std::move(*answer);
  reply.asked_at = kAskedAt;
  reply.server_time = kNow;
  const auto grant = GrantOf({.asked = Asked::kMint, .place = "p", .path = ""}, kind, "pem", std::move(reply));
  if (const auto* failure = std::get_if<lease::Failure>(&grant)) return CheckFailure(*failure);
  const auto& good = std::get<lease::Grant>(grant);
  CheckFields(good.fields);
  Require(good.ends >= kAskedAt && good.life >= Duration(0));
  Require(!good.lease_id.empty() || good.life == Duration(0));
  Require(!good.changes_in || *good.changes_in > Duration(0));
}

void CheckErrors(std::string_view text) {
  http::Response response;
  response.address = "https://vault-1:8200";
  for (const Shape shape : {Shape::kPlain, Shape::kVersioned}) {
    auto answer = ReadAnswer(SecretBuffer::CopyOf(text), shape);
    response.body = SecretBuffer::CopyOf(text);
    for (const int status : {200, 400, 403, 404, 405, 429, 500, 503}) {
      response.status = status;
      for (const Asked asked : {Asked::kRead, Asked::kMint, Asked::kLogin, Asked::kWrapping, Asked::kLeaseRenewal}) {
        const Subject subject{.asked = asked, .place = "p", .path = "read on p"};
        CheckFailure(FailureOfStranger(subject, response, ""));
        if (answer.ok()) CheckFailure(FailureOfStatus(subject, response, *answer));
      }
    }
    if (answer.ok() && shape == Shape::kVersioned) CheckFields(std::move(answer->values).TakeFields());
  }
}

void CheckNames(std::string_view text) {
  auto answer = ReadAnswer(SecretBuffer::CopyOf(text), Shape::kPlain);
  if (!answer.ok()) return;
  for (const auto& entry : FoldersOf(answer->data)) {
    Require(!entry.name.empty() && protocol::IsValidPath(entry.name) && entry.name.find('/') == std::string::npos);
  }
  for (const auto& entry : KeysOf(answer->data.NamesOf("subkeys"))) Require(protocol::IsValidKey(entry.name));
}

void CheckTexts(std::string_view text) {
  const std::string quote = Quotable(text);
  Require(quote.size() <= 200 && std::ranges::all_of(quote, [](char c) { return c >= ' ' && c <= '~'; }));
  EndOfCertificate(text);
  EndOfSshCertificate(text);
  if (const auto time = ParseRfc3339(text)) Require(BootTimeOf(*time, kAskedAt, kNow) >= kAskedAt);
}

}  // namespace
}  // namespace leasefs::vault

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace leasefs::vault;  // NOLINT(google-build-using-namespace)
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const AnswerKind kind : {AnswerKind::kPlain, AnswerKind::kRotating, AnswerKind::kCertificate,
                                AnswerKind::kSshCertificate, AnswerKind::kCode, AnswerKind::kRaw}) {
    CheckGrants(text, kind);
  }
  CheckErrors(text);
  CheckNames(text);
  CheckTexts(text);
  return 0;
}
