// Names of the server, as entries of a directory.
#pragma once

#include <string>
#include <vector>

#include "backend/protocol_types.h"
#include "backend/vault/members.h"

namespace leasefs::vault {

// What LIST answers: "web", "team/". Each is a folder (a secret is a directory); of a name that is both, one. What no
// path can have as a component is left out (S4).
std::vector<protocol::Entry> FoldersOf(const Members& data);
std::vector<protocol::Entry> KeysOf(const std::vector<std::string>& names);

}  // namespace leasefs::vault
