// The audit's ring in surviving memory: a record is in it before the reply is sent (S23), and a successor of a killed fs
// goes on feeding the sinks from where the last one stopped.
//
// Many writers (request threads), one reader (the AuditWriter). Lock-free; Append does not block and makes at most one system
// call, when the writer sleeps.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "fs/base/result.h"
#include "fs/base/time.h"

namespace leasefs {

// One act. Fixed size, numbers only: no value of any kind can enter it. The path is told by the node's number, which never
// changes its meaning while a mount lives; it is put into words by the sink.
struct AuditEvent {
  enum class Kind : uint8_t { kOpen, kOpenDirectory, kAdmin };
  enum class Source : uint8_t { kNone, kFetched, kCached, kStale };
  int64_t boot_ns = 0;
  int64_t wall_ns = 0;
  uint64_t unique = 0;         // the request's number, so that a replay is recorded once
  uint64_t generation = 0;     // of the rules
  uint64_t secret_version = 0; // the backend's
  uint32_t node = 0;           // file (kOpen); see NodeTable
  uint32_t file_version = 0;
  uint32_t uid = 0, gid = 0, tid = 0;
  int32_t rule = -1;           // the deciding rule's index, -1 none
  int32_t error = 0;           // errno that the caller gets, 0 = allowed
  uint32_t latency_us = 0;     // from the request's arrival to the decision
  int32_t age_s = -1;          // of the value, -1 none
  Kind kind = Kind::kOpen;
  Source source = Source::kNone;
  char verb[10] = {};          // kAdmin
  uint32_t text = 0;           // kAdmin: index of the path in the ring's small text area; 0 none
};
static_assert(sizeof(AuditEvent) <= 112);

// The layout of the memory. Zeroed memory is an empty ring. Versioned by AuditRing::kLayout.
class AuditRing {
 public:
  static constexpr uint32_t kLayout = 1;
  static constexpr size_t kRecords = 32768;      // power of two
  static constexpr size_t kTexts = 64;
  static constexpr size_t kTextBytes = 1024;
  static size_t MemoryBytes();

  // `memory` is MemoryBytes() long, shared and zero at first use. kInvalid: another layout.
  static Result<AuditRing> Attach(std::span<std::byte> memory);

  // kInternal when the ring is full, or when its oldest record has waited for a sink longer than `max_wait` (S23).
  // `required` false: such a record is dropped and counted instead, and the answer is success.
  Status Append(const AuditEvent& event, BootTime now, Duration max_wait, bool required);
  // An act on the store, with its path (cut at kTextBytes).
  Status AppendAdmin(AuditEvent event, std::string_view path, BootTime now, Duration max_wait, bool required);

  // For the writer. Peek: up to `max` of the oldest records, in order, with their sequence numbers; Consume: they are in a sink.
  struct Numbered {
    uint64_t sequence;
    AuditEvent event;
  };
  size_t Peek(std::span<Numbered> out) const;
  void Consume(size_t count);
  std::string Text(uint32_t index) const;
  // Sleeps until there is a record, or `timeout`; and Append wakes a sleeper.
  void WaitForRecord(Duration timeout);

  struct Figures {
    uint64_t appended = 0, consumed = 0, dropped = 0, refused = 0;
  };
  Figures figures() const;
  BootTime oldest() const;  // arrival of the oldest record not consumed; kNever when empty

 private:
  struct Layout;
  explicit AuditRing(Layout* layout) : layout_(layout) {}
  Layout* layout_;
};

}  // namespace leasefs
