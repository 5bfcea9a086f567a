// HeldValues: which secrets' bytes are held, and how they are let go of. The kernel is told of what it must not keep.
//
// A secret is named by its directory. Not thread-safe: guarded by the gate's lock.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "fs/base/time.h"
#include "fs/secrets/derived_files.h"
#include "fs/secrets/gate.h"
#include "fs/secrets/node_table.h"
#include "fs/secrets/value_cache.h"
#include "fs/secrets/version_table.h"

namespace leasefs {

class HeldValues {
 public:
  HeldValues(NodeTable& nodes, VersionTable& versions, const DerivedFiles& derived, ValueCache& cache,
             Notifier& notifier)
      : nodes_(nodes), versions_(versions), derived_(derived), cache_(cache), notifier_(notifier) {}

  // Of every key there are bytes. What was too large has none: the limit may be another one now.
  bool HoldsAll(uint32_t directory) const;
  // True: its backend was told that nobody opens it. It should be asked again, so that it knows better.
  bool NoteOpened(uint32_t directory, BootTime now);
  void NotePublished(uint32_t directory, BootTime now) { last_opened_.try_emplace(directory, now); }
  // A predecessor had it; perhaps it had told the backend that nobody opens it.
  void NoteSurvived(uint32_t directory, BootTime now);
  void NoteAsked(uint32_t directory) { resting_.erase(directory); }
  // It came with the names, for an open that is about to follow: that one fetched it, as its record says.
  void NoteBrought(uint32_t directory) { brought_.insert(directory); }
  bool TakeBrought(uint32_t directory) { return brought_.erase(directory) > 0; }
  // Call whenever the end of a lease was written into the directory's record.
  void NoteLease(uint32_t directory);

  // Both of what is made of it, too.
  void Expire(uint32_t directory);    // it is not fresh: the next open asks, and so does the next stat
  void Withdraw(uint32_t directory);  // its bytes are not held any more; its names stay
  void Drop(uint32_t file);           // the bytes of this one
  void Remove(uint32_t node);         // the node and all below it are gone

  struct Patience {
    Duration unused{};  // without an open
    bool idle = false;  // its tree has `idle`: not while a descriptor reads it, and then at once
  };
  // Lets go of what was not opened for longer than its patience. A lease that nothing revokes is still good, so what
  // was minted stays until its end, but its backend is told, so that it is not replaced for nobody (S15).
  void LetGoUnused(BootTime now, const std::function<Patience(uint32_t directory)>& patience);
  // S14: withdraws what may not be served any more.
  void WithdrawEnded(BootTime now);
  BootTime NextLeaseEnd() const { return lease_ends_.empty() ? kNever : lease_ends_.begin()->first; }
  bool LeaseEnded(uint32_t directory, BootTime now) const;  // it had one, which has ended
  // Lets go of what was not opened for longest, until `bytes` fit below `limit`. What is being read stays; when that
  // alone leaves too little room, nothing is let go of in vain and the answer is false. What was minted goes last, and
  // its backend keeps it: it is in use.
  bool MakeRoom(uint64_t bytes, uint64_t limit);
  // limits.value is another one: withdraws what is larger, and what was too large under the old one.
  void ApplyValueLimit(uint64_t limit);
  void ForgetUse(uint32_t directory) {  // its number may serve something else
    last_opened_.erase(directory);
    brought_.erase(directory);
  }
  // Those that were let go of since the last call, for their backends to be told.
  std::vector<uint32_t> TakeIdle() { return std::exchange(idle_, {}); }
  bool has_idle() const { return !idle_.empty(); }
  bool resting(uint32_t directory) const { return resting_.contains(directory); }

  // Call at the end of whatever may have freed versions: their plaintext is wiped.
  void ForgetFreed();

 private:
  uint64_t Freeable(uint32_t directory) const;
  bool Held(uint32_t directory) const;
  bool BeingRead(uint32_t directory) const;

  NodeTable& nodes_;
  VersionTable& versions_;
  const DerivedFiles& derived_;
  ValueCache& cache_;
  Notifier& notifier_;
  std::unordered_map<uint32_t, BootTime> last_opened_;
  std::vector<uint32_t> idle_;
  std::unordered_set<uint32_t> brought_;
  std::unordered_set<uint32_t> resting_;                // held, and their backends believe that nobody opens them
  std::set<std::pair<BootTime, uint32_t>> lease_ends_;  // may hold ends that were put off since
};

}  // namespace leasefs
