// Mounts: what is mounted where, as the server tells those who may see something below a mount. Asked once per mount,
// and again after a while or when an answer did not fit.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "backend/vault/vault_client.h"

namespace leasefs::vault {

struct Location {
  std::string mount;       // "secret", "team/database": no '/' at the end
  std::string rest;        // of the path below it; "": the mount itself
  std::string type;        // "kv", "database", …; "": not known
  bool versioned = false;  // KV v2
};

class Mounts {
 public:
  static constexpr Duration kFresh = std::chrono::minutes(10);
  static constexpr size_t kMaxKnown = 1024;

  explicit Mounts(VaultClient& client) : client_(client) {}

  using Done = std::function<void(lease::Answer<Location>)>;
  // Where `path` ("secret/team/web") is. What is known is answered within the call.
  void Find(const std::string& path, const SecretBuffer& token, Done done);
  // An answer did not fit what was believed: ask again next time.
  void Forget(const std::string& path);

 private:
  struct Known {
    std::string type;
    bool versioned = false;
    BootTime until;
  };

  const Known* Look(const std::string& path, std::string* mount) const;
  lease::Answer<Location> Take(const std::string& path, const Subject& subject, const VaultAnswer& answer);

  VaultClient& client_;
  std::map<std::string, Known> known_;  // by mount
};

// "a/b" below "a" is "b"; of what is not below it: "".
std::string PathBelow(const std::string& path, const std::string& mount);

}  // namespace leasefs::vault
