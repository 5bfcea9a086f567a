// Retry-After (RFC 9110, section 10.2.3): how long a server asks us to wait. And the date of an answer.
#pragma once

#include <optional>
#include <string_view>

#include "fs/base/time.h"

namespace leasefs::http {

// `value` is whole seconds or an HTTP date; a date counts from `date`, the Date header of the same answer, so that the
// clocks need not agree, or from `now` where that is missing. 0 for what has passed, at most `cap`; nothing if it
// cannot be read.
std::optional<Duration> ParseRetryAfter(std::string_view value, std::string_view date, WallTime now, Duration cap);

// An HTTP date (RFC 9110, section 5.6.7), in whole seconds.
std::optional<WallTime> ParseHttpDate(std::string_view value);

}  // namespace leasefs::http
