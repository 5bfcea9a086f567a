// Places: from a place of a tree to the path, the engine and the facts by which it is asked.
#pragma once

#include <map>
#include <set>
#include <string>

#include "backend/lease/tree.h"
#include "backend/vault/engines.h"
#include "backend/vault/mounts.h"

namespace leasefs::vault {

struct Spot {
  std::string path;  // of the server, as it is written: "database/creds/app"
  Location location;
  bool is_kv = false;
  EngineFacts facts;  // of what is no KV; its nature is as the tree says
};

class Places {
 public:
  explicit Places(VaultClient& client) : client_(client), mounts_(client) {}

  using Done = std::function<void(lease::Answer<Spot>)>;
  // What is known is answered within the call.
  void Locate(const lease::Tree& tree, const std::string& below, const SecretBuffer& token, Done done);
  void Forget(const Spot& spot) { mounts_.Forget(spot.path); }

  // "source/below", without slashes around it.
  static std::string PathOf(const lease::Tree& tree, const std::string& below);

 private:
  static Spot SpotOf(const lease::Tree& tree, std::string path, Location location);

  VaultClient& client_;
  Mounts mounts_;
  // Where the server did not tell what is mounted, and until when it is not asked again. By path.
  std::map<std::string, BootTime> untold_;
};

}  // namespace leasefs::vault
