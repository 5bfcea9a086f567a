// Points in time as a server writes them, and as the host counts them.
#pragma once

#include <optional>
#include <string_view>

#include "fs/base/time.h"

namespace leasefs::vault {

// "2026-11-24T13:53:32.657593982Z", "…+01:00" (RFC 3339). Years 1970 to 2200.
std::optional<WallTime> ParseRfc3339(std::string_view text);

// When the host's clock will show what the server's clock shows at `end`: the answer that told it was asked for at
// `asked_at`, and the server's clock showed `server_now`. Not before `asked_at`; cut at a hundred years.
BootTime BootTimeOf(WallTime end, BootTime asked_at, WallTime server_now);

}  // namespace leasefs::vault
