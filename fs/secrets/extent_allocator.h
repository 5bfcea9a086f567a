// Free space of the blob area, first fit with coalescing. Lives on the heap and is rebuilt from what is in use. Not
// thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

namespace leasefs {

class ExtentAllocator {
 public:
  static constexpr uint64_t kGranule = 64;  // bytes

  explicit ExtentAllocator(uint64_t size) { free_[0] = size; }

  std::optional<uint64_t> Allocate(uint64_t size);
  // Marks an extent as in use while rebuilding. False: it is (partly) in use already or out of range.
  bool Claim(uint64_t offset, uint64_t size);
  void Free(uint64_t offset, uint64_t size);
  uint64_t used() const { return used_; }
  // What a size takes up.
  static uint64_t Round(uint64_t size) { return (size + kGranule - 1) / kGranule * kGranule; }

 private:
  std::map<uint64_t, uint64_t> free_;  // offset -> size
  uint64_t used_ = 0;
};

}  // namespace leasefs
