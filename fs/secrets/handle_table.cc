#include "fs/secrets/handle_table.h"

#include <algorithm>

namespace leasefs {

HandleTable::HandleTable(const StateMemory& state, VersionTable& versions) : state_(state), versions_(versions) {
  auto handles = state_.handles();
  for (uint32_t i = 0; i < handles.size(); ++i) {
    HandleRecord& record = handles[i];
    if (record.handle == 0) {
      if (record.inode_version == 0 && record.node == 0) break;  // never used: records are handed out in order
      free_.push_back(i);
    } else {
      index_[record.handle] = i;
      versions_.Pin(record.slot);
      ++per_uid_[record.uid];
    }
    next_ = i + 1;
  }
}

bool HandleTable::WasReleased(uint64_t handle) const {
  auto released = state_.released();
  return std::any_of(released.begin(), released.end(), [&](const auto& entry) { return entry == handle; });
}

Status HandleTable::Insert(uint64_t handle, uint32_t slot, uint32_t node, uint32_t inode_version, bool replay,
                           uint32_t uid) {
  if (replay && WasReleased(handle)) return Ok();
  if (index_.contains(handle)) return Ok();
  uint32_t& held = per_uid_[uid];
  if (held >= kMaxHandlesPerUid) {
    return Error(ErrorKind::kBusy, "this user has too many descriptors open on the mount");
  }
  uint32_t place = next_;
  if (!free_.empty()) {
    place = free_.back();
    free_.pop_back();
  } else if (next_ < state_.handles().size()) {
    ++next_;
  } else {
    return Error(ErrorKind::kNoMemory, "too many descriptors are open on the mount");
  }
  index_[handle] = place;
  ++held;
  HandleRecord& record = state_.handles()[place];
  record.slot = slot;
  record.node = node;
  record.file = versions_[slot].node;
  record.inode_version = inode_version;
  record.number = versions_[slot].number;
  record.uid = uid;
  record.handle.store(handle, std::memory_order_release);
  versions_.Pin(slot);
  return Ok();
}

const HandleRecord* HandleTable::Find(uint64_t handle) const {
  auto it = index_.find(handle);
  return it == index_.end() ? nullptr : &state_.handles()[it->second];
}

void HandleTable::Remove(uint64_t handle) {
  auto it = index_.find(handle);
  if (it == index_.end()) return;
  auto released = state_.released();
  uint32_t next = state_.header().released_next.fetch_add(1);
  released[next % released.size()] = handle;
  Erase(it);
}

void HandleTable::Undo(uint64_t handle) {
  auto it = index_.find(handle);
  if (it != index_.end()) Erase(it);
}

void HandleTable::Erase(std::unordered_map<uint64_t, uint32_t>::iterator it) {
  HandleRecord& record = state_.handles()[it->second];
  uint32_t slot = record.slot;
  if (auto held = per_uid_.find(record.uid); --held->second == 0) per_uid_.erase(held);
  record.handle.store(0, std::memory_order_release);
  free_.push_back(it->second);
  index_.erase(it);
  versions_.Unpin(slot);
}

bool HandleTable::IsIntact(const HandleRecord& record) const {
  const VersionRecord& version = versions_[record.slot];
  return version.state == VersionState::kHeld && version.node == record.file && version.number == record.number;
}

uint32_t HandleTable::CountForNode(uint32_t node) const {
  auto on_node = [&](const auto& item) { return state_.handles()[item.second].node == node; };
  return static_cast<uint32_t>(std::count_if(index_.begin(), index_.end(), on_node));
}

namespace {

constexpr uint64_t kFetched = uint64_t{1} << 63;  // no thread id is that large
uint32_t TidOf(uint64_t key) {
  return static_cast<uint32_t>((key & ~kFetched) >> 32);
}

}  // namespace

ReopenMarks::ReopenMarks(const StateMemory& state) : state_(state) {
  std::atomic<uint32_t>& far_marks = state_.header().far_marks;
  if (far_marks == 0) return;
  // A predecessor that was killed may have counted one that it did not set, or not any more.
  const auto is_set = [](const ReopenMark& mark) { return mark.key != 0; };
  far_marks = static_cast<uint32_t>(std::ranges::count_if(Far(), is_set));
}

void ReopenMarks::Set(uint32_t tid, const Mark& mark) {
  (void)Take(tid);  // one per thread
  const auto is_free = [](uint64_t key) { return key == 0; };
  ReopenMark* place = Search(Near(), tid, is_free);
  if (place == nullptr) {
    place = Search(Far(), tid, is_free);
    // Full only with marks of threads that never came back; those of living threads are taken within moments.
    if (place == nullptr) place = &Far()[(Home(tid) + victim_++ % kWindow) % Far().size()];
    if (place->key == 0) ++state_.header().far_marks;
  }
  place->key = 0;
  place->unique = mark.unique;
  place->key = uint64_t{tid} << 32 | mark.node | (mark.fetched ? kFetched : 0);
}

ReopenMark* ReopenMarks::Place(uint32_t tid) const {
  const auto is_of_thread = [tid](uint64_t key) { return key != 0 && TidOf(key) == tid; };
  ReopenMark* place = Search(Near(), tid, is_of_thread);
  if (place != nullptr || state_.header().far_marks == 0) return place;
  return Search(Far(), tid, is_of_thread);
}

template <class Wanted>
ReopenMark* ReopenMarks::Search(std::span<ReopenMark> marks, uint32_t tid, const Wanted& wanted) {
  for (uint32_t i = 0; i < kWindow; ++i) {
    ReopenMark& place = marks[(Home(tid) + i) % marks.size()];
    if (wanted(place.key)) return &place;
  }
  return nullptr;
}

ReopenMarks::Mark ReopenMarks::MarkAt(const ReopenMark& place) {
  uint64_t key = place.key;
  return {static_cast<uint32_t>(key), (key & kFetched) != 0, place.unique};
}

std::optional<ReopenMarks::Mark> ReopenMarks::Find(uint32_t tid) const {
  ReopenMark* place = Place(tid);
  return place == nullptr ? std::nullopt : std::optional(MarkAt(*place));
}

std::optional<ReopenMarks::Mark> ReopenMarks::Take(uint32_t tid) {
  ReopenMark* place = Place(tid);
  if (place == nullptr) return std::nullopt;
  const Mark mark = MarkAt(*place);
  place->key = 0;
  if (place >= &Far().front()) --state_.header().far_marks;
  return mark;
}

}  // namespace leasefs
