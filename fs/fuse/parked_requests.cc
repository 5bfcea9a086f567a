#include "fs/fuse/parked_requests.h"

#include <linux/fuse.h>

#include <algorithm>
#include <cstring>

#include "fs/fuse/pending_request.h"

namespace leasefs {

namespace {

fuse_in_header HeaderOf(std::span<const std::byte> request) {
  fuse_in_header header{};
  memcpy(&header, request.data(), std::min(request.size(), sizeof header));
  return header;
}

}  // namespace

ParkedRequests::ParkedRequests(RequestSlots slots) : slots_(slots) {
  for (uint32_t i = slots_.records_touched(); i-- > 0;) {
    RequestSlots::ParkedRecord& record = slots_.record(i);
    size_t length = record.length.load(std::memory_order_acquire);
    bool whole = length >= sizeof(fuse_in_header) && length <= RequestSlots::kParkedBytes;
    fuse_in_header header = HeaderOf(record.bytes());
    if (whole && entries_.try_emplace(header.unique, Entry{i, header.uid, nullptr}).second) {
      ++per_uid_[header.uid];
      continue;
    }
    if (length != 0) record.length.store(0, std::memory_order_release);
    free_.push_back(i);
  }
}

ParkedRequests::~ParkedRequests() = default;

uint32_t ParkedRequests::TakeRecordLocked() {
  if (free_.empty()) {
    uint32_t fresh = slots_.records_touched();
    slots_.set_records_touched(fresh + 1);
    return fresh;
  }
  uint32_t index = free_.back();
  free_.pop_back();
  return index;
}

std::unique_ptr<PendingRequest> ParkedRequests::Add(uint64_t unique, std::span<const std::byte> request,
                                                    BootTime arrival, uint8_t replays,
                                                    std::unique_ptr<PendingRequest> owner, bool* interrupted) {
  MutexLock lock(mutex_);
  uint32_t uid = HeaderOf(request).uid;
  auto share = per_uid_.find(uid);
  bool room = (!free_.empty() || slots_.records_touched() < RequestSlots::kParkedRecords) &&
              (share == per_uid_.end() || share->second < kMaxPerUid);
  if (!room || request.size() > RequestSlots::kParkedBytes || entries_.contains(unique)) {
    ++counts_.refused;
    return owner;
  }
  uint32_t index = TakeRecordLocked();
  *interrupted = std::find(early_.begin(), early_.end(), unique) != early_.end();
  RequestSlots::ParkedRecord& record = slots_.record(index);
  memcpy(record.request, request.data(), request.size());
  record.arrival = ToNanoseconds(arrival);
  record.replays = replays;
  record.interrupted.store(*interrupted ? 1 : 0, std::memory_order_relaxed);
  record.length.store(static_cast<uint16_t>(request.size()), std::memory_order_release);
  entries_.emplace(unique, Entry{index, uid, std::move(owner)});
  ++per_uid_[uid];
  ++counts_.ever;
  return nullptr;
}

std::unique_ptr<PendingRequest> ParkedRequests::Resume(uint64_t unique, std::unique_ptr<PendingRequest> owner,
                                                       bool* interrupted) {
  MutexLock lock(mutex_);
  auto entry = entries_.find(unique);
  if (entry == entries_.end() || entry->second.owner != nullptr) return owner;
  entry->second.owner = std::move(owner);
  *interrupted = slots_.record(entry->second.record).interrupted.load(std::memory_order_relaxed) != 0;
  return nullptr;
}

void ParkedRequests::RemoveUnowned(uint64_t unique) {
  MutexLock lock(mutex_);
  auto entry = entries_.find(unique);
  if (entry != entries_.end() && entry->second.owner == nullptr) RemoveLocked(unique);
}

std::unique_ptr<PendingRequest> ParkedRequests::Remove(uint64_t unique) {
  MutexLock lock(mutex_);
  return RemoveLocked(unique);
}

std::unique_ptr<PendingRequest> ParkedRequests::RemoveLocked(uint64_t unique) {
  auto node = entries_.extract(unique);
  if (node.empty()) return nullptr;
  slots_.record(node.mapped().record).length.store(0, std::memory_order_release);
  free_.push_back(node.mapped().record);
  if (auto share = per_uid_.find(node.mapped().uid); --share->second == 0) per_uid_.erase(share);
  return std::move(node.mapped().owner);
}

bool ParkedRequests::Contains(uint64_t unique) const {
  MutexLock lock(mutex_);
  return entries_.contains(unique);
}

void ParkedRequests::MarkInterrupted(uint64_t unique) {
  MutexLock lock(mutex_);
  if (auto entry = entries_.find(unique); entry != entries_.end()) {
    slots_.record(entry->second.record).interrupted.store(1, std::memory_order_relaxed);
    return;
  }
  early_[next_early_] = unique;
  next_early_ = (next_early_ + 1) % kEarlyInterrupts;
}

bool ParkedRequests::Interrupted(uint64_t unique) const {
  MutexLock lock(mutex_);
  auto entry = entries_.find(unique);
  RequestSlots slots = slots_;
  return entry != entries_.end() && slots.record(entry->second.record).interrupted.load(std::memory_order_relaxed) != 0;
}

std::vector<ParkedRequests::Survivor> ParkedRequests::Survivors() const {
  MutexLock lock(mutex_);
  RequestSlots slots = slots_;
  std::vector<Survivor> survivors;
  for (const auto& [unique, entry] : entries_) survivors.push_back({unique, entry.record});
  std::sort(survivors.begin(), survivors.end(), [&](const Survivor& a, const Survivor& b) {
    return std::pair(slots.record(a.record).arrival, a.unique) < std::pair(slots.record(b.record).arrival, b.unique);
  });
  return survivors;
}

std::vector<std::unique_ptr<PendingRequest>> ParkedRequests::TakeOwners() {
  MutexLock lock(mutex_);
  std::vector<std::unique_ptr<PendingRequest>> owners;
  for (auto& [unique, entry] : entries_) {
    if (entry.owner != nullptr) owners.push_back(std::move(entry.owner));
  }
  return owners;
}

ParkedRequests::Counts ParkedRequests::counts() const {
  MutexLock lock(mutex_);
  Counts counts = counts_;
  counts.waiting = entries_.size();
  return counts;
}

}  // namespace leasefs
