// The keeper hands each child its part of the configuration as bytes in a memfd.
#pragma once

#include <span>

#include "fs/base/result.h"
#include "fs/base/secret_buffer.h"
#include "fs/config/options.h"

namespace leasefs {

// Everything but the key sources of backends and paths of their files, which are not fs's business.
SecretBuffer EncodeForFs(const Config& config);
Result<Config> DecodeForFs(std::span<const std::byte> bytes);

// What changed between two configurations and cannot be taken over by a reload ("mount", "backend.local.path"). Empty: reloadable.
std::vector<std::string> NotReloadable(const Config& running, const Config& loaded);

}  // namespace leasefs
