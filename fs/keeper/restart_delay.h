// How long to wait before a child that died is started again: not at all, unless it dies again and again.
#pragma once

#include <algorithm>
#include <deque>

#include "fs/base/time.h"

namespace leasefs {

class RestartDelay {
 public:
  static constexpr Duration kWindow = std::chrono::seconds(10);
  static constexpr size_t kFreeDeaths = 2;  // within the window
  static constexpr Duration kFirst = std::chrono::milliseconds(100);
  static constexpr Duration kLongest = std::chrono::seconds(2);

  // A death at `now`: the delay until the next start. 100 ms from the third death within 10 s on. It doubles to 2 s for
  // a child that does not even get `ready`; one that does serves in between, and those who wait for it have a deadline
  // (S25).
  Duration NextAfterDeath(BootTime now, bool was_ready) {
    deaths_.push_back(now);
    while (now - deaths_.front() > kWindow) deaths_.pop_front();
    if (deaths_.size() <= kFreeDeaths) {
      delay_ = Duration::zero();
    } else {
      delay_ = was_ready ? kFirst : std::clamp(2 * delay_, kFirst, kLongest);
    }
    return delay_;
  }

 private:
  std::deque<BootTime> deaths_;  // within the window
  Duration delay_{};
};

}  // namespace leasefs
