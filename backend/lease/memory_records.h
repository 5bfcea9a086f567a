// MemoryRecords: SurvivingRecords in a span of memory, which is a memfd of fixed virtual size that the keeper holds.
// Sparse: what was never written takes no memory.
//
//     | header: which half counts | half 0: how long its log is | entries … | half 1: the same |
//
// A Put or Erase appends an entry and commits it by one store of the log's length. A log that is mostly out of date is
// copied to the other half, without what is, and one store of the header makes that one count. So a process that is
// killed between any two stores leaves the old state or the new one.
//
// A record takes its content's size + AeadKey::kOverhead + its name + 24 bytes, and twice that while a copy is made.
#pragma once

#include <cstdint>
#include <map>
#include <span>

#include "backend/lease/surviving_records.h"
#include "fs/base/aead.h"

namespace leasefs::lease {

class MemoryRecords final : public SurvivingRecords {
 public:
  static constexpr size_t kDefaultBytes = size_t{256} << 20;  // of address space

  // `memory` is shared, aligned to a page, all zero at first use, and outlives this; `key` is the same for each
  // successor. kInvalid: too small, or not made by this. `random` is for nonces and outlives this.
  static Result<MemoryRecords> Attach(std::span<std::byte> memory, AeadKey key, Random& random);

  Status Put(const std::string& name, const SecretBuffer& content) override;
  void Erase(const std::string& name) override;
  Result<SecretBuffer> Get(const std::string& name) const override;
  void ForEach(const std::function<void(const std::string& name)>& visit) const override;

  // Called after every store to the memory: for tests that look at what a kill would leave.
  void AfterEveryStoreForTest(std::function<void()> callback) { after_store_ = std::move(callback); }

 private:
  struct Place {
    uint64_t offset = 0;  // of the entry, from the beginning of the half's entries
    uint64_t size = 0;
  };

  MemoryRecords(std::span<std::byte> memory, AeadKey key, Random& random);
  Status LoadIndex();
  Status Append(const std::string& name, std::span<const std::byte> sealed, bool erased);
  bool MakeRoom(uint64_t size);
  void Compact();
  std::span<std::byte> Entries(uint64_t half) const;
  uint64_t& LengthOf(uint64_t half) const;
  uint64_t& Active() const;
  void Store(std::span<std::byte> place, std::span<const std::byte> bytes);
  void StoreWord(uint64_t& word, uint64_t value);

  std::span<std::byte> memory_;
  AeadKey key_;
  Random* random_;
  std::map<std::string, Place> index_;
  uint64_t live_bytes_ = 0;
  std::function<void()> after_store_;
};

}  // namespace leasefs::lease
