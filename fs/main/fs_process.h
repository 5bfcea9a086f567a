// The fs process: user leasefs, no capability, no network. Everything that answers readers is wired together here.
#pragma once

#include "fs/main/arguments.h"

namespace leasefs {

// Until the keeper says stop. Returns the exit status.
int RunFs(const Arguments& arguments);

}  // namespace leasefs
