// The files that the keeper opens as root for its children: sockets, the audit file, key files, and the lock that makes
// it the only one.
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>

#include "fs/base/result.h"
#include "fs/base/unique_fd.h"
#include "fs/config/options.h"

namespace leasefs {

// Makes `path` (0755 root) when it is missing. kInvalid: others than root could put things into it.
Status PrepareRunDirectory(const std::string& path);
// Held as long as the descriptor is open. kBusy: another leasefsd uses this directory.
Result<UniqueFd> LockRunDirectory(const std::string& path);

// A listening, non-blocking stream socket at `path`, root:`group` 0660. Takes the place of a socket that a dead keeper
// left.
Result<UniqueFd> ListenAt(const std::string& path, gid_t group);
// A connected, non-blocking stream pair between two children.
Result<std::pair<UniqueFd, UniqueFd>> MakeStreamPair();
// Between the keeper and a child.
Result<std::pair<UniqueFd, UniqueFd>> MakeMessagePair();

// For appending; root 0640, made when it is missing, with its folder. kInvalid: not a file.
Result<UniqueFd> OpenAuditFile(const std::string& path);

// The key of a store. No descriptor and no error: none is wanted (a passphrase). kInvalid says what is wrong with the
// file.
Result<UniqueFd> OpenKeyFile(const KeySource& source);
// What a login needs: a token, a secret-id, a certificate. As it lies there, without asking whose it is: agents and
// orchestrators write such files as users of their own. kInvalid: it cannot be opened, or is not a file.
Result<UniqueFd> OpenCredential(const KeySource& source);

}  // namespace leasefs
