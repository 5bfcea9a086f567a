// Key files of a store, on this side. Blocks on file I/O.
#pragma once

#include <string>

#include "fs/base/random.h"
#include "fs/base/secret_buffer.h"
#include "fs/cli/failure.h"

namespace leasefs::cli {

// A new key, written to `path`: mode 0400, on the disk when it returns. Nothing is ever overwritten. The key's bytes.
Outcome<SecretBuffer> MakeKeyFileAt(const std::string& path, Random& random);
// The key's bytes. A file that others than its owner may read is refused.
Outcome<SecretBuffer> ReadKeyFile(const std::string& path);
bool Exists(const std::string& path);  // also a dangling link
// `directory` and what is missing above it, mode 0755.
Status MakeDirectories(const std::string& directory);

}  // namespace leasefs::cli
