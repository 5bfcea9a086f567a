#include "fs/fuse/request_slots.h"

#include <linux/fuse.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "fs/base/strings.h"

namespace leasefs {

namespace {
constexpr std::array<char, 8> kMagic = {'l', 'f', 's', 's', 'l', 'o', 't', 's'};
}  // namespace

struct RequestSlots::Header {
  std::array<char, 8> magic;
  uint32_t layout_version;
  uint32_t slots;
  uint32_t slot_bytes;
  uint32_t parked_records;
  uint32_t parked_bytes;
  std::atomic<uint32_t> records_touched;
  std::atomic<uint32_t> init_length;
  std::byte init[kMaxInitBytes];
  SlotState states[kSlots];
};

Result<RequestSlots> RequestSlots::Attach(std::span<std::byte> memory) {
  static_assert(sizeof(Header) <= kHeaderBytes);
  if (memory.size() < kBytes) {
    return Error(ErrorKind::kInvalid,
                 StrCat("request slots: the memory has ", memory.size(), " bytes, this version needs ", kBytes));
  }
  RequestSlots slots(memory.first(kBytes));
  Header& header = slots.header();
  if (header.magic == std::array<char, 8>{}) {
    header.layout_version = kLayoutVersion;
    header.slots = kSlots;
    header.slot_bytes = kSlotBytes;
    header.parked_records = kParkedRecords;
    header.parked_bytes = sizeof(ParkedRecord);
    std::atomic_signal_fence(std::memory_order_release);
    header.magic = kMagic;  // last: from here the rest can be relied on
    return slots;
  }
  if (header.magic != kMagic) return Error(ErrorKind::kInvalid, "request slots: the memory is not leasefs's");
  if (header.layout_version != kLayoutVersion || header.slots != kSlots || header.slot_bytes != kSlotBytes ||
      header.parked_records != kParkedRecords || header.parked_bytes != sizeof(ParkedRecord)) {
    return Error(ErrorKind::kInvalid, StrCat("request slots: laid out by another version of leasefs (layout ",
                                             header.layout_version, ", this one needs ", kLayoutVersion,
                                             "); stop leasefsd, so that it unmounts, and start it again"));
  }
  return slots;
}

RequestSlots::Header& RequestSlots::header() const {
  return *reinterpret_cast<Header*>(memory_.data());
}

std::span<const std::byte> RequestSlots::init() const {
  size_t length = header().init_length.load(std::memory_order_acquire);
  if (length < sizeof(fuse_in_header) || length > kMaxInitBytes) return {};
  return {header().init, length};
}

void RequestSlots::RecordInit(std::span<const std::byte> request) {
  header().init_length.store(0, std::memory_order_release);
  size_t length = std::min(request.size(), kMaxInitBytes);
  memcpy(header().init, request.data(), length);
  header().init_length.store(static_cast<uint32_t>(length), std::memory_order_release);
}

void RequestSlots::ForgetInit() {
  header().init_length.store(0, std::memory_order_release);
}

RequestSlots::SlotState& RequestSlots::state(size_t slot) {
  return header().states[slot];
}

size_t RequestSlots::live_bytes(size_t slot) const {
  uint32_t length;
  static_assert(offsetof(fuse_in_header, len) == 0);
  memcpy(&length, memory_.data() + kHeaderBytes + slot * kSlotBytes, sizeof length);
  return length <= kSlotBytes ? length : 0;
}

void RequestSlots::Free(size_t slot) {
  constexpr uint32_t kNone = 0;
  memcpy(buffer(slot).data(), &kNone, sizeof kNone);
  std::atomic_signal_fence(std::memory_order_release);
  state(slot) = SlotState{};
}

uint32_t RequestSlots::records_touched() const {
  return std::min<uint32_t>(header().records_touched.load(std::memory_order_relaxed), kParkedRecords);
}

void RequestSlots::set_records_touched(uint32_t count) {
  header().records_touched.store(count, std::memory_order_release);
}

RequestSlots::ParkedRecord& RequestSlots::record(size_t index) {
  std::byte* records = memory_.data() + kHeaderBytes + kSlots * kSlotBytes;
  return reinterpret_cast<ParkedRecord*>(records)[index];
}

}  // namespace leasefs
