// The process of one backend of type "vault".
#pragma once

#include "fs/main/arguments.h"

namespace leasefs {

// Until the keeper says stop. Returns the exit status.
int RunVault(const Arguments& arguments);

}  // namespace leasefs
