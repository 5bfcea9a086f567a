#include "fs/secrets/version_table.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

namespace leasefs {
namespace {

constexpr uint64_t kGiveBackBytes = 64 << 10;  // freed extents from this size on go back to the kernel
constexpr uint64_t kPage = 4096;

// What a sealed blob is bound to: the same ciphertext in another record does not open.
struct Binding {
  uint32_t node;
  uint32_t number;
  uint64_t size;
};

std::span<const std::byte> AsBytes(const Binding& binding) {
  return std::as_bytes(std::span(&binding, 1));
}

}  // namespace

VersionTable::VersionTable(const StateMemory& state, NodeTable& nodes, Random& random, const SecretBuffer& state_key)
    : state_(state),
      nodes_(nodes),
      random_(random),
      seal_key_(DeriveKey(state_key, {}, "leasefs fs values")),
      mac_key_(DeriveKey(state_key, {}, "leasefs fs equal bytes")),
      extents_(state.blobs().size()) {
  auto versions = state_.versions();
  for (uint32_t slot = 0; slot < versions.size(); ++slot) {
    VersionRecord& record = versions[slot];
    // Slots are handed out in order, so that the first one never written ends the search; its number is 0 only then.
    if (record.state == VersionState::kFree && record.number == 0 && record.node == 0) {
      next_slot_ = slot;
      break;
    }
    next_slot_ = slot + 1;
    if (record.state == VersionState::kFree) {
      free_slots_.push_back(slot);
      continue;
    }
    if (record.blob_length > 0) extents_.Claim(record.blob_offset, record.blob_length);
  }
  for (uint32_t slot = 0; slot < next_slot_; ++slot) {
    VersionRecord& record = versions[slot];
    if (record.state != VersionState::kStaged) continue;
    uint64_t committed = nodes_[nodes_[record.node].parent].publication;
    if (committed >= record.publication) {
      (void)Switch(slot);
    } else {
      Discard(slot);
    }
  }
}

void VersionTable::FinishRecovery() {
  for (uint32_t slot = 0; slot < next_slot_; ++slot) {
    if ((*this)[slot].state != VersionState::kHeld || IsCurrent(slot)) continue;
    Retire(slot);
  }
}

VersionTable::Mac VersionTable::MacOf(const SecretBuffer& bytes) const {
  Digest digest = HmacSha256(mac_key_, bytes.Expose());
  Mac mac;
  std::copy_n(digest.begin(), mac.size(), mac.begin());
  return mac;
}

Result<uint32_t> VersionTable::Stage(const Staged& version, const SecretBuffer& bytes) {
  bool has_bytes = (version.flags & (kVersionGone | kVersionTooLarge)) == 0;
  uint64_t sealed = has_bytes ? bytes.size() + AeadKey::kOverhead : 0;
  std::optional<uint64_t> offset = has_bytes ? extents_.Allocate(sealed) : 0;
  bool slot_left = !free_slots_.empty() || next_slot_ < state_.versions().size();
  if (!offset || !slot_left) {
    if (offset && has_bytes) extents_.Free(*offset, sealed);
    return Error(ErrorKind::kNoMemory, "no room for another version: raise limits.memory");
  }
  uint32_t slot = next_slot_;
  if (free_slots_.empty()) {
    ++next_slot_;
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
  }
  VersionRecord& record = state_.versions()[slot];
  record.node = version.node;
  record.number = version.number;
  record.flags = version.flags;
  record.publication = version.publication;
  record.size = has_bytes ? bytes.size() : 0;
  record.blob_offset = *offset;
  record.blob_length = static_cast<uint32_t>(sealed);
  record.changed_ns = version.changed.time_since_epoch().count();
  std::copy(version.mac.begin(), version.mac.end(), record.mac);
  if (has_bytes) {
    Binding binding{record.node, record.number, record.size};
    seal_key_.SealTo(random_, AsBytes(binding), bytes.Expose(), state_.blobs().subspan(*offset, sealed));
  }
  record.state.store(VersionState::kStaged, std::memory_order_release);
  return slot;
}

void VersionTable::Discard(uint32_t slot) {
  Free(slot);
}

void VersionTable::Apply(uint32_t slot) {
  uint32_t old = Switch(slot);
  if (old != kNoSlot) Retire(old);
}

uint32_t VersionTable::Switch(uint32_t slot) {
  VersionRecord& record = state_.versions()[slot];
  NodeRecord& file = nodes_[record.node];
  uint32_t old = CurrentSlot(record.node);
  if (old == slot) old = kNoSlot;  // a predecessor was killed between here and the last line
  if ((record.flags & kVersionGone) != 0) {
    file.present = 0;
    file.current = 0;
    Free(slot);
  } else {
    file.version = record.number;
    file.size = record.size;
    file.changed_ns = record.changed_ns;
    std::copy(std::begin(record.mac), std::end(record.mac), file.mac);
    file.present = 1;
    file.current.store(slot + 1, std::memory_order_release);
    record.state.store(VersionState::kHeld, std::memory_order_release);
  }
  return old;
}

void VersionTable::Retire(uint32_t slot) {
  if (Pinned(slot)) {
    superseded_.emplace(NodeId{(*this)[slot].node, (*this)[slot].number}.inode(), slot);
  } else {
    Free(slot);
  }
}

void VersionTable::Drop(uint32_t node) {
  uint32_t slot = CurrentSlot(node);
  if (slot == kNoSlot) return;
  nodes_[node].current = 0;
  Retire(slot);
}

void VersionTable::SetJson(uint32_t slot, bool json) {
  VersionRecord& record = state_.versions()[slot];
  record.flags = json ? record.flags | kVersionJson : record.flags & ~kVersionJson;
}

uint32_t VersionTable::CurrentSlot(uint32_t node) const {
  uint32_t current = nodes_[node].current;
  return current == 0 ? kNoSlot : current - 1;
}

uint32_t VersionTable::SupersededSlot(NodeId id) const {
  auto it = superseded_.find(id.inode());
  return it == superseded_.end() ? kNoSlot : it->second;
}

bool VersionTable::IsCurrent(uint32_t slot) const {
  return nodes_[(*this)[slot].node].current == slot + 1;
}

void VersionTable::Unpin(uint32_t slot) {
  auto it = pins_.find(slot);
  if (it == pins_.end()) return;
  if (--it->second > 0) return;
  pins_.erase(it);
  auto read = being_read_.find((*this)[slot].node);
  if (read != being_read_.end() && --read->second == 0) being_read_.erase(read);
  if (!IsCurrent(slot)) Free(slot);
}

void VersionTable::Free(uint32_t slot) {
  VersionRecord& record = state_.versions()[slot];
  auto [begin, end] = superseded_.equal_range(NodeId{record.node, record.number}.inode());
  auto entry = std::find_if(begin, end, [&](const auto& candidate) { return candidate.second == slot; });
  if (entry != end) superseded_.erase(entry);
  uint64_t offset = record.blob_offset;
  uint64_t length = record.blob_length;
  record.state.store(VersionState::kFree, std::memory_order_release);
  record.blob_length = 0;
  free_slots_.push_back(slot);
  freed_.push_back(slot);
  if (length == 0) return;
  extents_.Free(offset, length);
  uint64_t first = (offset + kPage - 1) / kPage * kPage;
  uint64_t last = (offset + length) / kPage * kPage;
  if (length >= kGiveBackBytes && first < last) madvise(state_.blobs().data() + first, last - first, MADV_REMOVE);
}

Result<SecretBuffer> VersionTable::Unseal(uint32_t slot) const {
  const VersionRecord& record = (*this)[slot];
  Binding binding{record.node, record.number, record.size};
  auto opened = seal_key_.Open(AsBytes(binding), state_.blobs().subspan(record.blob_offset, record.blob_length));
  if (!opened.ok()) return Error(ErrorKind::kInternal, "a value held in memory does not authenticate");
  return opened;
}

}  // namespace leasefs
