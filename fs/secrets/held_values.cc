#include "fs/secrets/held_values.h"

#include <algorithm>
#include <tuple>

namespace leasefs {

void HeldValues::ForgetFreed() {
  for (uint32_t slot : versions_.TakeFreed()) cache_.Forget(slot);
}

bool HeldValues::Held(uint32_t directory) const {
  const NodeRecord& record = nodes_[directory];
  return record.secret_version[record.publication & 1] != 0;
}

// A version that was replaced counts: its lease is as much in use.
bool HeldValues::BeingRead(uint32_t directory) const {
  for (uint32_t child = nodes_.FirstChild(directory); child != kNoNode; child = nodes_.NextSibling(child)) {
    if (!nodes_.IsDirectory(child) && versions_.BeingRead(child)) return true;
  }
  const std::vector<uint32_t> files = derived_.FilesMadeOf(directory);
  return std::any_of(files.begin(), files.end(), [&](uint32_t file) {
    uint32_t slot = versions_.CurrentSlot(file);
    return slot != kNoSlot && versions_.Pinned(slot);
  });
}

bool HeldValues::NoteOpened(uint32_t directory, BootTime now) {
  last_opened_[directory] = now;
  return resting_.erase(directory) != 0;
}

void HeldValues::NoteSurvived(uint32_t directory, BootTime now) {
  last_opened_[directory] = now;
  if (nodes_[directory].minted != 0) resting_.insert(directory);
  NoteLease(directory);
}

void HeldValues::NoteLease(uint32_t directory) {
  int64_t end = nodes_[directory].lease_end_ns;
  if (end != 0 && BootTimeFromNanoseconds(end) != kNever) lease_ends_.emplace(BootTimeFromNanoseconds(end), directory);
}

bool HeldValues::LeaseEnded(uint32_t directory, BootTime now) const {
  int64_t end = nodes_[directory].lease_end_ns;
  return end != 0 && BootTimeFromNanoseconds(end) <= now;
}

void HeldValues::WithdrawEnded(BootTime now) {
  while (!lease_ends_.empty() && lease_ends_.begin()->first <= now) {
    uint32_t directory = lease_ends_.begin()->second;
    lease_ends_.erase(lease_ends_.begin());
    if (LeaseEnded(directory, now)) Withdraw(directory);
  }
  ForgetFreed();
}

bool HeldValues::HoldsAll(uint32_t directory) const {
  for (uint32_t child = nodes_.FirstChild(directory); child != kNoNode; child = nodes_.NextSibling(child)) {
    if (nodes_.IsDirectory(child) || nodes_[child].present == 0 || derived_.Is(child)) continue;
    uint32_t slot = versions_.CurrentSlot(child);
    if (slot == kNoSlot || versions_.TooLarge(slot)) return false;
  }
  return true;
}

void HeldValues::Withdraw(uint32_t directory) {
  NodeRecord& record = nodes_[directory];
  record.secret_version[record.publication & 1] = 0;
  record.fresh_until_ns = 0;
  resting_.erase(directory);
  for (uint32_t child = nodes_.FirstChild(directory); child != kNoNode; child = nodes_.NextSibling(child)) {
    if (!nodes_.IsDirectory(child) && !derived_.IsFile(child)) Drop(child);
  }
  for (uint32_t file : derived_.FilesMadeOf(directory)) Drop(file);
}

void HeldValues::Drop(uint32_t file) {
  if (versions_.CurrentSlot(file) == kNoSlot) return;
  versions_.Drop(file);
  notifier_.InvalidateInode({file, nodes_[file].version});
}

void HeldValues::Expire(uint32_t directory) {
  nodes_[directory].fresh_until_ns = 0;
  for (uint32_t child = nodes_.FirstChild(directory); child != kNoNode; child = nodes_.NextSibling(child)) {
    if (!nodes_.IsDirectory(child) && versions_.CurrentSlot(child) != kNoSlot)
      notifier_.InvalidateInode({child, nodes_[child].version});
  }
  for (uint32_t file : derived_.FilesMadeOf(directory)) {
    if (versions_.CurrentSlot(file) != kNoSlot) notifier_.InvalidateInode({file, nodes_[file].version});
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
      for (uint32_t file : derived_.FilesMadeOf(next)) Drop(file);
      notifier_.InvalidateInode({next, kDirectoryVersion});
    } else {
      versions_.Drop(next);
      notifier_.InvalidateInode({next, record.version});
    }
  }
}

void HeldValues::LetGoUnused(BootTime now, const std::function<Patience(uint32_t directory)>& patience) {
  for (auto it = last_opened_.begin(); it != last_opened_.end();) {
    auto [directory, opened] = *it;
    Patience of = patience(directory);
    if (now - opened <= of.unused || (of.idle && BeingRead(directory))) {
      ++it;
      continue;
    }
    bool minted = nodes_[directory].minted != 0;
    bool lease = BootTimeFromNanoseconds(nodes_[directory].lease_end_ns) != kNever;
    if (Held(directory) && minted && lease && !of.idle) {
      resting_.insert(directory);
      idle_.push_back(directory);
    } else if (Held(directory) || minted) {  // of what was minted, the backend may hold one that never came here
      Withdraw(directory);
      idle_.push_back(directory);
    }
    it = last_opened_.erase(it);
  }
  ForgetFreed();
}

void HeldValues::ApplyValueLimit(uint64_t limit) {
  for (uint32_t node = 0; node < nodes_.count(); ++node) {
    uint32_t slot = nodes_.IsDirectory(node) ? kNoSlot : versions_.CurrentSlot(node);
    if (slot == kNoSlot || derived_.Is(node)) continue;  // what is derived is made again
    if (versions_.TooLarge(slot) || versions_[slot].size > limit) Withdraw(nodes_[node].parent);
  }
  ForgetFreed();
}

uint64_t HeldValues::Freeable(uint32_t directory) const {
  uint64_t bytes = 0;
  for (uint32_t child = nodes_.FirstChild(directory); child != kNoNode; child = nodes_.NextSibling(child)) {
    uint32_t slot = nodes_.IsDirectory(child) ? kNoSlot : versions_.CurrentSlot(child);
    if (slot != kNoSlot && !versions_.Pinned(slot) && !derived_.IsFile(child))
      bytes += ExtentAllocator::Round(versions_[slot].blob_length);
  }
  return bytes;
}

bool HeldValues::MakeRoom(uint64_t bytes, uint64_t limit) {
  if (versions_.sealed_bytes() + bytes <= limit) return true;
  using Candidate = std::tuple<bool, BootTime, uint32_t>;  // minted, opened, directory
  std::vector<Candidate> oldest;
  uint64_t freeable = 0;
  for (const auto& [directory, opened] : last_opened_) {
    uint64_t held = Freeable(directory);
    freeable += held;
    if (held > 0) oldest.emplace_back(nodes_[directory].minted != 0, opened, directory);
  }
  if (versions_.sealed_bytes() + bytes > limit + freeable) return false;
  std::sort(oldest.begin(), oldest.end());
  uint64_t goal = limit - std::min(limit, bytes + limit / 8);  // some more, so that the next one need not search again
  for (const auto& [minted, opened, directory] : oldest) {
    if (versions_.sealed_bytes() <= goal) break;
    Withdraw(directory);
    if (minted) continue;
    idle_.push_back(directory);
    last_opened_.erase(directory);
  }
  return versions_.sealed_bytes() + bytes <= limit;
}

}  // namespace leasefs
