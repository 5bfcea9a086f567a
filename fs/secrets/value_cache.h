// ValueCache: plaintext of versions that are being read, in the locked arena, for a short time.
//
// At rest a value is sealed; a READ opens it, and the reads that follow find it here. Bounded in bytes; what was not
// used for kIdle is wiped by Sweep. Thread-safe; its mutex (rank 20) may be taken while the gate's is held.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>

#include "fs/base/mutex.h"
#include "fs/base/secret_buffer.h"
#include "fs/base/time.h"

namespace leasefs {

class ValueCache {
 public:
  static constexpr Duration kIdle = std::chrono::seconds(10);
  static constexpr size_t kMaxBytes = size_t{8} << 20;

  std::shared_ptr<const SecretBuffer> Find(uint32_t slot, BootTime now) EXCLUDES(mutex_);
  // Returns what is in the cache for the slot from now on, or `value` itself if it is too large to keep.
  std::shared_ptr<const SecretBuffer> Insert(uint32_t slot, SecretBuffer value, BootTime now) EXCLUDES(mutex_);
  void Forget(uint32_t slot) EXCLUDES(mutex_);
  void Sweep(BootTime now) EXCLUDES(mutex_);

 private:
  struct Entry {
    std::shared_ptr<const SecretBuffer> value;
    BootTime used;
  };
  void EvictOldest() REQUIRES(mutex_);

  Mutex mutex_;
  std::unordered_map<uint32_t, Entry> entries_ GUARDED_BY(mutex_);
  size_t bytes_ GUARDED_BY(mutex_) = 0;
};

}  // namespace leasefs
