// What the process of a backend of type "vault" is told by the keeper.
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <vector>

#include "fs/base/result.h"
#include "fs/base/secret_buffer.h"
#include "fs/config/options.h"

namespace leasefs {

struct VaultPart {
  std::string name;
  VaultOptions vault;                   // credentials are named, not contained
  std::vector<TreeOptions> trees;       // those of this backend
  uint64_t value_bytes = 0;             // limits.value
  std::chrono::milliseconds deadline{};  // limits.deadline: no reader waits longer
};
VaultPart VaultPartOf(const Config& config, const BackendOptions& backend);
SecretBuffer EncodeForVault(const Config& config, const BackendOptions& backend);
// kInvalid for whatever EncodeForVault cannot have made.
Result<VaultPart> DecodeForVault(std::span<const std::byte> bytes);

// Files that the keeper opens for the process, which has no right to: its credentials, certificates and keys. The
// process names one by its place in this list.
std::vector<KeySource> VaultFiles(const VaultOptions& vault);

}  // namespace leasefs
