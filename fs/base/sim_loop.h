// SimLoop: simulated time. Single-threaded. Runs everything from one seed, jumping from event to event.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "fs/base/loop.h"

namespace leasefs {

class SimRandom : public Random {  // splitmix64; reproducible, not secret
 public:
  explicit SimRandom(uint64_t seed) : state_(seed) {}
  void Fill(std::span<std::byte> bytes) override;

 private:
  uint64_t state_;
};

class SimLoop : public Loop {
 public:
  explicit SimLoop(uint64_t seed);

  BootTime Now() const override { return now_; }
  WallTime WallNow() const override { return WallTime(now_.time_since_epoch() + wall_offset_); }
  Random& random() override { return random_; }
  TimerId At(BootTime when, Callback callback) override;
  void Cancel(TimerId timer) override;
  void Post(Callback callback) override;

  // Runs the next event, moving the clock to it. False: nothing is left.
  bool Step();
  // Runs all events up to `end`, then sets the clock to it.
  void RunUntil(BootTime end);
  void RunFor(Duration duration) { RunUntil(now_ + duration); }
  void StepWallClock(Duration by) { wall_offset_ += by; }
  size_t pending() const { return events_.size(); }

 private:
  using Key = std::pair<BootTime, TimerId>;
  BootTime now_{std::chrono::hours(1)};
  Duration wall_offset_;
  SimRandom random_;
  TimerId next_id_ = 1;
  std::map<Key, Callback> events_;
  std::map<TimerId, BootTime> times_;
};

}  // namespace leasefs
