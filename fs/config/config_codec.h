// The keeper hands each child its part of the configuration as bytes in a memfd.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "fs/base/result.h"
#include "fs/base/secret_buffer.h"
#include "fs/config/options.h"

namespace leasefs {

// Everything but the key sources of backends and paths of their files, which are not fs's business.
SecretBuffer EncodeForFs(const Config& config);
// kInvalid for whatever EncodeForFs cannot have made of a configuration that LoadConfig accepts.
Result<Config> DecodeForFs(std::span<const std::byte> bytes);

// What a store process is told. The key itself comes by a descriptor, or later by `leasefs unlock`.
struct StorePart {
  std::string name;
  std::string path;
  uint32_t keep_versions = 0;
  uint64_t value_bytes = 0;  // limits.value
  KeySource::Kind key = KeySource::Kind::kPassphrase;
  bool audit_required = true;  // audit.required
};
SecretBuffer EncodeForStore(const BackendOptions& backend, const LimitOptions& limits, const AuditOptions& audit);
Result<StorePart> DecodeForStore(std::span<const std::byte> bytes);

// What changed between two configurations and cannot be taken over by a reload ("mount", "backend.local.path").
// Empty: reloadable.
std::vector<std::string> NotReloadable(const Config& running, const Config& loaded);

}  // namespace leasefs
