#include "backend/vault/engines.h"

#include <algorithm>

namespace leasefs::vault {
namespace {

struct Row {
  std::string_view type;
  std::string_view path;  // "creds/": what begins so, and more follows; "ca": exactly this; "": anything
  lease::Nature nature;
  AnswerKind answer;
  bool is_write;
  std::string_view keys;  // separated by spaces
};

constexpr auto kStatic = lease::Nature::kStatic;
constexpr auto kMinted = lease::Nature::kMinted;
constexpr std::string_view kIssued =
    "certificate issuing_ca ca_chain private_key private_key_type serial_number expiration chain fullchain bundle";
constexpr std::string_view kSigned = "certificate issuing_ca ca_chain serial_number expiration chain fullchain";

// The first that fits counts. Sources: the API documentation of Vault and OpenBao, section "Secrets engines".
constexpr Row kRows[] = {
    {"database", "creds/", kMinted, AnswerKind::kPlain, false, "username password"},
    {"database", "static-creds/", kStatic, AnswerKind::kRotating, false, ""},
    {"database", "", kStatic, AnswerKind::kPlain, false, ""},

    {"pki", "issue/", kMinted, AnswerKind::kCertificate, true, kIssued},
    {"pki", "sign/", kMinted, AnswerKind::kCertificate, true, kSigned},
    {"pki", "sign-verbatim/", kMinted, AnswerKind::kCertificate, true, kSigned},
    {"pki", "sign-verbatim", kMinted, AnswerKind::kCertificate, true, kSigned},
    {"pki", "", kStatic, AnswerKind::kRaw, false, ""},

    {"ssh", "sign/", kMinted, AnswerKind::kSshCertificate, true, "serial_number signed_key"},
    {"ssh", "issue/", kMinted, AnswerKind::kSshCertificate, true,
     "private_key private_key_type serial_number signed_key"},
    {"ssh", "creds/", kMinted, AnswerKind::kPlain, true, "ip key key_type port username"},
    {"ssh", "", kStatic, AnswerKind::kRaw, false, ""},

    {"totp", "code/", kMinted, AnswerKind::kCode, false, "code"},
    {"totp", "keys/", kStatic, AnswerKind::kPlain, false, ""},

    {"transit", "keys/", kStatic, AnswerKind::kPlain, false, ""},
    {"transit", "decrypt/", kMinted, AnswerKind::kPlain, true, "plaintext"},
    {"transit", "encrypt/", kMinted, AnswerKind::kPlain, true, "ciphertext key_version"},
    {"transit", "rewrap/", kMinted, AnswerKind::kPlain, true, "ciphertext key_version"},
    {"transit", "datakey/plaintext/", kMinted, AnswerKind::kPlain, true, "ciphertext key_version plaintext"},
    {"transit", "datakey/wrapped/", kMinted, AnswerKind::kPlain, true, "ciphertext key_version"},
    {"transit", "sign/", kMinted, AnswerKind::kPlain, true, "key_version signature"},
    {"transit", "hmac/", kMinted, AnswerKind::kPlain, true, "hmac"},
    {"transit", "random/", kMinted, AnswerKind::kPlain, true, "random_bytes"},
    {"transit", "", kMinted, AnswerKind::kPlain, true, ""},

    {"rabbitmq", "creds/", kMinted, AnswerKind::kPlain, false, "username password"},
    {"kubernetes", "creds/", kMinted, AnswerKind::kPlain, true,
     "service_account_name service_account_namespace service_account_token"},

    {"ldap", "creds/", kMinted, AnswerKind::kPlain, false, "username password distinguished_names"},
    {"ldap", "static-cred/", kStatic, AnswerKind::kRotating, false, ""},
    {"openldap", "creds/", kMinted, AnswerKind::kPlain, false, "username password distinguished_names"},
    {"openldap", "static-cred/", kStatic, AnswerKind::kRotating, false, ""},
    {"aws", "creds/", kMinted, AnswerKind::kPlain, false, "access_key secret_key security_token"},
    {"aws", "sts/", kMinted, AnswerKind::kPlain, false, "access_key secret_key security_token"},
    {"aws", "static-creds/", kStatic, AnswerKind::kRotating, false, ""},
    {"azure", "creds/", kMinted, AnswerKind::kPlain, false, "client_id client_secret"},
    {"consul", "creds/", kMinted, AnswerKind::kPlain, false, "token"},
    {"nomad", "creds/", kMinted, AnswerKind::kPlain, false, "accessor_id secret_id"},
    {"identity", "oidc/token/", kMinted, AnswerKind::kPlain, false, "client_id token ttl"},

    {"cubbyhole", "", kStatic, AnswerKind::kPlain, false, ""},
};

bool Fits(const Row& row, std::string_view type, std::string_view rest) {
  if (row.type != type) return false;
  if (row.path.empty()) return true;
  return row.path.ends_with('/') ? rest.size() > row.path.size() && rest.starts_with(row.path) : rest == row.path;
}

// ldap/library/SET/check-out
constexpr std::string_view kWithLibraries[] = {"ldap", "openldap", "ad"};

bool IsCheckOut(std::string_view rest) {
  return rest.starts_with("library/") && rest.ends_with("/check-out");
}

std::vector<std::string> Words(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

// Of PKI and SSH, what these paths give is text and no JSON.
bool IsRaw(std::string_view rest) {
  return rest.ends_with("/pem") || rest.ends_with("/raw") || rest == "ca" || rest == "ca_chain" || rest == "crl" ||
         rest == "public_key" || rest.ends_with("/public_key");
}

}  // namespace

EngineFacts FactsOf(std::string_view type, std::string_view rest) {
  if (IsCheckOut(rest) && std::ranges::count(kWithLibraries, type) > 0) {
    return {.nature = kMinted,
            .answer = AnswerKind::kPlain,
            .is_write = true,
            .keys = {"password", "service_account_name"}};
  }
  for (const Row& row : kRows) {
    if (!Fits(row, type, rest)) continue;
    EngineFacts facts{.nature = row.nature, .answer = row.answer, .is_write = row.is_write, .keys = Words(row.keys)};
    if (facts.answer == AnswerKind::kRaw && !IsRaw(rest)) facts.answer = AnswerKind::kPlain;
    return facts;
  }
  return {.nature = kMinted, .answer = AnswerKind::kPlain, .is_write = false, .keys = {}};
}

std::string MethodFor(const EngineFacts& facts, const std::string& wanted) {
  if (!wanted.empty()) return wanted;
  return facts.is_write ? "POST" : "GET";
}

std::string_view CapabilityFor(std::string_view method) {
  return method == "GET" ? "read" : "update";
}

std::vector<std::string_view> TypesWith(std::string_view rest) {
  std::vector<std::string_view> types;
  if (IsCheckOut(rest)) types.assign(std::begin(kWithLibraries), std::end(kWithLibraries));
  for (const Row& row : kRows) {
    const bool new_type = std::ranges::count(types, row.type) == 0;
    if (new_type && !row.path.empty() && Fits(row, row.type, rest)) types.push_back(row.type);
  }
  return types;
}

bool IsKnownType(std::string_view name) {
  return std::ranges::any_of(kRows, [&](const Row& row) { return row.type == name; }) ||
         std::ranges::count(kWithLibraries, name) > 0;
}

}  // namespace leasefs::vault
