// Small files, secret ones above all, into locked memory.
#pragma once

#include <string>

#include "fs/base/result.h"
#include "fs/base/secret_buffer.h"

namespace leasefs {

// What a descriptor has to read, up to its end or `max` bytes. `what` is for messages. Blocks on the file system.
Result<SecretBuffer> ReadAtMost(const std::string& what, int fd, size_t max);

// The whole of a file of credentials, from its beginning. kTooLarge over vault::CredentialFiles::kMaxBytes;
// kUnreachable: it grew while it was read. Blocks on the file system.
Result<SecretBuffer> ReadCredential(const std::string& name, int fd);

}  // namespace leasefs
