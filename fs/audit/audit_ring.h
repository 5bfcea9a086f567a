// The audit's ring in surviving memory: a record is in it before the reply is sent (S23), and a successor of a killed
// fs goes on feeding the sinks from where the last one stopped.
//
// Records have positions 0, 1, 2, …; a record's sequence number in the log is its position + 1. Three cursors:
//
//     released <= accepted <= head        released: every sink has it (or gave it up), its place may be used again
//                                         accepted: at least one sink has it
//                                         head:     the next record's position
//
// Many appenders (request threads), one consumer (the AuditWriter). Lock-free: Append does not block, and makes a
// system call only to wake a writer that sleeps. An appender killed half way leaves a place that was taken and never
// filled; Attach fills it with kVoid.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "fs/audit/audit_event.h"
#include "fs/base/result.h"
#include "fs/base/time.h"

namespace leasefs {

// How far a sink came, and where in which file that was, so that a successor neither repeats nor tears a line.
struct SinkMark {
  uint64_t position = 0;  // the first record that is not wholly in the sink
  uint64_t device = 0;    // of the file; 0 for sinks that are no file
  uint64_t inode = 0;
  uint64_t offset = 0;  // regular file: its size where that line begins; else: bytes of it written
};
enum class SinkId : uint8_t { kFile, kSyslog };
inline constexpr size_t kSinkIds = 2;

// What the writer does just now; decides how a late record is judged.
enum class WriterState : uint32_t { kAbsent, kBetween, kInSink, kFailing };

class AuditRing {
 public:
  static constexpr uint32_t kLayout = 3;
  static constexpr size_t kRecords = 32768;  // places; a power of two
  static constexpr size_t kTexts = 64;       // acts on the store that may wait at once, + 1
  static constexpr size_t kTextBytes = 1024;
  static constexpr size_t kReplayWindow = 4096;
  static constexpr size_t kChunk = 1024;  // released records whose memory is given back together
  // The most that may wait: those released last stay, for replays and because giving back comes after releasing.
  static constexpr size_t kCapacity = kRecords - kReplayWindow - kChunk;
  static size_t MemoryBytes();

  // `memory` is MemoryBytes() long, aligned to a page, shared, and zero at first use. Nobody else may append or consume
  // during the call; it clears up what a predecessor left half done. kInvalid: too small, or another layout.
  static Result<AuditRing> Attach(std::span<std::byte> memory);
  AuditRing(AuditRing&&) noexcept;
  AuditRing& operator=(AuditRing&&) noexcept;
  ~AuditRing();

  // kInternal when kCapacity records wait, or when the oldest that no sink has accepted waited longer than `max_wait`
  // (S23). Time before this process attached does not count. While a writer runs and is not held up by a sink,
  // `max_wait` counts anew from the moment when a late record is first noticed: after a suspend or a stall the writer
  // gets its turn first. `required` false: recorded while there is room, else dropped and counted, and the answer is
  // success.
  Status Append(const AuditEvent& event, BootTime now, Duration max_wait, bool required);
  // An act on the store, with its path (cut at kTextBytes). Also kInternal while kTexts - 1 acts wait.
  Status AppendAdmin(AuditEvent event, std::string_view path, BootTime now, Duration max_wait, bool required);

  // The record of a request among the last kReplayWindow, consumed or not. For replays only: it scans.
  std::optional<AuditEvent> Find(uint64_t unique) const;
  bool Contains(uint64_t unique) const { return Find(unique).has_value(); }

  // ---- for the writer ----
  // Finished records from `position` on, in order, without a gap.
  size_t Peek(uint64_t position, std::span<AuditEvent> out) const;
  // The path of an admin record that is not released.
  std::string Text(uint64_t position, const AuditEvent& event) const;
  SinkMark mark(SinkId sink) const;
  void SetMark(SinkId sink, const SinkMark& mark);  // all of it or nothing, also if killed within
  void Accept(uint64_t position);                   // all before it are in a sink. Never moves back
  // All before it may be overwritten. Never moves back. Memory behind the replay window goes back to the system: a ring
  // that is kept empty costs 640 KiB, not the 4 MiB of all its places.
  void Release(uint64_t position);
  void SetWriterState(WriterState state, BootTime now);
  // Sleep until there is a finished record at `position`, or Wake, or `timeout` (Duration::max(): none). Linger is not
  // ended by a record until a quarter of the ring waits, so that a busy stream pays for few wakes.
  void WaitForRecord(uint64_t position, Duration timeout);
  void Linger(Duration timeout);
  void Wake();  // any thread; not lost when nobody sleeps yet

  struct Figures {
    uint64_t appended = 0, accepted = 0, released = 0;
    uint64_t dropped = 0;  // not recorded, since audit.required = false
    uint64_t refused = 0;  // not recorded, and the open failed
    uint64_t voids = 0;    // left unfinished by a kill
  };
  Figures figures() const;
  BootTime oldest() const;  // arrival of the oldest record that no sink has; kNever when there is none

 private:
  struct Layout;
  struct Local;
  AuditRing(Layout* layout, std::unique_ptr<Local> local);
  bool Late(BootTime now, Duration max_wait);
  std::optional<uint64_t> Reserve();
  void FreeText(uint64_t position);
  void GiveBackChunk(uint64_t released);
  void Commit(uint64_t position, const AuditEvent& event, BootTime now);
  Status Refuse(bool required, std::string_view why);
  void Sleep(uint32_t how, uint64_t position, Duration timeout);
  Layout* layout_;                // shared memory
  std::unique_ptr<Local> local_;  // of this process only
};

}  // namespace leasefs
