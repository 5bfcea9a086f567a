// ScopedInstances: in a tree with a lease_scope, each uid, process or open has a credential of its own (S15).
//
// An instance is a hidden directory below the tree's root: it is never present, so that the kernel does not meet it,
// and its number may serve another instance later. Its backend knows it by a random name that is never used again:
// "<tree>/<16 hex digits>". Who owns which lies in surviving memory. Bounded per uid, at once and in a time, since each
// new one is a mint. Not thread-safe: guarded by the gate's lock.
#pragma once

#include <cstdint>
#include <map>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "fs/base/random.h"
#include "fs/base/result.h"
#include "fs/base/time.h"
#include "fs/config/options.h"
#include "fs/secrets/node_table.h"
#include "fs/secrets/state_memory.h"
#include "fs/secrets/tree_map.h"

namespace leasefs {

// New ones of one uid are as many as limits.scoped_leases_per_uid in this time; those of one tree in its mint_interval,
// if that is longer.
inline constexpr Duration kScopedMintWindow = std::chrono::seconds(10);

struct InstanceOwner {
  LeaseScope scope = LeaseScope::kUid;
  uint32_t uid = 0;
  uint64_t first = 0;   // kProcess: its id; kOpen: the request's unique, which is the handle
  uint64_t second = 0;  // kProcess: when it started
};

class ScopedInstances {
 public:
  // Takes over what a predecessor made.
  ScopedInstances(const StateMemory& state, NodeTable& nodes, TreeMap& trees, Random& random);

  uint32_t Find(uint32_t root, const InstanceOwner& owner) const;  // its directory, or kNoNode
  struct Bounds {
    uint32_t max_per_uid = 0;
    Duration mint_interval{};  // of the tree
  };
  // kBusy: the uid, or all together, have too many, or had too many new ones just now. kNoMemory: limits.names.
  Result<uint32_t> Make(uint32_t root, const InstanceOwner& owner, const Bounds& bounds, BootTime now);
  void End(uint32_t directory);

  bool Contains(uint32_t directory) const { return places_.contains(directory); }
  const InstanceRecord& operator[](uint32_t directory) const { return state_.instances()[places_.at(directory)]; }
  std::vector<uint32_t> All(LeaseScope scope) const;  // directories
  bool empty() const { return places_.empty(); }

 private:
  using Key = std::tuple<uint32_t, LeaseScope, uint32_t, uint64_t, uint64_t>;  // root and owner
  struct Made {
    uint32_t root = 0;  // kNoNode: nothing came of it, so it counts for kScopedMintWindow alone
    BootTime at;
    BootTime kept_until;
  };
  Key KeyOf(const InstanceRecord& record) const;
  void Index(uint32_t place);
  Status Admit(uint32_t root, uint32_t uid, const Bounds& bounds, BootTime now);
  void NothingCameOf(const InstanceRecord& record, uint32_t root);
  Result<uint32_t> UnusedDirectory(uint32_t root);

  StateMemory state_;
  NodeTable& nodes_;
  TreeMap& trees_;
  Random& random_;
  std::map<Key, uint32_t> owners_;                           // -> directory
  std::unordered_map<uint32_t, uint32_t> places_;            // directory -> record
  std::unordered_map<uint32_t, uint32_t> per_uid_;           // instances
  std::unordered_map<uint32_t, std::vector<Made>> made_;     // by uid
};

}  // namespace leasefs
