// HeldValues: which secrets' bytes are held, and how they are let go of. The kernel is told of what it must not keep.
//
// A secret is named by its directory. Not thread-safe: guarded by the gate's lock.
#pragma once

#include <cstdint>
#include <functional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "fs/base/time.h"
#include "fs/secrets/gate.h"
#include "fs/secrets/node_table.h"
#include "fs/secrets/value_cache.h"
#include "fs/secrets/version_table.h"

namespace leasefs {

class HeldValues {
 public:
  HeldValues(NodeTable& nodes, VersionTable& versions, ValueCache& cache, Notifier& notifier)
      : nodes_(nodes), versions_(versions), cache_(cache), notifier_(notifier) {}

  // Of every key that is shown there are bytes. What was too large has none: the limit may be another one now.
  bool HoldsAll(uint32_t directory) const;
  void NoteOpened(uint32_t directory, BootTime now) { last_opened_[directory] = now; }
  void NotePublished(uint32_t directory, BootTime now) { last_opened_.try_emplace(directory, now); }

  void Expire(uint32_t directory);    // it is not fresh: the next open asks, and so does the next stat
  void Withdraw(uint32_t directory);  // its bytes are not held any more; its names stay
  void Remove(uint32_t node);         // the node and all below it are gone

  // Lets go of what was not opened for longer than `keep` says.
  void LetGoUnused(BootTime now, const std::function<Duration(uint32_t directory)>& keep);
  // Lets go of what was not opened for longest, until `bytes` fit below `limit`. What is being read stays; when that
  // alone leaves too little room, nothing is let go of in vain and the answer is false.
  bool MakeRoom(uint64_t bytes, uint64_t limit);
  // limits.value is another one: withdraws what is larger, and what was too large under the old one.
  void ApplyValueLimit(uint64_t limit);
  // Those that were let go of since the last call, for their backends to be told.
  std::vector<uint32_t> TakeIdle() { return std::exchange(idle_, {}); }
  bool has_idle() const { return !idle_.empty(); }

  // Call at the end of whatever may have freed versions: their plaintext is wiped.
  void ForgetFreed();

 private:
  void LetGo(uint32_t directory);
  uint64_t Freeable(uint32_t directory) const;

  NodeTable& nodes_;
  VersionTable& versions_;
  ValueCache& cache_;
  Notifier& notifier_;
  std::unordered_map<uint32_t, BootTime> last_opened_;
  std::vector<uint32_t> idle_;
};

}  // namespace leasefs
