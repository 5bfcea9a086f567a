#include "backend/lease/schedule.h"

#include <algorithm>

namespace leasefs::lease {
namespace {

Duration Percent(Duration life, int64_t percent) {
  return life / 100 * percent;
}

}  // namespace

BootTime RenewalDue(BootTime granted, Duration life, Duration reserve, Random& random) {
  Duration wait = life / 10 * 6 + RandomUpTo(random, life / 15 * 2);
  if (reserve > Duration::zero()) wait = std::min(wait, Percent(std::max(life - reserve, Duration::zero()), 75));
  return Later(granted, wait);
}

BootTime ReplacementDue(BootTime granted, Duration life, Duration reserve) {
  Duration wait = Percent(life, 85);
  if (reserve > Duration::zero()) wait = std::min(wait, Percent(std::max(life - reserve, Duration::zero()), 90));
  return Later(granted, wait);
}

bool IsCapped(Duration life, Duration longest_life) {
  return life < Percent(longest_life, 95);
}

}  // namespace leasefs::lease
