#include "backend/http/lanes.h"

#include <algorithm>

namespace leasefs::http {

Lanes::Lanes(size_t places)
    : most_in_one_(std::max<size_t>(places / 8, 1)),
      most_(std::max<size_t>(places - std::max<size_t>(places / 4, 1), 1)) {}

bool Lanes::Enter(const std::string& lane, uint64_t id) {
  Lane& entered = lanes_[lane];
  if (entered.inside >= most_in_one_ || inside_ >= most_) {
    entered.waiting.push_back(id);
    ++waiting_;
    return false;
  }
  ++entered.inside;
  ++inside_;
  return true;
}

std::optional<uint64_t> Lanes::Leave(const std::string& lane) {
  --lanes_.at(lane).inside;
  --inside_;
  const std::optional<uint64_t> next = Admit();
  Tidy(lane);
  return next;
}

// From the lane with the fewest inside, so that a crowded one does not always come first.
std::optional<uint64_t> Lanes::Admit() {
  Lane* emptiest = nullptr;
  for (auto& [name, lane] : lanes_) {
    if (lane.waiting.empty() || lane.inside >= most_in_one_) continue;
    if (emptiest == nullptr || lane.inside < emptiest->inside) emptiest = &lane;
  }
  if (emptiest == nullptr || inside_ >= most_) return std::nullopt;
  const uint64_t id = emptiest->waiting.front();
  emptiest->waiting.pop_front();
  --waiting_;
  ++emptiest->inside;
  ++inside_;
  return id;
}

void Lanes::GiveUp(const std::string& lane, uint64_t id) {
  const auto found = lanes_.find(lane);
  if (found == lanes_.end()) return;
  waiting_ -= std::erase(found->second.waiting, id);
  Tidy(lane);
}

void Lanes::Tidy(const std::string& lane) {
  const auto found = lanes_.find(lane);
  if (found->second.inside == 0 && found->second.waiting.empty()) lanes_.erase(found);
}

}  // namespace leasefs::http
