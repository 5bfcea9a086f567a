// What the machine holds of a lease, a version and a token, and how that is written into SurvivingRecords. Layouts are
// this file's alone: a record that another version of leasefs wrote is not understood (kInvalid) and is dropped.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "backend/lease/tree.h"
#include "fs/base/result.h"
#include "fs/base/secret_buffer.h"
#include "fs/base/time.h"

namespace leasefs::lease {

struct Lease {
  uint64_t sequence = 0;  // of its mint; the number of its version too
  std::string id;         // "": nothing to renew or revoke. SECURITY: never logged
  std::string identity;
  uint64_t generation = 0;  // the token of the identity that it dies with (S16)
  BootTime minted_at;
  BootTime granted_at;  // asked for last: `life` counts from here
  Duration life{};      // zero: it has no end of its own
  Duration longest_life{};
  BootTime ends = kNever;  // that does not depend on the lease
  bool renewable = false;
  bool capped = false;  // a renewal gave less than was had before, or was refused
  bool revoke = false;  // as soon as the server can be reached
  std::string problem;

  // The end but for the token's.
  BootTime OwnEnd() const;
  Duration OwnLife() const { return OwnEnd() - granted_at; }
};

struct MintedVersion {
  Lease lease;
  std::vector<protocol::Field> fields;

  // Without an end that is known: good for the tree's ttl.
  bool computed() const { return lease.OwnEnd() == kNever; }
};

// All that is kept of a minted secret.
struct SecretRecord {
  std::string question;        // QuestionOf its tree: what `current` answers
  bool in_use = false;         // read since fs let go of it
  BootTime last_mint{};        // sent; of those that minted or may have
  BootTime last_asked_mint{};  // the same, but only those that a reader or a failure caused
  BootTime mint_not_before{};  // back-off
  uint64_t settled = 0;        // the last mint whose outcome is in here
  std::optional<MintedVersion> current;
  std::vector<Lease> past;        // superseded: left to those who hold it, or to be revoked
  std::vector<std::string> keys;  // names of the last version
};

struct MintIntent {
  uint64_t sequence = 0;
  BootTime sent_at;
  bool asked = false;  // by a reader or after a failure, not by a schedule
};

struct HeldToken {
  uint64_t generation = 0;  // rises with each login of its identity
  std::shared_ptr<const SecretBuffer> value;
  BootTime granted_at;
  Duration life{};  // zero: it never ends
  Duration longest_life{};
  bool renewable = false;
  bool capped = false;
  bool can_hold_leases = true;
  bool lent = false;
  bool used = false;               // for anything but itself
  bool retired = false;            // a later one is current
  BootTime replace_from = kNever;  // retired: leases of it are replaced from then on
  BootTime shortened = kNever;     // the server said that it ends earlier than was granted

  BootTime End() const;
};

struct TokensRecord {
  std::vector<HeldToken> tokens;
  std::string login;  // how the current one was got
  BootTime login_not_before{};
  uint64_t last_generation = 0;
};

struct Counters {
  uint64_t sequence = 0;  // mints that were sent: also the number of the version
  uint64_t mints = 0, renewals = 0, revocations = 0, orphans = 0;
};

// What must be equal for a version to answer what a tree asks for.
std::string QuestionOf(const Tree& tree);
std::vector<protocol::Field> CopyOf(const std::vector<protocol::Field>& fields);

SecretBuffer Encode(const SecretRecord& record);
SecretBuffer Encode(const MintIntent& intent);
SecretBuffer Encode(const TokensRecord& record);
SecretBuffer Encode(const Counters& counters);
// kInvalid.
Result<SecretRecord> DecodeSecret(const SecretBuffer& bytes);
Result<MintIntent> DecodeIntent(const SecretBuffer& bytes);
Result<TokensRecord> DecodeTokens(const SecretBuffer& bytes);
Result<Counters> DecodeCounters(const SecretBuffer& bytes);

}  // namespace leasefs::lease
