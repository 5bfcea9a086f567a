#include "fs/base/sim_loop.h"

#include <algorithm>

namespace leasefs {

namespace {

constexpr WallTime kSimulatedStart = std::chrono::sys_days(std::chrono::year(2030) / std::chrono::January / 1);

}  // namespace

void SimRandom::Fill(std::span<std::byte> bytes) {
  uint64_t word = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i % 8 == 0) {
      state_ += 0x9E3779B97F4A7C15;
      word = state_;
      word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9;
      word = (word ^ (word >> 27)) * 0x94D049BB133111EB;
      word ^= word >> 31;
    }
    bytes[i] = static_cast<std::byte>(word >> (8 * (i % 8)));
  }
}

SimLoop::SimLoop(uint64_t seed)
    : wall_offset_(kSimulatedStart.time_since_epoch() - now_.time_since_epoch()), random_(seed) {}

SimLoop::TimerId SimLoop::At(BootTime when, Callback callback) {
  when = std::max(when, now_);
  TimerId id = next_id_++;
  events_.emplace(Key(when, id), std::move(callback));
  times_.emplace(id, when);
  return id;
}

void SimLoop::Cancel(TimerId timer) {
  auto time = times_.find(timer);
  if (time == times_.end()) return;
  auto event = events_.extract(Key(time->second, timer));  // destroyed last: it may own what calls us again
  times_.erase(time);
}

void SimLoop::Post(Callback callback) {
  At(now_, std::move(callback));
}

bool SimLoop::Step() {
  if (events_.empty() || events_.begin()->first.first == kNever) return false;
  auto event = events_.extract(events_.begin());
  times_.erase(event.key().second);
  now_ = event.key().first;
  event.mapped()();
  return true;
}

void SimLoop::RunUntil(BootTime end) {
  while (!events_.empty() && events_.begin()->first.first <= end && Step()) {
  }
  now_ = std::max(now_, end);
}

}  // namespace leasefs
