// A tree of the mount as a leasing backend sees it. Constant once it is handed over; a reload hands over new ones.
//
// Paths of the protocol (backend/protocol.h) name places by the tree: "payments/db" or "payments/db/primary" for a tree
// whose name is "payments/db". So two trees may show one place of the server with different parameters or identities,
// and fs never learns a path of the server.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "fs/base/time.h"

namespace leasefs::lease {

enum class Engine : uint8_t { kDetect, kKv1, kKv2, kStatic, kDynamic };
enum class Scope : uint8_t { kShared, kUid, kProcess, kOpen };

struct Tree {
  std::string name;      // its path on the mount
  std::string source;    // "database/creds/app", "secret/web": the server's path, no "data/" in it
  std::string identity;  // "" is the backend's own
  Engine engine = Engine::kDetect;
  uint64_t version = 0;                       // KV v2: pinned to it; 0: the current one
  std::string method;                         // "GET", "POST"; "": what the engine needs
  std::map<std::string, std::string> params;  // values are JSON text
  std::vector<std::string> keys;              // names before the first mint, when the engine is not known to tell them
  Duration ttl{};                             // S17
  Duration max_stale{};                       // S17
  Duration min_ttl{};                         // S19; 0: none
  Duration mint_interval{};                   // S15
  Duration idle{};                            // S15; 0: leases are not revoked when nobody opens the file
  Scope scope = Scope::kShared;               // other than kShared: "NAME/ID" is the instance ID, revoked at its Idle

  bool operator==(const Tree&) const = default;
};

}  // namespace leasefs::lease
