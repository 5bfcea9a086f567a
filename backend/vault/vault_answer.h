// The JSON body of an answer: the envelope that all endpoints share, read in one pass, straight into SecretBuffers.
#pragma once

#include <string>
#include <vector>

#include "backend/vault/members.h"
#include "fs/base/result.h"
#include "fs/base/secret_buffer.h"

namespace leasefs::vault {

struct VaultAnswer {
  Members root;      // what is neither of those below: lease_id, renewable, lease_duration, errors, …
  Members data;      // for kVersioned without `data` and `metadata`
  Members values;    // kVersioned: data.data
  Members metadata;  // kVersioned: data.metadata
  Members auth;
  Members wrap_info;

  // It looks like an answer of such a server, and not like somebody's else JSON.
  bool IsEnvelope() const { return root.Find("request_id") != nullptr || root.Find("errors") != nullptr; }
  bool HasErrors() const { return root.Find("errors") != nullptr; }
  std::vector<SecretBuffer> Errors() const;
};

enum class Shape { kPlain, kVersioned };  // kVersioned: what KV v2 answers below data/ and subkeys/

// kRemote, kTooLarge from http::ReadJson; kRemote when it is no object. `body` is wiped.
Result<VaultAnswer> ReadAnswer(SecretBuffer body, Shape shape);

}  // namespace leasefs::vault
