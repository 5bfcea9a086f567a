// Memory that is handed from process to process as a descriptor.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "fs/base/random.h"
#include "fs/base/result.h"
#include "fs/base/secret_buffer.h"
#include "fs/base/unique_fd.h"

namespace leasefs {

// Surviving memory: `bytes` of zeros that cost nothing until they are written. Its size and its seals are fixed; it
// cannot be executed. SECURITY: the keeper only holds it; whoever maps it can be killed by what another process wrote
// there, but never by its size.
Result<UniqueFd> MakeStateMemory(const std::string& name, size_t bytes);

// Bytes that nobody can change any more.
Result<UniqueFd> MakeSealedMemory(const std::string& name, std::span<const std::byte> bytes);
// All of a sealed memory, wherever its file position is. kInvalid when it is not sealed or longer than `max`.
Result<SecretBuffer> ReadSealedMemory(int fd, size_t max);

// A pipe that holds a key and then ends; at most a page.
Result<UniqueFd> MakeKeyPipe(const SecretBuffer& key);
// Reads `size` bytes and the end. kInvalid for anything else.
Result<SecretBuffer> ReadKeyPipe(int fd, size_t size);

}  // namespace leasefs
