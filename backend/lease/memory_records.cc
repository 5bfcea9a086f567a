#include "backend/lease/memory_records.h"

#include <sys/mman.h>

#include <atomic>
#include <cstring>
#include <string_view>

#include "fs/base/limits.h"
#include "fs/base/strings.h"

namespace leasefs::lease {
namespace {

constexpr uint64_t kMagic = 0x3163657265736c00;  // and the layout's number
constexpr size_t kHeaderBytes = 4096;
constexpr uint64_t kSlack = uint64_t{256} << 10;  // of outdated bytes, before a log is copied for their sake

struct Header {
  uint64_t magic;
  uint64_t active;      // the half that counts
  uint64_t lengths[2];  // of the logs
};

struct EntryHeader {
  uint32_t size;  // of the entry with this header, a multiple of 8
  uint32_t name_size;
  uint32_t sealed_size;
  uint32_t erased;
};

Header& HeaderOf(std::span<std::byte> memory) {
  return *reinterpret_cast<Header*>(memory.data());
}

constexpr uint64_t RoundUp(uint64_t size) {
  return (size + 7) & ~uint64_t{7};
}

std::span<const std::byte> Aad(const std::string& name) {
  return std::as_bytes(std::span(name));
}

}  // namespace

MemoryRecords::MemoryRecords(std::span<std::byte> memory, AeadKey key, Random& random)
    : memory_(memory), key_(std::move(key)), random_(&random) {}

Result<MemoryRecords> MemoryRecords::Attach(std::span<std::byte> memory, AeadKey key, Random& random) {
  if (memory.size() < 4 * kHeaderBytes) return Error(ErrorKind::kInvalid, "the memory for leases is too small");
  MemoryRecords records(memory, std::move(key), random);
  Header& header = HeaderOf(memory);
  if (header.magic == 0) records.StoreWord(header.magic, kMagic);
  if (header.magic != kMagic || header.active > 1)
    return Error(ErrorKind::kInvalid, "the memory for leases was made by another version of leasefs");
  LEASEFS_RETURN_IF_ERROR(records.LoadIndex());
  return records;
}

Status MemoryRecords::LoadIndex() {
  const Error damaged(ErrorKind::kInvalid, "the memory for leases is damaged");
  std::span<std::byte> entries = Entries(Active());
  uint64_t length = LengthOf(Active());
  if (length > entries.size()) return damaged;
  for (uint64_t offset = 0; offset < length;) {
    EntryHeader entry;
    if (length - offset < sizeof(entry)) return damaged;
    std::memcpy(&entry, entries.data() + offset, sizeof(entry));
    uint64_t needed = sizeof(entry) + uint64_t{entry.name_size} + entry.sealed_size;
    if (entry.size != RoundUp(needed) || entry.size > length - offset) return damaged;
    std::string name(reinterpret_cast<const char*>(entries.data() + offset + sizeof(entry)), entry.name_size);
    if (auto old = index_.find(name); old != index_.end()) live_bytes_ -= old->second.size, index_.erase(old);
    if (entry.erased == 0) index_[name] = {offset, entry.size}, live_bytes_ += entry.size;
    offset += entry.size;
  }
  return Ok();
}

Status MemoryRecords::Put(const std::string& name, const SecretBuffer& content) {
  if (name.size() > 2 * kMaxPathBytes || content.size() > kMaxFramePayload)
    return Error(ErrorKind::kNoMemory, "a record is too large for the memory for leases");
  return Append(name, key_.Seal(*random_, Aad(name), content.Expose()), false);
}

void MemoryRecords::Erase(const std::string& name) {
  if (index_.count(name) == 0) return;
  if (Append(name, {}, true).ok()) return;
  index_.erase(name);  // no room even for that: the copy of a log leaves out what the index does not have
  Compact();
}

Result<SecretBuffer> MemoryRecords::Get(const std::string& name) const {
  auto found = index_.find(name);
  if (found == index_.end()) return Error(ErrorKind::kNotFound, "no such record");
  std::span<std::byte> at = Entries(Active()).subspan(found->second.offset, found->second.size);
  EntryHeader entry;
  std::memcpy(&entry, at.data(), sizeof(entry));
  return key_.Open(Aad(name), at.subspan(sizeof(entry) + entry.name_size, entry.sealed_size));
}

void MemoryRecords::ForEach(const std::function<void(const std::string& name)>& visit) const {
  std::vector<std::string> names;
  for (const auto& [name, place] : index_) names.push_back(name);
  for (const std::string& name : names) visit(name);
}

Status MemoryRecords::Append(const std::string& name, std::span<const std::byte> sealed, bool erased) {
  EntryHeader entry{0, static_cast<uint32_t>(name.size()), static_cast<uint32_t>(sealed.size()), erased ? 1U : 0U};
  entry.size = static_cast<uint32_t>(RoundUp(sizeof(entry) + name.size() + sealed.size()));
  if (!MakeRoom(entry.size)) return Error(ErrorKind::kNoMemory, "the memory for leases is full");
  uint64_t half = Active();
  uint64_t offset = LengthOf(half);
  std::span<std::byte> place = Entries(half).subspan(offset, entry.size);
  Store(place, std::as_bytes(std::span(&entry, 1)));
  Store(place.subspan(sizeof(entry)), std::as_bytes(std::span(name)));
  Store(place.subspan(sizeof(entry) + name.size()), sealed);
  StoreWord(LengthOf(half), offset + entry.size);
  if (auto old = index_.find(name); old != index_.end()) live_bytes_ -= old->second.size, index_.erase(old);
  if (!erased) index_[name] = {offset, entry.size}, live_bytes_ += entry.size;
  return Ok();
}

bool MemoryRecords::MakeRoom(uint64_t size) {
  uint64_t length = LengthOf(Active());
  bool full = Entries(Active()).size() - length < size;
  if (full || length - live_bytes_ > std::max(live_bytes_, kSlack)) Compact();
  return Entries(Active()).size() - LengthOf(Active()) >= size;
}

void MemoryRecords::Compact() {
  uint64_t from = Active();
  uint64_t to = 1 - from;
  std::span<std::byte> source = Entries(from);
  std::span<std::byte> target = Entries(to);
  std::map<std::string, Place> index;
  uint64_t length = 0;
  for (const auto& [name, place] : index_) {
    Store(target.subspan(length), source.subspan(place.offset, place.size));
    index[name] = {length, place.size};
    length += place.size;
  }
  StoreWord(LengthOf(to), length);
  StoreWord(Active(), to);
  index_ = std::move(index);
  live_bytes_ = length;
  // The pages go back to the machine. Memory that is no memfd (in tests) keeps them.
  (void)madvise(source.data(), source.size(), MADV_REMOVE);
}

std::span<std::byte> MemoryRecords::Entries(uint64_t half) const {
  size_t size = (memory_.size() - kHeaderBytes) / 2 / kHeaderBytes * kHeaderBytes;
  return memory_.subspan(kHeaderBytes + half * size, size);
}

uint64_t& MemoryRecords::LengthOf(uint64_t half) const {
  return HeaderOf(memory_).lengths[half];
}

uint64_t& MemoryRecords::Active() const {
  return HeaderOf(memory_).active;
}

void MemoryRecords::Store(std::span<std::byte> place, std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  std::memcpy(place.data(), bytes.data(), bytes.size());
  if (after_store_) after_store_();
}

// All stores before it are in memory before it is: the order in which a successor may see them.
void MemoryRecords::StoreWord(uint64_t& word, uint64_t value) {
  std::atomic_ref(word).store(value, std::memory_order_release);
  if (after_store_) after_store_();
}

}  // namespace leasefs::lease
