// Time in leasefs is CLOCK_BOOTTIME (S20): it goes on during suspend and no step of the wall clock changes it.
// There is no now() here on purpose: the time is asked of the Loop (fs/base/loop.h), which may be simulated.
#pragma once

#include <chrono>
#include <cstdint>

namespace leasefs {

using Duration = std::chrono::nanoseconds;

struct BootClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock>;
  static constexpr bool is_steady = true;
};
using BootTime = BootClock::time_point;            // since boot; the same for all processes of the host
using WallTime = std::chrono::sys_time<Duration>;  // for people and for certificates only

inline constexpr BootTime kNever = BootTime::max();
// kNever when it would be beyond that.
inline BootTime Later(BootTime time, Duration by) {
  return by < kNever - time ? time + by : kNever;
}
inline int64_t ToNanoseconds(BootTime time) {
  return time.time_since_epoch().count();
}
inline BootTime BootTimeFromNanoseconds(int64_t value) {
  return BootTime(Duration(value));
}

}  // namespace leasefs
