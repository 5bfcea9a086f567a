// KV, both versions: the values of a secret, and the names below a folder.
#pragma once

#include <string>
#include <vector>

#include "backend/vault/kv_memory.h"
#include "backend/vault/mounts.h"
#include "backend/vault/vault_client.h"

namespace leasefs::vault {

// A place in KV, as one question needs it.
struct KvPlace {
  Location location;  // `versioned` decides which version of KV is spoken
  uint64_t version = 0;  // v2: pinned to it; 0: the current one
  std::string tree;      // that asks
  Duration ttl{};        // of that tree
};

class KvReader {
 public:
  explicit KvReader(VaultClient& client) : client_(client), memory_(client.loop()) {}

  void Get(const KvPlace& place, const SecretBuffer& token, lease::Reply<lease::Grant> done);
  // Subfolders and secrets as folders, and the keys of the secret at this very place: the union, if it is both. A token
  // that may not list gets the keys, one that may not read gets the folders. What is remembered (kv_memory.h) is not
  // asked for. For the keys of version 2 its `subkeys` are read, which hold no values; with kOpen, or where a policy
  // does not grant them, and with version 1, the secret itself.
  void List(const KvPlace& place, protocol::Purpose purpose, const SecretBuffer& token,
            lease::Reply<lease::Names> done);

 private:
  struct Listing;

  void Fetch(const KvPlace& place, const SecretBuffer& token, lease::Reply<lease::Grant> done);
  void AskForFolders(const KvPlace& place, const SecretBuffer& token, const std::shared_ptr<Listing>& listing);
  bool IsKnownAsNoFolder(const KvPlace& place) const;
  Question Ask(const KvPlace& place, const SecretBuffer& token, Asked asked, std::string_view api) const;
  void AskForKeys(const KvPlace& place, const SecretBuffer& token, const std::shared_ptr<Listing>& listing);
  void ReadForKeys(const KvPlace& place, const SecretBuffer& token, const std::shared_ptr<Listing>& listing);

  VaultClient& client_;
  KvMemory memory_;
};

}  // namespace leasefs::vault
