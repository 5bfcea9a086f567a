#include "fs/policy/rule_set_table.h"

#include <bit>

namespace leasefs {

RuleSetTable::Place RuleSetTable::PlaceOf(RuleSetId id) {
  auto chunk = static_cast<size_t>(std::bit_width(id / kFirstChunk + 1) - 1);
  size_t before = kFirstChunk * ((size_t{1} << chunk) - 1);
  return {chunk, id - before};
}

RuleSetId RuleSetTable::Intern(std::vector<uint32_t> rules, const Ownership& ownership) {
  MutexLock lock(mutex_);
  auto id = static_cast<RuleSetId>(sets_.size());
  auto [known, added] = ids_.try_emplace(rules, id);
  if (!added) return known->second;
  Place place = PlaceOf(id);
  if (place.offset == 0) {
    slots_.push_back(std::make_unique<Slot[]>(size_t{kFirstChunk} << place.chunk));
    chunks_[place.chunk].store(slots_.back().get(), std::memory_order_release);
  }
  sets_.push_back(std::make_unique<RuleSet>(RuleSet{std::move(rules), ownership}));
  slots_.back()[place.offset].store(sets_.back().get(), std::memory_order_release);
  return id;
}

const RuleSet* RuleSetTable::Find(RuleSetId id) const {
  Place place = PlaceOf(id);
  const Slot* slots = chunks_[place.chunk].load(std::memory_order_acquire);
  return slots == nullptr ? nullptr : slots[place.offset].load(std::memory_order_acquire);
}

}  // namespace leasefs
