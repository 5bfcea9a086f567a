// Source: what a kind of backend (Vault, …) must be able to do for the lease machine. It speaks its own protocol and
// nothing else: it schedules nothing, retries nothing, keeps no token and no value. When to ask, with which token, how
// often, what to do with a failure and what is current is decided once, by the machine (machine.h).
//
// Used on the loop's thread only. Every callback comes exactly once, never within the call, but not after the source is
// destroyed.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "backend/lease/tree.h"
#include "backend/protocol_types.h"
#include "fs/base/result.h"
#include "fs/base/secret_buffer.h"
#include "fs/base/time.h"

namespace leasefs::lease {

// Why a question failed, as far as it decides what happens next.
enum class Cause : uint8_t {
  kOutage,     // no answer, 5xx, sealed, 429, not what such a server says: nothing is known, nothing may be destroyed
  kForbidden,  // by policy, or since the token is dead: only CheckToken can tell
  kRefused,    // an answer about this path: not there, deleted, no such role, cannot be done; error.kind() says which
  kGone,       // the lease or the token of the question does not exist any more, or cannot be renewed
};

struct Failure {
  Error error;  // kind as S25 has it: kUnreachable, kRemote, kDenied, kNotFound, kRevoked, kLoginRefused, kTooLarge, …
  Cause cause = Cause::kOutage;
  bool in_doubt = false;  // it was sent, and may have had its effect: a lease or token that nobody knows
  std::optional<Duration> retry_after = std::nullopt;  // the server asked for it
};

// What a server may give; a source refuses what is longer.
inline constexpr size_t kMaxLeaseIdBytes = 8192;
inline constexpr size_t kMaxTokenBytes = 65536;  // JWTs of several KiB exist

template <class T>
using Answer = std::variant<T, Failure>;
template <class T>
using Reply = std::function<void(Answer<T>)>;

// A login's result.
struct Token {
  SecretBuffer value;
  BootTime granted_at;  // when the request was sent: its life counts from here at the earliest
  Duration life{};      // from granted_at; zero: it never ends
  bool renewable = false;
  bool can_hold_leases = true;  // false: it is good for static values only
  bool lent = false;            // somebody else's, who put it there: it is never revoked
  uint32_t uses = 0;            // a number of uses that it is limited to; 0: none
};

struct TokenState {  // what the server says of a token that it knows
  Duration life{};   // from now; zero: it never ends
  bool renewable = false;
};

// Where a place of a tree is, before anything is read there.
enum class Nature : uint8_t {
  kStatic,  // reading it changes nothing and can be repeated: KV, a static role, a public certificate
  kMinted,  // reading it makes something new: a credential, a certificate, a code. Only an open may cause it (S6)
};
struct Place {
  Nature nature = Nature::kStatic;
  // kMinted: the keys that it is known to give, for names before the first mint. May be wrong, is then corrected.
  std::vector<std::string> keys;
};

// What was read or minted.
struct Grant {
  std::vector<protocol::Field> fields;
  uint64_t number = 0;   // the source's own version number; 0: it has none
  BootTime asked_at;     // when the request that was answered was sent
  std::string lease_id;  // "": no lease. SECURITY: never logged; whoever knows it may renew the lease
  Duration life{};       // of the lease, from asked_at; zero: without a lease nothing ends by itself
  bool renewable = false;
  BootTime ends = kNever;  // an end that does not depend on the lease: certificate, code, deletion_time
  // kStatic: when the source itself says that it changes next (a static role's rotation). Read again then, not before.
  std::optional<Duration> changes_in;  // from asked_at
};

struct Renewal {
  BootTime asked_at;
  Duration life{};  // from asked_at: the only truth, however much was asked for
  bool renewable = true;
};

// What a listing tells.
struct Names {
  Names() = default;
  Names(std::vector<protocol::Entry> all)  // NOLINT(google-explicit-constructor): what a listing is, mostly
      : entries(std::move(all)) {}
  std::vector<protocol::Entry> entries;
  bool value_at_hand = false;  // it was read for the names, and a Get right now asks nobody
};

class Source {
 public:
  virtual ~Source() = default;

  // `identity`: a name from the settings. A login mints a token: it is asked for once and never repeated by the source.
  virtual void Login(const std::string& identity, Reply<Token> done) = 0;
  // kGone: dead, or cannot be renewed (also when the policy does not let it renew itself).
  virtual void RenewToken(const std::string& identity, const SecretBuffer& token, Reply<Renewal> done) = 0;
  // kGone: the server does not know this token (any more). kForbidden: it cannot be asked.
  virtual void CheckToken(const std::string& identity, const SecretBuffer& token, Reply<TokenState> done) = 0;
  // All leases of the token end with it.
  virtual void RevokeToken(const std::string& identity, const SecretBuffer& token, Reply<Done> done) = 0;
  // What is known to make the next login of an identity differ from the last (a token file, a secret-id that was
  // replaced): calls `changed` with its name. Set once.
  virtual void OnCredentialChanged(std::function<void(const std::string& identity)> changed) = 0;
  // True: a token can be renewed only with the credential that it was got with. A server that is asked with another
  // one may answer as if it were ill (kOutage).
  virtual bool BindsTokens(const std::string& identity) const = 0;

  // `tree` is one of the settings and outlives the call; `below` is the rest of the path, "" for the tree's own place.
  virtual void Find(const Tree& tree, const std::string& below, const SecretBuffer& token, Reply<Place> done) = 0;
  // Names at a static place: folders, and keys of the secret there. kRefused kNotFound: neither. With kOpen the value
  // may be read for them, if that takes no longer.
  virtual void List(const Tree& tree, const std::string& below, protocol::Purpose purpose, const SecretBuffer& token,
                    Reply<Names> done) = 0;
  // Reads a static place, or mints.
  virtual void Get(const Tree& tree, const std::string& below, const SecretBuffer& token, Reply<Grant> done) = 0;
  // `tree`: that minted it. kGone: the lease is not there any more. kRefused: it is, and cannot be renewed (further).
  virtual void Renew(const Tree& tree, const std::string& lease_id, const SecretBuffer& token, Duration wanted,
                     Reply<Renewal> done) = 0;
  // kGone counts as done. kForbidden: the policy does not let us.
  virtual void Revoke(const std::string& identity, const std::string& lease_id, const SecretBuffer& token,
                      Reply<Done> done) = 0;
};

}  // namespace leasefs::lease
