#include "fs/secrets/state_memory.h"

#include <algorithm>

namespace leasefs {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kNameBytesPerNode = 64;  // on average; longer names use what shorter ones leave
constexpr size_t kMinNamesArea = size_t{1} << 20;

size_t PageUp(size_t size) {
  return (size + kPage - 1) / kPage * kPage;
}
size_t NamesArea(uint32_t names) {
  return std::max(kMinNamesArea, size_t{names} * kNameBytesPerNode);
}

// Hands out consecutive page-aligned areas.
class Areas {
 public:
  explicit Areas(std::byte* base) : base_(base) {}
  template <class T>
  std::span<T> Next(size_t count) {
    T* start = base_ == nullptr ? nullptr : reinterpret_cast<T*>(base_ + used_);
    used_ += PageUp(count * sizeof(T));
    return {start, count};
  }
  size_t used() const { return used_; }

 private:
  std::byte* base_;
  size_t used_ = 0;
};

}  // namespace

size_t StateMemoryBytes(uint32_t names) {
  Areas areas(nullptr);
  (void)areas.Next<std::byte>(kPage);
  (void)areas.Next<NodeRecord>(names);
  (void)areas.Next<char>(NamesArea(names));
  (void)areas.Next<VersionRecord>(size_t{names} + kSpareVersions);
  (void)areas.Next<HandleRecord>(kMaxHandles);
  (void)areas.Next<ReopenMark>(kReopenMarks);
  (void)areas.Next<std::atomic<uint64_t>>(kReleasedHandles);
  (void)areas.Next<InstanceRecord>(kMaxInstances);
  (void)areas.Next<std::byte>(kBlobArea);
  return areas.used();
}

Result<StateMemory> StateMemory::Attach(std::span<std::byte> memory, uint32_t names) {
  if (memory.size() != StateMemoryBytes(names))
    return Error(ErrorKind::kInvalid, "the state has the wrong size for limits.names");
  StateMemory state;
  Areas areas(memory.data());
  state.header_ = reinterpret_cast<StateHeader*>(areas.Next<std::byte>(kPage).data());
  state.nodes_ = areas.Next<NodeRecord>(names);
  state.names_ = areas.Next<char>(NamesArea(names));
  state.versions_ = areas.Next<VersionRecord>(size_t{names} + kSpareVersions);
  state.handles_ = areas.Next<HandleRecord>(kMaxHandles);
  state.marks_ = areas.Next<ReopenMark>(kReopenMarks);
  state.released_ = areas.Next<std::atomic<uint64_t>>(kReleasedHandles);
  state.instances_ = areas.Next<InstanceRecord>(kMaxInstances);
  state.blobs_ = areas.Next<std::byte>(kBlobArea);

  StateHeader& header = *state.header_;
  if (header.magic == 0) {  // first use; the magic is written last, so that a half-written header is written again
    header.layout = kStateLayout;
    header.node_capacity = names;
    std::atomic_ref(header.magic).store(kStateMagic, std::memory_order_release);
  }
  if (header.magic != kStateMagic || header.layout != kStateLayout || header.node_capacity != names) {
    return Error(ErrorKind::kInvalid,
                 "the state was written by another version of leasefs or for another limits.names");
  }
  return state;
}

}  // namespace leasefs
