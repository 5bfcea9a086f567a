// ParkedRequests: which requests wait, each with its record in surviving memory and what will answer it.
//
// Built from the memory, so a successor finds the records of its predecessor (without owners, until it runs them
// again). Records are used last in, first out, so that few pages are touched. An INTERRUPT may come while its request
// is on the way to the gate: such are remembered for a moment, so that Add can tell. Thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "fs/base/mutex.h"
#include "fs/base/time.h"
#include "fs/fuse/request_slots.h"

namespace leasefs {

class PendingRequest;

class ParkedRequests {
 public:
  // One uid does not close the mount for others; but ten thousand readers of one secret may wait.
  static constexpr size_t kMaxPerUid = RequestSlots::kParkedRecords / 4 * 3;

  explicit ParkedRequests(RequestSlots slots);
  ~ParkedRequests();

  // Takes the owner over and copies `request` into a record; gives the owner back when no record is free, its uid has
  // its share, the request is too long or one of the same number waits already. `*interrupted`: an INTERRUPT for it has
  // been seen.
  std::unique_ptr<PendingRequest> Add(uint64_t unique, std::span<const std::byte> request, BootTime arrival,
                                      uint8_t replays, std::unique_ptr<PendingRequest> owner, bool* interrupted);
  // The same for one that has a record and no owner.
  std::unique_ptr<PendingRequest> Resume(uint64_t unique, std::unique_ptr<PendingRequest> owner, bool* interrupted);
  // Frees the record and gives back the owner, if any. Unknown is no error.
  std::unique_ptr<PendingRequest> Remove(uint64_t unique);
  // Frees a record that nobody took over: its request never came to the gate.
  void RemoveUnowned(uint64_t unique);
  bool Contains(uint64_t unique) const;

  // Notes the interrupt in the record, or for a while if there is none.
  void MarkInterrupted(uint64_t unique);
  bool Interrupted(uint64_t unique) const;  // of one that waits

  // For a successor: the records that it found, oldest arrival first.
  struct Survivor {
    uint64_t unique = 0;
    uint32_t record = 0;
  };
  std::vector<Survivor> Survivors() const;
  RequestSlots::ParkedRecord& record(uint32_t index) { return slots_.record(index); }
  // All owners, for the end of the session. Their records stay.
  std::vector<std::unique_ptr<PendingRequest>> TakeOwners();

  struct Counts {
    uint64_t waiting = 0;
    uint64_t ever = 0;
    uint64_t refused = 0;
  };
  Counts counts() const;

 private:
  struct Entry {
    uint32_t record = 0;
    uint32_t uid = 0;
    std::unique_ptr<PendingRequest> owner;
  };
  static constexpr size_t kEarlyInterrupts = 256;

  uint32_t TakeRecordLocked() REQUIRES(mutex_);
  std::unique_ptr<PendingRequest> RemoveLocked(uint64_t unique) REQUIRES(mutex_);

  RequestSlots slots_;
  mutable Mutex mutex_;  // leaf; taken under the gate's lock
  std::vector<uint32_t> free_ GUARDED_BY(mutex_);
  std::unordered_map<uint64_t, Entry> entries_ GUARDED_BY(mutex_);
  std::unordered_map<uint32_t, size_t> per_uid_ GUARDED_BY(mutex_);
  std::array<uint64_t, kEarlyInterrupts> early_ GUARDED_BY(mutex_){};  // a ring; 0: none
  size_t next_early_ GUARDED_BY(mutex_) = 0;
  Counts counts_ GUARDED_BY(mutex_);
};

}  // namespace leasefs
