// The one source of chance. Handed to whoever needs it; the simulated one replays from a seed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "fs/base/time.h"

namespace leasefs {

class Random {
 public:
  virtual ~Random() = default;
  // Any thread. Cryptographically strong in the real one (getrandom).
  virtual void Fill(std::span<std::byte> bytes) = 0;

  uint64_t Next() {
    uint64_t value = 0;
    Fill(std::as_writable_bytes(std::span(&value, 1)));
    return value;
  }
  // Uniform in [0, bound); bound > 0.
  uint64_t Below(uint64_t bound) { return Next() % bound; }
};

// Uniform in [0, bound]; 0 for a bound below that.
inline Duration RandomUpTo(Random& random, Duration bound) {
  return Duration(random.Below(static_cast<uint64_t>(std::max<int64_t>(bound.count(), 0)) + 1));
}

}  // namespace leasefs
