// RequestSlots: the layout of the memory in which requests survive the process that read them.
//
// A page with the recorded INIT request and a few words per slot; kSlots request buffers, each live while the `len` of
// the fuse_in_header in it is not 0; and kParkedRecords compact copies of requests that wait. No secret ever gets here:
// requests of a read-only filesystem carry names and numbers. The memory is zeros or what a predecessor left; it stays
// the caller's. A crash is the death of the process, not of the machine: stores need their order, no barrier.
// Thread-safety: a slot belongs to one thread at a time, and so does a record (ParkedRequests sees to it).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "fs/base/result.h"
#include "fs/base/time.h"

namespace leasefs {

class RequestSlots {
 public:
  static constexpr uint32_t kLayoutVersion = 1;
  static constexpr size_t kSlots = 16;
  static constexpr size_t kSlotBytes = 8192;  // FUSE_MIN_READ_BUFFER: what the kernel wants with a max_write of 4096
  static constexpr size_t kParkedRecords = 16384;
  static constexpr size_t kParkedBytes = 304;   // a LOOKUP of a 255-byte name takes 296
  static constexpr size_t kMaxInitBytes = 512;  // 104 in protocol 7.38

  struct SlotState {
    int64_t arrival;  // BootTime in ns; 0: the process died between the read and the note
    uint32_t replays;
    uint32_t reserved;
  };
  struct ParkedRecord {
    std::atomic<uint16_t> length;  // 0: free. Written last, so that a record is whole or not there
    std::atomic<uint8_t> interrupted;
    uint8_t replays;
    uint32_t reserved;
    int64_t arrival;
    std::byte request[kParkedBytes];

    std::span<const std::byte> bytes() const { return {request, length.load(std::memory_order_relaxed)}; }
  };

  static constexpr size_t kHeaderBytes = 4096;
  static constexpr size_t kBytes = kHeaderBytes + kSlots * kSlotBytes + kParkedRecords * sizeof(ParkedRecord);

  // Lays zeros out; checks what a predecessor left. kInvalid: too small, not ours, or another layout.
  static Result<RequestSlots> Attach(std::span<std::byte> memory);

  std::span<const std::byte> init() const;              // empty: none recorded
  void RecordInit(std::span<const std::byte> request);  // at most kMaxInitBytes
  void ForgetInit();

  std::span<std::byte> buffer(size_t slot) { return memory_.subspan(kHeaderBytes + slot * kSlotBytes, kSlotBytes); }
  SlotState& state(size_t slot);
  // What the header says: 0 is free. More than a slot holds counts as free: no kernel sends it.
  size_t live_bytes(size_t slot) const;
  void Free(size_t slot);
  // The bytes of a live slot.
  std::span<const std::byte> request(size_t slot) { return buffer(slot).first(live_bytes(slot)); }

  ParkedRecord& record(size_t index);
  // How many records were ever in use: those behind it are holes of the memory, which even a look would fill.
  uint32_t records_touched() const;
  void set_records_touched(uint32_t count);

 private:
  struct Header;
  explicit RequestSlots(std::span<std::byte> memory) : memory_(memory) {}
  Header& header() const;

  std::span<std::byte> memory_;
};

static_assert(sizeof(RequestSlots::ParkedRecord) == 320);

}  // namespace leasefs
