// The one place where an error's kind becomes an errno (S25).
#pragma once

#include "fs/base/result.h"

namespace leasefs {

// `posix`: the tree said errors = "posix": key errnos become EACCES and remote ones EIO.
int ErrnoOf(ErrorKind kind, bool posix);

}  // namespace leasefs
