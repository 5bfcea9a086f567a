// AuditWriter: takes records out of the ring, puts them into words and into the sinks. One per fs process, with a
// thread of its own.
//
// Each sink goes at its own pace: one that fails is offered the same records again (after 100 ms, then up to 1 s). A
// record counts as accepted (S23) when one sink has it. A sink that is half a ring behind another one gives up its
// oldest records, counted as lost; while all sinks fail nothing is given up, and opens are refused. With no sink at all
// records are taken out unseen. After a burst the writer rests 20 ms, so that a busy stream costs one wake in that
// time, and an idle one none.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "fs/audit/audit_json.h"
#include "fs/audit/audit_ring.h"
#include "fs/audit/audit_sink.h"
#include "fs/audit/file_sink.h"
#include "fs/base/loop.h"
#include "fs/base/mutex.h"

namespace leasefs {

class AuditWriter {
 public:
  static constexpr size_t kBatch = 1024;  // records
  static constexpr Duration kRest = std::chrono::milliseconds(20);
  static constexpr Duration kFirstRetry = std::chrono::milliseconds(100);
  static constexpr Duration kLastRetry = std::chrono::seconds(1);

  // `clock`: only Now is asked. `paths` is called on the writer's thread. `sinks`: at most one of each SinkId.
  AuditWriter(const Loop& clock, AuditRing& ring, AuditFormatter::PathFunction paths,
              std::vector<std::unique_ptr<AuditSink>> sinks);
  ~AuditWriter();  // not while Run runs
  AuditWriter(const AuditWriter&) = delete;
  AuditWriter& operator=(const AuditWriter&) = delete;

  // The thread's body; returns after Stop. Blocks SIGPIPE in its thread. Goes on where the sinks' marks are then: a
  // writer may be made while its predecessor still runs, but run only after it.
  void Run();
  // Any thread: Run returns once a sink has everything that is in the ring, at the latest after `bound`. (A file on a
  // disk that hangs can hold up the thread in write(2) for longer: who joins it must be prepared to end the process
  // instead.)
  void Stop(Duration bound);
  // The audit file was renamed: go on into this one. Any thread. Without a file sink it is closed.
  void ReplaceFile(UniqueFd file);

  // One round without sleeping: what Run does, for simulated time. Returns the number of records that a sink took.
  size_t Step() { return RunRound().taken; }

  struct SinkFigures {
    std::string name;  // "file", "syslog"
    std::string target;
    bool up = true;
    BootTime since{};        // of `up`
    uint64_t accepted = 0;   // records, by this process
    uint64_t failed = 0;     // attempts
    uint64_t lost = 0;       // records given up
    uint64_t behind = 0;     // records that it does not have yet
    uint64_t position = 0;   // of the next one
    std::string last_error;  // also of the past
  };
  std::vector<SinkFigures> figures() const EXCLUDES(mutex_);  // any thread; empty: no sink, nothing is kept

 private:
  struct Outlet {
    std::unique_ptr<AuditSink> sink;
    uint64_t position = 0;  // next record
    bool up = true;
    Duration retry{};
    BootTime retry_at{};  // not before
  };
  struct Round {
    size_t taken = 0;
    bool more = false;  // a sink could go on at once
  };
  // Lines formatted from `position` on; two sinks at the same place share them.
  struct Batch {
    uint64_t position = 0;
    std::string text;
    std::vector<AuditLine> lines;
  };

  void GoToMarks() EXCLUDES(mutex_);
  Round RunRound();
  size_t Offer(size_t index, BootTime now);
  void Format(uint64_t position);
  void GiveUpOldest();
  void Note(size_t index, const AuditSink::Taken& taken, BootTime now) EXCLUDES(mutex_);
  size_t TakeUnseen();
  void Rest(const Round& round);
  bool AnyUp() const;
  bool Finished(const Round& round) const;

  const Loop& clock_;
  AuditRing& ring_;
  AuditFormatter formatter_;
  FileSink* file_ = nullptr;
  std::vector<Outlet> outlets_;
  Batch batch_;
  std::vector<AuditEvent> events_;  // kBatch, used again and again
  std::vector<size_t> line_ends_;
  std::atomic<bool> retry_now_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<int64_t> stop_by_{0};

  mutable Mutex mutex_;  // rank: leaf
  std::vector<SinkFigures> figures_ GUARDED_BY(mutex_);
};

}  // namespace leasefs
