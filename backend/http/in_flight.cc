#include "backend/http/in_flight.h"

#include <algorithm>
#include <limits>

namespace leasefs::http {

InFlight::InFlight(size_t places) : places_(places), eighth_(std::max<size_t>(places / 8, 1)) {}

bool InFlight::IsFull() const {
  return all_.inside >= places_ + std::min(all_.held_up, 3 * places_);
}

size_t InFlight::RoomOf(const std::string& group) const {
  const auto found = groups_.find(group);
  if (found == groups_.end() || !found->second.suspect) return std::numeric_limits<size_t>::max();
  const size_t counted = found->second.inside - found->second.held_up;
  return eighth_ - std::min(eighth_, counted);
}

void InFlight::Begin(const std::string& group) {
  ++all_.inside;
  if (!group.empty()) ++groups_[group].inside;
}

void InFlight::HeldUp(const std::string& group) {
  ++all_.held_up;
  if (group.empty()) return;
  Group& its = groups_.at(group);
  its.suspect |= ++its.held_up >= eighth_;
}

void InFlight::End(const std::string& group, bool was_held_up, bool answered) {
  --all_.inside;
  all_.held_up -= was_held_up ? 1 : 0;
  if (group.empty()) return;
  const auto found = groups_.find(group);
  Group& its = found->second;
  --its.inside;
  its.held_up -= was_held_up ? 1 : 0;
  its.suspect &= !answered;
  if (its.inside == 0 && !its.suspect) groups_.erase(found);
}

}  // namespace leasefs::http
