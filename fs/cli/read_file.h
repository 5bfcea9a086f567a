// Whole files and descriptors into SecretBuffers, by read(2) and nothing else. Blocks.
#pragma once

#include <string>

#include "fs/base/result.h"
#include "fs/base/secret_buffer.h"
#include "fs/base/unique_fd.h"

namespace leasefs::cli {

// To the end of file. kTooLarge when there are more than `max_bytes`; nothing is ever cut.
Result<SecretBuffer> ReadToEnd(int fd, const std::string& name, size_t max_bytes);
// Follows symbolic links; pipes (`@<(command)`) are read too. kInvalid for a directory.
// `shown` is what errors call it.
Result<SecretBuffer> ReadWholeFile(const std::string& path, size_t max_bytes, const std::string& shown);
// All of `bytes`, and on the disk when it returns.
Status WriteAndSync(int fd, std::span<const std::byte> bytes, const std::string& name);
// Makes a rename, link or unlink in `directory` durable.
Status SyncDirectory(const std::string& directory);
// "/a/b" of "/a/b/c", "." of "c", "/" of "/c".
std::string ParentDirectory(const std::string& path);

}  // namespace leasefs::cli
