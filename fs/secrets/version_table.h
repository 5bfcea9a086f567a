// VersionTable: the bytes of the versions that are current or that a descriptor still reads, sealed, in surviving
// memory.
//
// A publication is atomic also for a process killed in its middle: new versions are staged, one store in the
// directory's record commits them all, then they are applied to their files; a successor rolls forward what was
// committed and drops the rest. Not thread-safe: guarded by the gate's lock, except Unseal, which may be called without
// it for a slot that is pinned.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "fs/base/aead.h"
#include "fs/base/random.h"
#include "fs/base/result.h"
#include "fs/base/secret_buffer.h"
#include "fs/base/time.h"
#include "fs/secrets/extent_allocator.h"
#include "fs/secrets/node_id.h"
#include "fs/secrets/node_table.h"
#include "fs/secrets/state_memory.h"

namespace leasefs {

inline constexpr uint32_t kNoSlot = ~0u;

class VersionTable {
 public:
  using Mac = std::array<std::byte, 16>;

  // Rolls forward or discards what a predecessor had staged. Frees nothing that a descriptor may read: that is for
  // FinishRecovery, to be called when the handles have pinned what they read.
  VersionTable(const StateMemory& state, NodeTable& nodes, Random& random, const SecretBuffer& state_key);
  void FinishRecovery();

  Mac MacOf(const SecretBuffer& bytes) const;

  // One new version of a file, not visible before its directory's publication is committed. kNoMemory: no room.
  struct Staged {
    uint32_t node = kNoNode;
    uint32_t number = 0;
    uint32_t flags = 0;
    uint64_t publication = 0;
    WallTime changed{};
    Mac mac{};
  };
  Result<uint32_t> Stage(const Staged& version, const SecretBuffer& bytes);
  void Discard(uint32_t slot);  // a staged one
  // After the commit. The version that it replaces is freed, or kept for the descriptors that read it.
  void Apply(uint32_t slot);
  // The file's bytes are not held any more (evicted, withdrawn); its number and size stay known.
  void Drop(uint32_t node);

  uint32_t CurrentSlot(uint32_t node) const;  // kNoSlot: no bytes are held
  uint32_t SupersededSlot(NodeId id) const;  // of a version that is not current and that descriptors read, else kNoSlot
  const VersionRecord& operator[](uint32_t slot) const { return state_.versions()[slot]; }
  bool TooLarge(uint32_t slot) const { return ((*this)[slot].flags & kVersionTooLarge) != 0; }

  bool IsJson(uint32_t slot) const { return ((*this)[slot].flags & kVersionJson) != 0; }
  void SetJson(uint32_t slot, bool json);  // of equal bytes the backend says otherwise now

  void Pin(uint32_t slot) {
    if (++pins_[slot] == 1) ++being_read_[(*this)[slot].node];
  }
  void Unpin(uint32_t slot);
  bool BeingRead(uint32_t node) const { return being_read_.contains(node); }  // any version of it
  bool Pinned(uint32_t slot) const { return pins_.contains(slot); }

  // kInternal: it does not authenticate (the memory was damaged).
  Result<SecretBuffer> Unseal(uint32_t slot) const;

  uint64_t sealed_bytes() const { return extents_.used(); }
  // Slots that became free since the last call, for caches that are keyed by them.
  std::vector<uint32_t> TakeFreed() { return std::exchange(freed_, {}); }

 private:
  uint32_t Switch(uint32_t slot);  // Apply, but for the version that it replaces: returned, or kNoSlot
  void Retire(uint32_t slot);      // not current any more: kept while it is pinned
  void Free(uint32_t slot);
  bool IsCurrent(uint32_t slot) const;

  StateMemory state_;
  NodeTable& nodes_;
  Random& random_;
  AeadKey seal_key_;
  SecretBuffer mac_key_;
  ExtentAllocator extents_;
  std::vector<uint32_t> free_slots_;
  uint32_t next_slot_ = 0;                             // never used before, from here on
  std::unordered_map<uint32_t, uint32_t> pins_;        // slot -> descriptors that read it
  std::unordered_map<uint32_t, uint32_t> being_read_;  // node -> versions of it that are pinned
  // inode -> slot; several when a version was let go of, fetched again and superseded, and each is being read
  std::unordered_multimap<uint64_t, uint32_t> superseded_;
  std::vector<uint32_t> freed_;
};

}  // namespace leasefs
