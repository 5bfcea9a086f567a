// A Loop on which nothing runs while the machine is suspended: what was due then runs at once when it wakes up, in
// order, with the clock far ahead.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "fs/base/sim_loop.h"

namespace leasefs::lease {

class SuspendableLoop : public Loop {
 public:
  explicit SuspendableLoop(SimLoop& inner) : inner_(inner) {}

  BootTime Now() const override { return inner_.Now(); }
  WallTime WallNow() const override { return inner_.WallNow(); }
  Random& random() override { return inner_.random(); }
  TimerId At(BootTime when, Callback callback) override {
    TimerId id = next_id_++;
    TimerId inside = inner_.At(when, [this, id, callback = std::move(callback)]() mutable {
      timers_.erase(id);
      if (!suspended_) return callback();
      late_.emplace_back(id, std::move(callback));
    });
    timers_[id] = inside;
    return id;
  }
  void Cancel(TimerId timer) override {
    if (auto found = timers_.find(timer); found != timers_.end()) {
      inner_.Cancel(found->second);
      timers_.erase(found);
    }
    for (auto& [id, callback] : late_)
      if (id == timer) callback = nullptr;
  }
  void Post(Callback callback) override { At(Now(), std::move(callback)); }

  void Suspend() { suspended_ = true; }
  bool suspended() const { return suspended_; }
  void Resume() {
    suspended_ = false;
    for (size_t i = 0; i < late_.size(); ++i)
      if (Callback callback = std::move(late_[i].second)) callback();
    late_.clear();
  }

 private:
  SimLoop& inner_;
  bool suspended_ = false;
  TimerId next_id_ = 1;
  std::map<TimerId, TimerId> timers_;
  std::vector<std::pair<TimerId, Callback>> late_;
};

}  // namespace leasefs::lease
