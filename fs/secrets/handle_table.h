// HandleTable: the descriptors that are open on the mount, in surviving memory. A handle is the `unique` of its OPEN,
// so that a replayed OPEN inserts nothing twice. Not thread-safe: guarded by the gate's lock.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
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
  // been answered by the predecessor: it is not inserted again. kNoMemory: the table is full. kBusy: the uid has its
  // share of it.
  Status Insert(uint64_t handle, uint32_t slot, uint32_t node, uint32_t inode_version, bool replay, uint32_t uid);
  const HandleRecord* Find(uint64_t handle) const;
  void Remove(uint64_t handle);
  // Takes back an Insert whose OPEN comes to nothing: nobody was told of the handle.
  void Undo(uint64_t handle);
  // SECURITY: false if the slot holds another version than the one that was opened. Never so, unless memory was
  // damaged.
  bool IsIntact(const HandleRecord& record) const;

  size_t count() const { return index_.size(); }
  uint32_t CountForNode(uint32_t node) const;  // O(handles); for reports

 private:
  bool WasReleased(uint64_t handle) const;
  void Erase(std::unordered_map<uint64_t, uint32_t>::iterator it);

  StateMemory state_;
  VersionTable& versions_;
  std::unordered_map<uint64_t, uint32_t> index_;    // handle -> record
  std::unordered_map<uint32_t, uint32_t> per_uid_;  // descriptors
  std::vector<uint32_t> free_;
  uint32_t next_ = 0;
};

// Threads that were sent back with ESTALE (S8). In surviving memory: a takeover must not send anybody back twice, since
// the kernel tries only once more. One mark per thread: it is synchronous, so its next OPEN is the second try, or the
// first was given up. Guarded by the gate's lock.
class ReopenMarks {
 public:
  explicit ReopenMarks(const StateMemory& state);
  struct Mark {
    uint32_t node = 0;     // that it tried to open
    bool fetched = false;  // what it comes back for had to be fetched, which belongs into the record of this open(2)
    uint64_t unique = 0;   // of the request that was answered ESTALE
  };
  void Set(uint32_t tid, const Mark& mark);
  std::optional<Mark> Find(uint32_t tid) const;
  // Removes the thread's mark, if there is one.
  std::optional<Mark> Take(uint32_t tid);

 private:
  // What lies far is looked at only while something is there: looking alone would make its pages resident. Marks of
  // threads that ended before they came back stay, so that in the end the far ones are in use too.
  std::span<ReopenMark> Near() const { return state_.marks().first(kNearMarks); }
  std::span<ReopenMark> Far() const { return state_.marks().subspan(kNearMarks); }
  static Mark MarkAt(const ReopenMark& place);
  ReopenMark* Place(uint32_t tid) const;
  template <class Wanted>
  static ReopenMark* Search(std::span<ReopenMark> marks, uint32_t tid, const Wanted& wanted);
  static constexpr uint32_t kWindow = 32;  // places that a key may lie in
  static size_t Home(uint32_t tid) { return static_cast<size_t>(tid * 0x9e3779b97f4a7c15u >> 40); }
  StateMemory state_;
  uint32_t victim_ = 0;
};

}  // namespace leasefs
