// What the model server and the oracle both look at: tokens, leases and values as they truly are, what the machine was
// told of each, and how the network is just now. Everything is in simulated time.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "backend/lease/source.h"
#include "fs/base/sim_loop.h"
#include "fs/base/strings.h"

namespace leasefs::lease {

// The machine's view of something that ends, by the answers that reached it.
struct Told {
  BootTime granted{};
  Duration life{};
  Duration longest{};
  bool renewable = false;
  bool capped = false;  // less than was had before, or refused
  BootTime end = kNever;
  bool gone = false;  // it was told that this does not exist any more
  void Grant(BootTime asked_at, Duration for_life, bool can_renew);
};

struct SimToken {
  std::string identity;
  BootTime ends = kNever;
  BootTime max_end = kNever;
  bool renewable = false;
  bool revoked = false;
  uint64_t order = 0;  // of its login
  BootTime asked_at{};
  bool bound = false;  // it was told that this cannot be renewed with the credential that is there now, perhaps
  Told told;
};

struct SimLease {
  std::string secret;  // the path that fs has for it
  std::string value;
  std::string token;  // "": no lease, it ends by itself
  BootTime ends = kNever;
  BootTime max_end = kNever;
  bool renewable = false;
  bool revoked = false;
  bool computed = false;
  BootTime minted{};
  BootTime told_at{};  // since when the machine knows that it lives
  bool lapsed = false;  // a renewal was told after its end: it is not handed out any more
  bool before_power_cut = false;
  bool may_not_be_revoked = false;  // the server said so
  Told told;                        // end: its own, not the token's
};

struct SimValue {
  std::string text;
  uint64_t number = 1;
  bool there = true;
  BootTime there_since{};
  std::map<std::string, BootTime> replaced;  // text -> until when it was current
  // A static role: when it changes by itself.
  Duration period{};
  BootTime next_change = kNever;
};

struct SimRole {
  Duration life{};
  Duration max_life{};
  bool renewable = true;
  bool certificate = false;  // ends, without a lease
  bool computed = false;     // neither
  bool endless = false;      // a lease without an end of its own
};

// kGarbled: what comes back is no answer of such a server, or too large to be read.
enum class Net { kUp, kUnreachable, kSealed, kLossy, kGarbled };
// What goes wrong for a while. Only what somebody noticed is a fault.
enum class Trouble {
  kNet,
  kSlow,
  kDenied,
  kRenewDenied,
  kLookupDenied,
  kRenewSelfDenied,
  kLoginRefused,
  kRevokeDenied
};

struct SimWorld {
  explicit SimWorld(uint64_t seed) : loop(seed), chance(seed * 7919 + 1) {}

  SimLoop loop;
  SimRandom chance;  // of the world; the machine has the loop's
  Net net = Net::kUp;
  Duration latency = std::chrono::milliseconds(2);
  bool binds_tokens = false;  // a token can be renewed only with the credential that it was got with
  bool login_refused = false;
  bool logins_limited = false;  // they give tokens for a few uses only
  bool lookup_denied = false;
  bool renew_self_denied = false;
  bool renew_denied = false;
  bool revoke_denied = false;
  std::map<std::string, bool> denied;  // by the tree's source
  std::map<std::string, SimRole> roles;
  std::map<std::string, SimValue> values;
  std::map<std::string, Duration> token_life, token_max;  // by identity
  std::map<std::string, SimToken> tokens;
  std::map<std::string, SimLease> leases;        // by value
  std::map<std::string, std::string> lease_ids;  // id -> value
  BootTime last_trouble{};                       // the end of the last fault
  BootTime last_refused_login{};
  std::set<Trouble> unnoticed;
  uint64_t faults = 0;
  std::optional<std::string> violation;
  bool trace = std::getenv("LEASEFS_SIM_TRACE") != nullptr;  // prints what happens

  void Trace(const std::string& what) const {
    if (trace) std::printf("%10ld ms  %s\n", loop.Now().time_since_epoch().count() / 1'000'000, what.c_str());
  }
  void Notice(Trouble trouble) { faults += unnoticed.erase(trouble); }
  // For a condition that decides what is answered.
  bool Noticed(bool on, Trouble trouble) {
    if (on) Notice(trouble);
    return on;
  }
  bool Chance(int percent) { return chance.Below(100) < static_cast<uint64_t>(percent); }
  Duration Between(Duration low, Duration high) {
    return low + Duration(chance.Below(static_cast<uint64_t>((high - low).count()) + 1));
  }
  bool TokenAlive(const std::string& token) const;
  bool LeaseAlive(const SimLease& lease) const;
  BootTime EndOf(const SimLease& lease) const;  // the true end, the token's included
  void Violate(const std::string& what) {
    if (!violation) violation = StrCat("at ", loop.Now().time_since_epoch().count() / 1'000'000, " ms: ", what);
  }
};

}  // namespace leasefs::lease
