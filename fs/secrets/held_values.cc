#include "fs/secrets/held_values.h"

#include <algorithm>

namespace leasefs {

void HeldValues::ForgetFreed() {
  for (uint32_t slot : versions_.TakeFreed()) cache_.Forget(slot);
}

bool HeldValues::HoldsAll(uint32_t directory) const {
  for (uint32_t child = nodes_.FirstChild(directory); child != kNoNode; child = nodes_.NextSibling(child)) {
    if (nodes_.IsDirectory(child) || nodes_[child].present == 0) continue;
    uint32_t slot = versions_.CurrentSlot(child);
    if (slot == kNoSlot || versions_.TooLarge(slot)) return false;
  }
  return true;
}

void HeldValues::Withdraw(uint32_t directory) {
  NodeRecord& record = nodes_[directory];
  record.secret_version[record.publication & 1] = 0;
  record.fresh_until_ns = 0;
  for (uint32_t child = nodes_.FirstChild(directory); child != kNoNode; child = nodes_.NextSibling(child)) {
    if (nodes_.IsDirectory(child) || versions_.CurrentSlot(child) == kNoSlot) continue;
    versions_.Drop(child);
    notifier_.InvalidateInode({child, nodes_[child].version});
  }
}

void HeldValues::Expire(uint32_t directory) {
  nodes_[directory].fresh_until_ns = 0;
  for (uint32_t child = nodes_.FirstChild(directory); child != kNoNode; child = nodes_.NextSibling(child)) {
    if (!nodes_.IsDirectory(child) && versions_.CurrentSlot(child) != kNoSlot)
      notifier_.InvalidateInode({child, nodes_[child].version});
  }
}

void HeldValues::Remove(uint32_t node) {
  std::vector<uint32_t> stack{node};
  while (!stack.empty()) {
    uint32_t next = stack.back();
    stack.pop_back();
    NodeRecord& record = nodes_[next];
    if (record.present.exchange(0) == 0 && next != node) continue;
    if (nodes_.IsDirectory(next)) {
      record.listed = 0;
      record.secret_version[record.publication & 1] = 0;
      for (uint32_t child = nodes_.FirstChild(next); child != kNoNode; child = nodes_.NextSibling(child))
        stack.push_back(child);
      notifier_.InvalidateInode({next, kDirectoryVersion});
    } else {
      versions_.Drop(next);
      notifier_.InvalidateInode({next, record.version});
    }
  }
}

void HeldValues::LetGo(uint32_t directory) {
  Withdraw(directory);
  idle_.push_back(directory);
}

void HeldValues::LetGoUnused(BootTime now, const std::function<Duration(uint32_t directory)>& keep) {
  for (auto it = last_opened_.begin(); it != last_opened_.end();) {
    if (now - it->second <= keep(it->first)) {
      ++it;
      continue;
    }
    const NodeRecord& record = nodes_[it->first];
    if (record.secret_version[record.publication & 1] != 0) LetGo(it->first);
    it = last_opened_.erase(it);
  }
  ForgetFreed();
}

void HeldValues::ApplyValueLimit(uint64_t limit) {
  for (uint32_t node = 0; node < nodes_.count(); ++node) {
    uint32_t slot = nodes_.IsDirectory(node) ? kNoSlot : versions_.CurrentSlot(node);
    if (slot == kNoSlot) continue;
    if (versions_.TooLarge(slot) || versions_[slot].size > limit) Withdraw(nodes_[node].parent);
  }
  ForgetFreed();
}

uint64_t HeldValues::Freeable(uint32_t directory) const {
  uint64_t bytes = 0;
  for (uint32_t child = nodes_.FirstChild(directory); child != kNoNode; child = nodes_.NextSibling(child)) {
    uint32_t slot = nodes_.IsDirectory(child) ? kNoSlot : versions_.CurrentSlot(child);
    if (slot != kNoSlot && !versions_.Pinned(slot)) bytes += ExtentAllocator::Round(versions_[slot].blob_length);
  }
  return bytes;
}

bool HeldValues::MakeRoom(uint64_t bytes, uint64_t limit) {
  if (versions_.sealed_bytes() + bytes <= limit) return true;
  std::vector<std::pair<BootTime, uint32_t>> oldest;
  uint64_t freeable = 0;
  for (const auto& [directory, opened] : last_opened_) {
    uint64_t held = Freeable(directory);
    freeable += held;
    if (held > 0) oldest.emplace_back(opened, directory);
  }
  if (versions_.sealed_bytes() + bytes > limit + freeable) return false;
  std::sort(oldest.begin(), oldest.end());
  uint64_t goal = limit - std::min(limit, bytes + limit / 8);  // some more, so that the next one need not search again
  for (const auto& [opened, directory] : oldest) {
    if (versions_.sealed_bytes() <= goal) break;
    LetGo(directory);
    last_opened_.erase(directory);
  }
  return versions_.sealed_bytes() + bytes <= limit;
}

}  // namespace leasefs
