// When what was granted for a time is renewed and replaced. Pure functions, the same for leases and tokens.
//
// `reserve` is the time that must be left at every moment (S19: min_ttl): what would leave less comes earlier.
#pragma once

#include "fs/base/random.h"
#include "fs/base/time.h"

namespace leasefs::lease {

// S14: at two thirds of `life`, ±10 %.
BootTime RenewalDue(BootTime granted, Duration life, Duration reserve, Random& random);
// S14: at 85 % of `life`.
BootTime ReplacementDue(BootTime granted, Duration life, Duration reserve);
// True: a renewal that gave `life` met a limit, since it gave less than was had before. Seconds lost to rounding do
// not count.
bool IsCapped(Duration life, Duration longest_life);

}  // namespace leasefs::lease
