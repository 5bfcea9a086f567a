// `leasefsd --check-login`, for `leasefs login-check`: logs in as the daemon would and looks at the place of each tree,
// without minting anything.
#pragma once

#include "fs/main/arguments.h"

namespace leasefs {

// As root; gives up root's rights before it talks to a server. Prints what it found to standard output. Returns the
// exit status: 0 when all is well.
int CheckLogin(const Arguments& arguments);

}  // namespace leasefs
