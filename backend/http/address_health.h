// What is known of one address: may a request go there now, and if not, when?
//
// After each failure the address rests, for a time drawn with full jitter from a bound that doubles. After
// `failures_to_open` failures in a row the breaker opens: once the rest is over, one request alone may try (half-open),
// and its end decides for all. Single-threaded; time and chance are handed in.
#pragma once

#include <cstdint>

#include "fs/base/random.h"
#include "fs/base/time.h"

namespace leasefs::http {

struct HealthOptions {
  // S14: errors back off with full jitter, 0.5 s to 30 s. The floor keeps a rest from being none.
  Duration backoff_floor = std::chrono::milliseconds(50);
  Duration first_backoff = std::chrono::milliseconds(500);
  Duration max_backoff = std::chrono::seconds(30);
  uint32_t failures_to_open = 3;
};

enum class Breaker { kClosed, kOpen, kHalfOpen };

class AddressHealth {
 public:
  // Names the state in which an attempt began: of many that fail together, the first counts.
  using Era = uint64_t;

  explicit AddressHealth(const HealthOptions& options) : options_(options) {}

  // When the next attempt may begin; kNever while the one that is let through has not ended.
  BootTime ReadyAt() const { return trial_out_ ? kNever : rest_until_; }
  Breaker breaker() const;
  uint32_t failures_in_a_row() const { return failures_; }

  // To be called at ReadyAt or later, and followed by exactly one of Succeeded, Failed and Abandoned.
  Era Begin();
  void Succeeded(Era era);  // an answer came, whatever it was
  void Failed(Era era, BootTime now, Random& random);
  void Abandoned(Era era);  // cancelled, or over its own deadline: says nothing of the address

 private:
  const HealthOptions options_;
  Era era_ = 1;
  uint32_t failures_ = 0;
  BootTime rest_until_{};
  bool trial_out_ = false;
};

}  // namespace leasefs::http
