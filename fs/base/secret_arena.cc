#include "fs/base/secret_arena.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "fs/base/mutex.h"

#if defined(__SANITIZE_ADDRESS__)
#define LEASEFS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LEASEFS_ASAN 1
#endif
#endif
#ifdef LEASEFS_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(memory, size) (static_cast<void>(memory), static_cast<void>(size))
#define ASAN_UNPOISON_MEMORY_REGION(memory, size) (static_cast<void>(memory), static_cast<void>(size))
#endif

#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24  // Linux 5.18; the headers of Debian 12 have it, those of others may not
#endif

namespace leasefs {
namespace {

// The range is dealt out in blocks. A block is either a slab of equal slots or part of a run that holds one large
// allocation.
constexpr size_t kBlock = size_t{64} << 10;
constexpr size_t kLargestSlot = kBlock / 2;
constexpr size_t kLargeStep = 4096;  // of the size of a large allocation

// 16 to 128 in steps of 16, then four sizes to each doubling.
constexpr size_t kSlotClasses = 8 + 4 * 8;
constexpr std::array<size_t, kSlotClasses> MakeSlotSizes() {
  std::array<size_t, kSlotClasses> sizes{};
  size_t size = 0;
  size_t step = 16;
  for (size_t i = 0; i < kSlotClasses; ++i) {
    if (i >= 8 && i % 4 == 0) step *= 2;
    size += step;
    sizes[i] = size;
  }
  return sizes;
}
constexpr std::array<size_t, kSlotClasses> kSlotSizes = MakeSlotSizes();
static_assert(kSlotSizes.back() == kLargestSlot);

size_t SlotClassOf(size_t size) {
  return static_cast<size_t>(std::lower_bound(kSlotSizes.begin(), kSlotSizes.end(), size) - kSlotSizes.begin());
}

constexpr size_t RoundUp(size_t size, size_t unit) {
  return (size + unit - 1) / unit * unit;
}
size_t PageSize() {
  static const auto size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return size;
}
constexpr size_t BlocksFor(size_t capacity) {
  return RoundUp(capacity, kBlock) / kBlock;
}

[[noreturn]] void OutOfMemory() {
  std::fputs("leasefs: out of memory for secrets\n", stderr);
  std::abort();
}

// SECURITY: not written to a core file, and empty in a forked child.
void Shield(void* memory, size_t size) {
  madvise(memory, size, MADV_DONTDUMP);
  madvise(memory, size, MADV_WIPEONFORK);
}

// The memory is wiped already; this only lowers what is resident. Kernels before 5.18 keep locked pages.
void GiveBackPages(void* memory, size_t size) {
  madvise(memory, size, MADV_DONTNEED_LOCKED);
}

struct Slab {
  size_t slot_class = 0;
  uint16_t used = 0;
  uint16_t fresh = 0;           // slots from here on were never handed out
  std::vector<uint16_t> freed;  // has room for all slots from the start
};

}  // namespace

// All bookkeeping lies outside the range: MADV_WIPEONFORK would destroy it, and an overrun must not reach it.
struct SecretArena::Impl {
  Impl();

  void* AllocateSlot(size_t slot_class) REQUIRES(mutex);
  void* AllocateRun(size_t blocks) REQUIRES(mutex);
  // Returns the block if nothing in it is used any longer, it was taken out of use and its pages may go, else null.
  void* FreeSlot(std::byte* memory, size_t slot_class) REQUIRES(mutex);
  void FreeRun(void* memory, size_t blocks) REQUIRES(mutex);
  void* AllocateOverflow(size_t capacity);

  bool InRange(const void* memory) const { return memory >= base && memory < base + reserved; }
  size_t BlockOf(const void* memory) const {
    return static_cast<size_t>(static_cast<const std::byte*>(memory) - base) / kBlock;
  }

  // Constant after construction.
  std::byte* base = nullptr;
  size_t reserved = 0;
  bool locked = false;

