#include "tests/lease/sim_lease_list.h"

#include <utility>

namespace leasefs::lease {

void SimLeaseList::Set(const std::string& secret, std::vector<ListedLease> leases) {
  std::erase_if(entries_, [&](const auto& item) { return item.second.secret == secret && item.second.boot == boot_; });
  for (ListedLease& lease : leases) {
    std::string id = lease.id;
    entries_[id] = Entry{std::move(lease), secret, boot_};
  }
  WriteSoon();
}

std::vector<ListedLease> SimLeaseList::Left() const {
  std::vector<ListedLease> left;
  for (const auto& [id, entry] : entries_)
    if (entry.boot != boot_) left.push_back(entry.lease);
  return left;
}

void SimLeaseList::Drop(const std::string& lease_id) {
  if (entries_.erase(lease_id) == 0) return;
  on_drop(lease_id);
  WriteSoon();
}

void SimLeaseList::WriteSoon() {
  if (timer_ != Loop::kNoTimer) return;
  timer_ = loop_.After(kGather, [this] {
    timer_ = Loop::kNoTimer;
    disk_ = entries_;
  });
}

void SimLeaseList::Killed() {
  loop_.Cancel(std::exchange(timer_, Loop::kNoTimer));
  entries_ = disk_;
}

void SimLeaseList::PowerCut() {
  Killed();
  ++boot_;
}

}  // namespace leasefs::lease
