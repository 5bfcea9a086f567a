#include "fs/secrets/value_cache.h"

#include <algorithm>

namespace leasefs {

std::shared_ptr<const SecretBuffer> ValueCache::Find(uint32_t slot, BootTime now) {
  MutexLock lock(mutex_);
  auto it = entries_.find(slot);
  if (it == entries_.end()) return nullptr;
  it->second.used = now;
  return it->second.value;
}

std::shared_ptr<const SecretBuffer> ValueCache::Insert(uint32_t slot, SecretBuffer value, BootTime now) {
  auto shared = std::make_shared<const SecretBuffer>(std::move(value));
  if (shared->size() > kMaxBytes / 2) return shared;
  MutexLock lock(mutex_);
  auto [it, added] = entries_.try_emplace(slot, Entry{shared, now});
  if (!added) return it->second.value;
  bytes_ += shared->size();
  while (bytes_ > kMaxBytes) EvictOldest();
  return shared;
}

void ValueCache::EvictOldest() {
  auto oldest = std::min_element(entries_.begin(), entries_.end(),
                                 [](const auto& a, const auto& b) { return a.second.used < b.second.used; });
  bytes_ -= oldest->second.value->size();
  entries_.erase(oldest);
}

void ValueCache::Forget(uint32_t slot) {
  MutexLock lock(mutex_);
  auto it = entries_.find(slot);
  if (it == entries_.end()) return;
  bytes_ -= it->second.value->size();
  entries_.erase(it);
}

void ValueCache::Sweep(BootTime now) {
  MutexLock lock(mutex_);
  for (auto it = entries_.begin(); it != entries_.end();) {
    if (now - it->second.used < kIdle) {
      ++it;
      continue;
    }
    bytes_ -= it->second.value->size();
    it = entries_.erase(it);
  }
}

}  // namespace leasefs
