// A store process: user leasefs-backend, no capability, no network. Holds one store's key and answers fs and the
// store's own socket.
#pragma once

#include "fs/main/arguments.h"

namespace leasefs {

// Until the keeper says stop. Returns the exit status.
int RunStore(const Arguments& arguments);

}  // namespace leasefs
