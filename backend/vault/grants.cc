#include "backend/vault/grants.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "backend/vault/certificate_end.h"
#include "backend/vault/server_time.h"
#include "fs/base/strings.h"

namespace leasefs::vault {
namespace {

using lease::Failure;
using lease::Grant;

constexpr std::chrono::seconds kQuickLook(1);       // while the server rotates
constexpr std::chrono::seconds kDefaultPeriod(30);  // of a TOTP code: RFC 6238, section 5.2, and the engine's default

// Epoch seconds, or RFC 3339.
std::optional<WallTime> Moment(const Members& data, std::string_view name) {
  constexpr int64_t kMaxSeconds = int64_t{7} << 30;  // 2208
  if (const auto seconds = data.Integer(name); seconds && *seconds > 3000 && *seconds < kMaxSeconds) {
    return WallTime(std::chrono::seconds(*seconds));
  }
  return ParseRfc3339(data.Text(name));
}

bool IsPem(std::string_view text) {
  return text.starts_with("-----BEGIN ");
}

void AppendPem(SecretBuffer& out, std::string_view pem) {
  out.Append(pem);
  if (!pem.empty() && !pem.ends_with('\n')) out.Append("\n");
}

// PEM files as servers want them: the chain without the certificate, the certificate with it, and all with the key.
void AddCertificateForms(Members& data) {
  const std::string_view certificate = data.Text("certificate");
  const std::string_view key = data.Text("private_key");
  // DER is shown as the server encodes it; a pem_bundle has all in it already.
  if (!IsPem(certificate) || certificate.find("PRIVATE KEY") != std::string_view::npos) return;
  SecretBuffer chain;
  const auto authorities = data.Strings("ca_chain");
  if (authorities && !authorities->empty()) {
    for (const SecretBuffer& authority : *authorities) AppendPem(chain, authority.ExposeText());
  } else {
    AppendPem(chain, data.Text("issuing_ca"));
  }
  SecretBuffer full;
  AppendPem(full, certificate);
  full.Append(chain.Expose());
  std::optional<SecretBuffer> bundle;
  if (!key.empty()) {
    bundle.emplace();
    AppendPem(*bundle, key);
    bundle->Append(full.Expose());
  }
  const auto add = [&data](std::string name, SecretBuffer text) {
    data.Remove(name);
    data.Add({.name = std::move(name), .kind = Member::Kind::kString, .value = std::move(text)});
  };
  add("chain", std::move(chain));
  add("fullchain", std::move(full));
  if (bundle) add("bundle", *std::move(bundle));
}

void EndWithCertificate(Members& data, const VaultReply& reply, Grant& grant) {
  auto end = Moment(data, "expiration");
  if (!end) end = EndOfCertificate(data.Text("certificate"));
  if (end) grant.ends = BootTimeOf(*end, reply.asked_at, reply.server_time);
  AddCertificateForms(data);
}

void EndWithSshCertificate(const Members& data, const VaultReply& reply, Grant& grant) {
  const auto end = EndOfSshCertificate(data.Text("signed_key"));
  if (end && *end != WallTime::max()) grant.ends = BootTimeOf(*end, reply.asked_at, reply.server_time);
}

// A code is good until the next multiple of its period. Servers that tell neither leave the usual period.
void EndWithCode(Members& data, const VaultReply& reply, Grant& grant) {
  auto end = Moment(data, "expire_time");
  if (!end) {
    const auto period =
        std::chrono::seconds(std::clamp<int64_t>(data.Seconds("period").value_or(kDefaultPeriod.count()), 1, 86400));
    const Duration now = reply.server_time.time_since_epoch();
    end = WallTime(now - now % period + period);
  }
  grant.ends = BootTimeOf(*end, reply.asked_at, reply.server_time);
}

// `ttl` is other at each look and no part of the secret: shown, it would make each look a new version.
void ChangeWithRotation(Members& data, Grant& grant) {
  const auto ttl = data.Seconds("ttl");
  data.Remove("ttl");
  // OpenBao's documentation has another name than its code: the usual one is shown.
  if (const Member* own = data.Find("last_openbao_rotation");
      own != nullptr && data.Find("last_vault_rotation") == nullptr) {
    Member usual{.name = "last_vault_rotation", .kind = own->kind, .value = SecretBuffer::CopyOf(own->value.Expose())};
    data.Remove("last_openbao_rotation");
    data.Add(std::move(usual));
  }
  if (!ttl) return;
  // 0: it is rotating at this moment, and what it says may be the old or the new. Else it may lag behind by a second.
  grant.changes_in = *ttl == 0 ? kQuickLook : std::chrono::seconds(*ttl) + kQuickLook;
}

// A service token as a secret: what auth/token/create answers.
Members FromAuth(const Members& auth, Grant& grant, BootTime asked_at) {
  Members data;
  for (const std::string_view name : {"client_token", "accessor"}) {
    if (auth.Find(name) != nullptr) data.Add(std::string(name), auth.Text(name));
  }
  const auto life = auth.Seconds("lease_duration").value_or(0);
  if (life > 0) grant.ends = asked_at + std::chrono::seconds(life);
  return data;
}

}  // namespace

lease::Answer<Grant> GrantOf(const Subject& subject, AnswerKind kind, const std::string& raw_key, VaultReply reply) {
  Grant grant;
  grant.asked_at = reply.asked_at;
  if (!reply.raw.empty()) {
    if (!protocol::IsValidKey(raw_key)) return Refused(subject, ErrorKind::kRemote, "the answer's key has no name");
    grant.fields.push_back({.key = raw_key, .value = std::move(reply.raw)});
    return grant;
  }
  VaultAnswer& answer = reply.answer;
  if (answer.wrap_info.present()) {
    return Refused(subject, ErrorKind::kRemote, "the server wraps the answer: turn off wrapping for this path");
  }
  grant.lease_id = answer.root.Text("lease_id");
  if (grant.lease_id.size() > lease::kMaxLeaseIdBytes) return WrongAnswer(subject, "the lease's id is too long");
  if (!grant.lease_id.empty()) {  // without one, lease_duration is a hint when to look again, and mostly of no use
    grant.life = std::chrono::seconds(answer.root.Seconds("lease_duration").value_or(0));
    grant.renewable = answer.root.Bool("renewable");
  }
  if (!answer.data.present() && answer.auth.present())
    answer.data = FromAuth(answer.auth, grant, reply.asked_at);
  else if (!answer.data.present()) {
    Failure nothing = Refused(subject, ErrorKind::kNotFound, "the answer holds no data: is this a path to read?");
    nothing.in_doubt = subject.Mints() && !grant.lease_id.empty();
    return nothing;
  }
  switch (kind) {
    case AnswerKind::kRotating:
      ChangeWithRotation(answer.data, grant);
      break;
    case AnswerKind::kCertificate:
      EndWithCertificate(answer.data, reply, grant);
      break;
    case AnswerKind::kSshCertificate:
      EndWithSshCertificate(answer.data, reply, grant);
      break;
    case AnswerKind::kCode:
      EndWithCode(answer.data, reply, grant);
      break;
    case AnswerKind::kPlain:
    case AnswerKind::kRaw:
      break;
  }
  grant.fields = std::move(answer.data).TakeFields();
  return grant;
}

}  // namespace leasefs::vault
