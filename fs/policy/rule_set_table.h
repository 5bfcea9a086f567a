// The distinct combinations of rules that paths have, numbered in the order in which they were first seen.
//
// Append-only: a set never moves or changes, so that Find needs no lock. Any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "fs/base/mutex.h"
#include "fs/policy/policy.h"

namespace leasefs {

struct RuleSet {
  std::vector<uint32_t> rules;  // indexes, rising
  Ownership ownership;
};

class RuleSetTable {
 public:
  // The number of the set with these rules; `ownership` is of a new one.
  RuleSetId Intern(std::vector<uint32_t> rules, const Ownership& ownership) EXCLUDES(mutex_);
  // Null: no such set.
  const RuleSet* Find(RuleSetId id) const;

 private:
  using Slot = std::atomic<const RuleSet*>;
  // Chunk k holds kFirstChunk << k slots, so that 27 of them number everything and none is ever copied.
  static constexpr uint32_t kFirstChunk = 64;
  static constexpr size_t kChunks = 27;
  struct Place {
    size_t chunk;
    size_t offset;
  };
  static Place PlaceOf(RuleSetId id);

  std::array<std::atomic<Slot*>, kChunks> chunks_{};  // published with release, read with acquire

  Mutex mutex_;  // a leaf: nothing is called with it held
  std::map<std::vector<uint32_t>, RuleSetId> ids_ GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<const RuleSet>> sets_ GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<Slot[]>> slots_ GUARDED_BY(mutex_);
};

}  // namespace leasefs
