#include "backend/lease/backoff.h"

#include <algorithm>

namespace leasefs::lease {

Duration Backoff::Next(Random& random, std::optional<Duration> asked_for) {
  Duration bound = first_;
  for (uint32_t i = 0; i < failures_ && bound < last_; ++i) bound *= 2;
  bound = std::min(bound, last_);
  ++failures_;
  Duration least = std::max(kFloor, at_least_half_ ? bound / 2 : kFloor);
  Duration wait = least + Duration(random.Below(static_cast<uint64_t>((bound - least).count()) + 1));
  return std::max(wait, std::min(asked_for.value_or(kFloor), kMostAskedFor));
}

BootTime Backoff::After(const Failure& failure, BootTime now, Random& random) {
  if (failure.error.retry_at()) return std::max(*failure.error.retry_at(), Later(now, kFloor));
  return Later(now, Next(random, failure.retry_after));
}

}  // namespace leasefs::lease
