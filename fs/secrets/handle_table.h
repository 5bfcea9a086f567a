// HandleTable: the descriptors that are open on the mount, in surviving memory. A handle is the `unique` of its OPEN,
// so that a replayed OPEN inserts nothing twice. Not thread-safe: guarded by the gate's lock.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "fs/base/result.h"
#include "fs/secrets/state_memory.h"
#include "fs/secrets/version_table.h"

namespace leasefs {

class HandleTable {
 public:
  // Pins what surviving handles read.
  HandleTable(const StateMemory& state, VersionTable& versions);

  // Pins the version. An existing handle stays as it is. A replayed OPEN whose handle was released a moment ago had
  // been answered by the predecessor: it is not inserted again. kNoMemory: the table is full.
  Status Insert(uint64_t handle, uint32_t slot, uint32_t node, uint32_t inode_version, bool replay);
  const HandleRecord* Find(uint64_t handle) const;
  void Remove(uint64_t handle);

  size_t count() const { return index_.size(); }
  uint32_t CountForNode(uint32_t node) const;  // O(handles); for reports

 private:
  bool WasReleased(uint64_t handle) const;

  StateMemory state_;
  VersionTable& versions_;
  std::unordered_map<uint64_t, uint32_t> index_;  // handle -> record
  std::vector<uint32_t> free_;
  uint32_t next_ = 0;
};

// Threads that were sent back with ESTALE (S8). In surviving memory: a takeover must not send anybody back twice, since
// the kernel tries only once more. Keyed by thread and node, whatever the version was. Guarded by the gate's lock.
class ReopenMarks {
 public:
  explicit ReopenMarks(const StateMemory& state) : state_(state) {}
  // `fetched`: what it comes back for had to be fetched, which is part of the record of the open(2) that ends then.
  void Set(uint32_t tid, uint32_t node, bool fetched);
  struct Mark {
    bool fetched;
  };
  // Removes the mark, if there is one.
  std::optional<Mark> Take(uint32_t tid, uint32_t node);

 private:
  static constexpr uint32_t kWindow = 32;                  // places that a key may lie in
  static constexpr uint64_t kFetched = uint64_t{1} << 63;  // no thread id is that large
  static uint64_t Key(uint32_t tid, uint32_t node) { return (uint64_t{tid} << 32 | node) & ~kFetched; }
  static size_t Home(uint64_t key) { return static_cast<size_t>(key * 0x9e3779b97f4a7c15u >> 40); }
  StateMemory state_;
  uint32_t victim_ = 0;
};

}  // namespace leasefs