  mutable Mutex mutex;                                         // rank: last; SecretBuffers are freed under any lock
  std::map<size_t, size_t> free_runs GUARDED_BY(mutex);        // first block -> count, never adjacent
  std::vector<std::unique_ptr<Slab>> slabs GUARDED_BY(mutex);  // by block
  // Slabs with a free slot, the lowest is filled first so that the others empty.
  std::array<std::set<size_t>, kSlotClasses> open_slabs GUARDED_BY(mutex);
  size_t used_bytes GUARDED_BY(mutex) = 0;
  size_t overflow_bytes GUARDED_BY(mutex) = 0;
};

SecretArena::Impl::Impl() {
  size_t size = kDefaultReserve;
  size_t guard = PageSize();
  void* range = mmap(nullptr, size + 2 * guard, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (range == MAP_FAILED) return;  // everything overflows
  std::byte* start = static_cast<std::byte*>(range) + guard;
  if (mprotect(start, size, PROT_READ | PROT_WRITE) != 0) {
    munmap(range, size + 2 * guard);
    return;
  }
  Shield(start, size);
  madvise(start, size, MADV_NOHUGEPAGE);  // else the first byte locks 2 MiB
  locked = mlock2(start, size, MLOCK_ONFAULT) == 0;
  base = start;
  reserved = size;
  MutexLock lock(mutex);
  slabs.resize(size / kBlock);
  free_runs.emplace(0, size / kBlock);
}

void* SecretArena::Impl::AllocateSlot(size_t slot_class) {
  size_t slot_size = kSlotSizes[slot_class];
  std::set<size_t>& open = open_slabs[slot_class];
  if (open.empty()) {
    void* memory = AllocateRun(1);
    if (memory == nullptr) return nullptr;
    auto slab = std::make_unique<Slab>();
    slab->slot_class = slot_class;
    slab->freed.reserve(kBlock / slot_size);
    slabs[BlockOf(memory)] = std::move(slab);
    open.insert(BlockOf(memory));
  }
  size_t block = *open.begin();
  Slab& slab = *slabs[block];
  size_t slot = 0;
  if (slab.freed.empty()) {
    slot = slab.fresh++;
  } else {
    slot = slab.freed.back();
    slab.freed.pop_back();
  }
  if (++slab.used == kBlock / slot_size) open.erase(block);
  return base + block * kBlock + slot * slot_size;
}

void* SecretArena::Impl::AllocateRun(size_t blocks) {
  auto run = std::find_if(free_runs.begin(), free_runs.end(), [&](const auto& r) { return r.second >= blocks; });
  if (run == free_runs.end()) return nullptr;
  auto [first, count] = *run;
  free_runs.erase(run);
  if (count > blocks) free_runs.emplace(first + blocks, count - blocks);
  return base + first * kBlock;
}

void* SecretArena::Impl::FreeSlot(std::byte* memory, size_t slot_class) {
  size_t block = BlockOf(memory);
  Slab* slab = slabs[block].get();
  if (slab == nullptr || slab->slot_class != slot_class || slab->used == 0)
    std::abort();  // not ours: a broken invariant
  size_t offset = static_cast<size_t>(memory - base) % kBlock;
  slab->freed.push_back(static_cast<uint16_t>(offset / kSlotSizes[slot_class]));
  std::set<size_t>& open = open_slabs[slot_class];
  open.insert(block);
  // One empty slab of a class stays, or a buffer that comes and goes would map and unmap with each turn.
  if (--slab->used > 0 || open.size() == 1) return nullptr;
  open.erase(block);
  slabs[block].reset();
  return base + block * kBlock;
}

void SecretArena::Impl::FreeRun(void* memory, size_t blocks) {
  size_t first = BlockOf(memory);
  auto after = free_runs.lower_bound(first);
  if (after != free_runs.end() && after->first == first + blocks) {
    blocks += after->second;
    after = free_runs.erase(after);
  }
  if (after != free_runs.begin()) {
    auto before = std::prev(after);
    if (before->first + before->second == first) {
      before->second += blocks;
      return;
    }
  }
  free_runs.emplace(first, blocks);
}

void* SecretArena::Impl::AllocateOverflow(size_t capacity) {
  size_t size = RoundUp(capacity, PageSize());
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) OutOfMemory();
  Shield(memory, size);
  return memory;
}

SecretArena::SecretArena() : impl_(new Impl) {}

SecretArena& SecretArena::Process() {
  static SecretArena& arena = *new SecretArena;
  return arena;
}

void* SecretArena::Allocate(size_t size, size_t* capacity) {
  if (size > SIZE_MAX / 2) OutOfMemory();
  bool small = size <= kLargestSlot;
  size_t slot_class = small ? SlotClassOf(size) : 0;
  *capacity = small ? kSlotSizes[slot_class] : RoundUp(size, kLargeStep);
  void* memory = nullptr;
  {
    MutexLock lock(impl_->mutex);
    memory = small ? impl_->AllocateSlot(slot_class) : impl_->AllocateRun(BlocksFor(*capacity));
    impl_->used_bytes += *capacity;
    if (memory == nullptr) impl_->overflow_bytes += *capacity;
  }
  if (memory == nullptr) return impl_->AllocateOverflow(*capacity);
  ASAN_UNPOISON_MEMORY_REGION(memory, *capacity);
  return memory;
}

void SecretArena::Free(void* memory, size_t capacity) noexcept {
  explicit_bzero(memory, capacity);
  bool overflow = !impl_->InRange(memory);
  bool small = capacity <= kLargestSlot;
  if (overflow) {
    munmap(memory, RoundUp(capacity, PageSize()));
  } else {
    ASAN_POISON_MEMORY_REGION(memory, capacity);
    if (!small) GiveBackPages(memory, capacity);
  }
  void* empty_slab = nullptr;
  {
    MutexLock lock(impl_->mutex);
    impl_->used_bytes -= capacity;
    if (overflow) {
      impl_->overflow_bytes -= capacity;
    } else if (small) {
      empty_slab = impl_->FreeSlot(static_cast<std::byte*>(memory), SlotClassOf(capacity));
    } else {
      impl_->FreeRun(memory, BlocksFor(capacity));
    }
  }
  if (empty_slab == nullptr) return;
  GiveBackPages(empty_slab, kBlock);
  MutexLock lock(impl_->mutex);
  impl_->FreeRun(empty_slab, 1);
}

SecretArenaFigures SecretArena::Figures() const {
  MutexLock lock(impl_->mutex);
  return {.reserved_bytes = impl_->reserved,
          .used_bytes = impl_->used_bytes,
          .overflow_bytes = impl_->overflow_bytes,
          .locked = impl_->locked};
}

}  // namespace leasefs
