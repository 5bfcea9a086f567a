// What is known of the secrets engines: which of their paths make something new, how they are asked, and which keys
// they give. Facts only; nothing is asked.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "backend/lease/source.h"

namespace leasefs::vault {

// How an answer becomes a Grant, beyond its lease.
enum class AnswerKind : uint8_t {
  kPlain,
  kRotating,     // `ttl` until the next rotation
  kCertificate,  // ends with the certificate; chain, fullchain and bundle beside it
  kSshCertificate,
  kCode,  // a TOTP code
  kRaw,   // text, not JSON
};

struct EngineFacts {
  lease::Nature nature = lease::Nature::kMinted;
  AnswerKind answer = AnswerKind::kPlain;
  bool is_write = false;          // asked by POST
  std::vector<std::string> keys;  // names before the first mint
};

// `type`: of the mount, "" if it is not known; `rest`: the path below it. What nobody knows is minted by GET: a reading
// that may make something must not be caused by a look (S6).
EngineFacts FactsOf(std::string_view type, std::string_view rest);

// "GET", "POST" or "PUT"; `wanted`: what the tree says, "" if nothing.
std::string MethodFor(const EngineFacts& facts, const std::string& wanted);

// What a policy must grant for it: "read" or "update".
std::string_view CapabilityFor(std::string_view method);

// The types that have that path in particular, such as "creds/app", each once.
std::vector<std::string_view> TypesWith(std::string_view rest);
// The type of an engine in the table: most are mounted under that name.
bool IsKnownType(std::string_view name);

}  // namespace leasefs::vault
