// What the keeper raises for itself and its children, and what of the host it complains about. Nothing here is fatal.
#pragma once

#include <chrono>
#include <optional>

namespace leasefs {

// No core dump, not traceable, no new privileges, RLIMIT_MEMLOCK and RLIMIT_NOFILE as high as allowed, out of the OOM
// killer's sight. Logs what was refused.
void SetProcessLimits();

// The age in seconds at which the kernel aborts the whole FUSE connection (fs.fuse.{default,max}_request_timeout);
// nothing when never.
std::optional<std::chrono::seconds> KernelRequestTimeout();
// Warns when the kernel's limit is less than three deadlines.
void CheckKernelRequestTimeout(std::chrono::milliseconds deadline);

}  // namespace leasefs
