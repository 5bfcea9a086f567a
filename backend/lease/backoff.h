// Backoff: how long to wait after the n-th failure in a row. Full jitter (S14): uniform up to a bound that doubles, so
// that those who failed together do not come back together; never less than kFloor, so that nothing can loop without
// waiting, and never before a server that asked for time.
#pragma once

#include <cstdint>
#include <optional>

#include "backend/lease/source.h"
#include "fs/base/random.h"
#include "fs/base/time.h"

namespace leasefs::lease {

class Backoff {
 public:
  static constexpr Duration kFloor = std::chrono::milliseconds(500);
  static constexpr Duration kLast = std::chrono::seconds(30);
  static constexpr Duration kMostAskedFor = std::chrono::minutes(10);  // of a Retry-After

  // For questions (S14).
  Backoff() = default;
  // For logins that were refused: five bad ones lock a user out for a quarter of an hour (OpenBao, user lockout), so
  // the wait is at least half of its bound.
  static Backoff ForRefusedLogins() { return Backoff(std::chrono::seconds(30), std::chrono::minutes(5), true); }

  Duration Next(Random& random, std::optional<Duration> asked_for = std::nullopt);
  // After a question that failed. When nothing can be tried before a time that is known (the address rests), that is
  // the time, and no failure of this question.
  BootTime After(const Failure& failure, BootTime now, Random& random);
  void Reset() { failures_ = 0; }
  uint32_t failures() const { return failures_; }

 private:
  Backoff(Duration first, Duration last, bool at_least_half)
      : first_(first), last_(last), at_least_half_(at_least_half) {}

  Duration first_ = 2 * kFloor;
  Duration last_ = kLast;
  bool at_least_half_ = false;
  uint32_t failures_ = 0;
};

}  // namespace leasefs::lease
