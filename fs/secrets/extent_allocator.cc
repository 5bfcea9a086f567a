#include "fs/secrets/extent_allocator.h"

#include <iterator>

namespace leasefs {

std::optional<uint64_t> ExtentAllocator::Allocate(uint64_t size) {
  size = Round(size);
  for (auto it = free_.begin(); it != free_.end(); ++it) {
    auto [offset, length] = *it;
    if (length < size) continue;
    free_.erase(it);
    if (length > size) free_[offset + size] = length - size;
    used_ += size;
    return offset;
  }
  return std::nullopt;
}

bool ExtentAllocator::Claim(uint64_t offset, uint64_t size) {
  size = Round(size);
  auto it = free_.upper_bound(offset);
  if (it == free_.begin()) return false;
  --it;
  auto [start, length] = *it;
  if (offset < start || size > length || offset - start > length - size) return false;
  free_.erase(it);
  if (offset > start) free_[start] = offset - start;
  uint64_t tail = start + length - (offset + size);
  if (tail > 0) free_[offset + size] = tail;
  used_ += size;
  return true;
}

void ExtentAllocator::Free(uint64_t offset, uint64_t size) {
  size = Round(size);
  used_ -= size;
  auto next = free_.upper_bound(offset);
  if (next != free_.end() && offset + size == next->first) {
    size += next->second;
    next = free_.erase(next);
  }
  if (next != free_.begin()) {
    auto previous = std::prev(next);
    if (previous->first + previous->second == offset) {
      previous->second += size;
      return;
    }
  }
  free_[offset] = size;
}

}  // namespace leasefs
