// CredentialFiles: what the backend logs in with and lies in files that its own user has no right to open (a token, a
// secret-id, a JWT, a password, TLS files). The process gives this to the source; there, somebody with the right opens
// them.
#pragma once

#include <functional>
#include <string>

#include "fs/base/result.h"
#include "fs/base/secret_buffer.h"

namespace leasefs::vault {

// On the loop's thread only.
class CredentialFiles {
 public:
  static constexpr size_t kMaxBytes = size_t{1} << 20;

  virtual ~CredentialFiles() = default;

  // The whole file as it is now. `name` is one of the settings'. `done` comes once, never within the call; its error
  // names the file and says what to do. kTooLarge over kMaxBytes.
  virtual void Read(const std::string& name, std::function<void(Result<SecretBuffer>)> done) = 0;
  // `changed` is called when the file has other bytes, or another file is there, as far as that can be noticed. It may
  // be watched more than once, and for the life of this object.
  virtual void Watch(const std::string& name, std::function<void()> changed) = 0;
};

}  // namespace leasefs::vault
