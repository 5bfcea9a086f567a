// The whole of a small secret file into locked memory.
#pragma once

#include <string>

#include "fs/base/result.h"
#include "fs/base/secret_buffer.h"

namespace leasefs {

// From its beginning; `name` is for messages. kTooLarge over vault::CredentialFiles::kMaxBytes; kUnreachable: it grew
// while it was read. Blocks on the file system.
Result<SecretBuffer> ReadCredential(const std::string& name, int fd);
// Of a file that says nothing of its size; at most a page of it.
Result<SecretBuffer> ReadSmallFile(const std::string& name, int fd);

}  // namespace leasefs
