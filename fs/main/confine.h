// How a child gives up what it does not need.
#pragma once

#include <sys/types.h>

#include "fs/base/result.h"

namespace leasefs {

enum class Network { kNone, kHost };

// The process becomes uid:gid without groups and without any capability, now and after every exec, in a network
// namespace of its own with nothing in it unless it keeps the host's; it cannot be traced or dumped. Checked
// afterwards. Call while single-threaded, as root, after memory was locked: locked memory stays locked. On an error the
// process must end.
Status Confine(uid_t uid, gid_t gid, Network network);

}  // namespace leasefs
