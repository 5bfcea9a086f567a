// InodeNotifier: tells the kernel to drop an inode's pages and attributes, from a thread of its own.
//
// Made before the gate, which holds it as its Notifier, and given to the session, which starts and stops the thread.
// What is queued before Start or after Stop waits. The queue is bounded and an inode that waits in it is not queued
// twice; when it is full the newest is dropped and counted. No lock is held while the kernel is told: it may wait for a
// READ that is being answered. Thread-safe; InvalidateInode never blocks and may be called under any lock (leaf rank).
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <semaphore>
#include <thread>
#include <unordered_set>

#include "fs/base/mutex.h"
#include "fs/secrets/gate.h"

namespace leasefs {

class InodeNotifier : public Notifier {
 public:
  static constexpr size_t kMaxQueued = size_t{1} << 16;
  // Tells the kernel; 0, or a negative errno. -ENOENT is normal: the kernel has forgotten the inode.
  using Tell = std::function<int(uint64_t inode)>;

  struct Counts {
    uint64_t told = 0;       // the kernel knew the inode
    uint64_t forgotten = 0;  // -ENOENT
    uint64_t failed = 0;
    uint64_t dropped = 0;  // the queue was full
  };

  explicit InodeNotifier(size_t max_queued = kMaxQueued) : max_queued_(max_queued) {}
  ~InodeNotifier() override { Stop(); }
  InodeNotifier(const InodeNotifier&) = delete;
  InodeNotifier& operator=(const InodeNotifier&) = delete;

  void InvalidateInode(NodeId id) override;
  // By the session. Stop waits for a notification that is under way, StopWithin for so long at most: false, the kernel
  // still holds it up (who calls it must see to it that READs are answered meanwhile).
  void Start(Tell tell);
  void Stop();
  bool StopWithin(std::chrono::milliseconds bound);
  Counts counts() const;

 private:
  void Run();
  bool Take(uint64_t* inode);

  const size_t max_queued_;
  Tell tell_;  // constant while the thread runs
  std::thread thread_;
  std::atomic<bool> stop_{false};
  std::binary_semaphore ended_{0};
  std::atomic<uint32_t> wake_{0};  // changes when there is something to do

  Mutex mutex_;  // leaf
  std::deque<uint64_t> queue_ GUARDED_BY(mutex_);
  std::unordered_set<uint64_t> queued_ GUARDED_BY(mutex_);

  std::atomic<uint64_t> told_{0};
  std::atomic<uint64_t> forgotten_{0};
  std::atomic<uint64_t> failed_{0};
  std::atomic<uint64_t> dropped_{0};
};

}  // namespace leasefs
