// SecretArena: the memory under SecretBuffer. One per process, thread-safe, never destroyed.
//
// A reserved range of anonymous private memory, MADV_DONTDUMP and MADV_WIPEONFORK, locked with MLOCK_ONFAULT so that
// only what is used counts. It is best set up while the process still has CAP_IPC_LOCK: memory stays locked when the
// capability is given up. Where locking is refused the arena still works; the figures say so, and memory.require_lock
// makes it fatal. Freed memory is wiped at once; whole pages of it go back to the kernel.
#pragma once

#include <cstddef>

namespace leasefs {

struct SecretArenaFigures {
  size_t reserved_bytes = 0;  // address space
  size_t used_bytes = 0;      // handed out now
  size_t overflow_bytes = 0;  // handed out from outside the range, since it was full (not locked)
  bool locked = false;
};

class SecretArena {
 public:
  static constexpr size_t kDefaultReserve = size_t{256} << 20;

  // The process's arena, set up with kDefaultReserve at first use.
  static SecretArena& Process();

  ~SecretArena() = delete;
  SecretArena(const SecretArena&) = delete;
  SecretArena& operator=(const SecretArena&) = delete;

  // Never null: memory that cannot be had ends the process, like operator new. `size` > 0. 16-byte aligned. Not zeroed.
  // *capacity receives the usable size, >= size.
  void* Allocate(size_t size, size_t* capacity);
  // Wipes `capacity` bytes and takes the memory back. `capacity` is what Allocate returned.
  void Free(void* memory, size_t capacity) noexcept;

  SecretArenaFigures Figures() const;

 private:
  SecretArena();
  struct Impl;
  Impl* impl_;
};

}  // namespace leasefs
