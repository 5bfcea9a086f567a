#include "backend/http/address_health.h"

#include <algorithm>

namespace leasefs::http {

Breaker AddressHealth::breaker() const {
  if (failures_ < options_.failures_to_open) return Breaker::kClosed;
  return trial_out_ ? Breaker::kHalfOpen : Breaker::kOpen;
}

AddressHealth::Era AddressHealth::Begin() {
  if (breaker() != Breaker::kClosed) trial_out_ = true;
  return era_;
}

void AddressHealth::Succeeded(Era era) {
  if (era != era_) return;
  failures_ = 0;
  rest_until_ = {};
  trial_out_ = false;
}

void AddressHealth::Failed(Era era, BootTime now, Random& random) {
  if (era != era_) return;
  ++era_;
  ++failures_;
  trial_out_ = false;
  Duration bound = options_.first_backoff;
  for (uint32_t i = 1; i < failures_ && bound < options_.max_backoff; ++i) bound *= 2;
  bound = std::max(std::min(bound, options_.max_backoff), options_.backoff_floor);
  const auto spread = static_cast<uint64_t>((bound - options_.backoff_floor).count()) + 1;
  rest_until_ = now + options_.backoff_floor + Duration(random.Below(spread));
}

void AddressHealth::Abandoned(Era era) {
  if (era == era_) trial_out_ = false;
}

}  // namespace leasefs::http
