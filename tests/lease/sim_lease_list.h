// A LeaseList in memory, as the file is: what is said reaches the disk a moment later, a kill loses what had not, and a
// power cut leaves what is on the disk to the next boot.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "backend/lease/lease_list.h"
#include "fs/base/loop.h"

namespace leasefs::lease {

class SimLeaseList : public LeaseList {
 public:
  static constexpr Duration kGather = std::chrono::milliseconds(100);

  explicit SimLeaseList(Loop& loop) : loop_(loop) {}

  std::function<void(const std::string& lease_id)> on_drop;

  void Set(const std::string& secret, std::vector<ListedLease> leases) override;
  std::vector<ListedLease> Left() const override;
  void Drop(const std::string& lease_id) override;
  std::string problem() const override { return {}; }

  void Killed();
  void PowerCut();
  bool empty() const { return entries_.empty(); }
  bool IsOnDisk(const std::string& lease_id) const { return disk_.contains(lease_id); }

 private:
  struct Entry {
    ListedLease lease;
    std::string secret;
    uint64_t boot = 0;
  };
  void WriteSoon();

  Loop& loop_;
  std::map<std::string, Entry> entries_, disk_;  // by lease id
  uint64_t boot_ = 1;
  Loop::TimerId timer_ = Loop::kNoTimer;
};

}  // namespace leasefs::lease
