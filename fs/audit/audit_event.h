// One act that the audit records. Fixed size, numbers only: no value of any kind can enter it. The path is told by the
// node's number, which never changes its meaning while a mount lives; the writer puts it into words.
#pragma once

#include <cstdint>
#include <type_traits>

namespace leasefs {

struct AuditEvent {
  // kVoid: a record that was begun and not finished, since fs was killed; the open was not answered and is recorded
  // again.
  enum class Kind : uint8_t { kOpen, kOpenDirectory, kAdmin, kVoid };
  enum class Source : uint8_t { kNone, kFetched, kCached, kStale };

  int64_t boot_ns = 0;
  int64_t wall_ns = 0;
  uint64_t unique = 0;          // the request's number, so that a replay is recorded once; 0 none
  uint64_t generation = 0;      // of the rules
  uint64_t secret_version = 0;  // the backend's
  uint32_t node = 0;            // the file (kOpen) or directory
  uint32_t file_version = 0;
  uint32_t uid = 0, gid = 0, tid = 0;
  int32_t rule = -1;        // the deciding rule's index, -1 none
  int32_t error = 0;        // errno that the caller gets, 0 = allowed
  uint32_t latency_us = 0;  // from the request's arrival to the decision
  int32_t age_s = -1;       // of the value, -1 none
  Kind kind = Kind::kOpen;
  Source source = Source::kNone;
  char verb[10] = {};  // kAdmin, filled with NUL
  uint32_t text = 0;   // kAdmin: where the ring keeps the path; set by AppendAdmin. 0 none
  uint32_t spare = 0;  // so that there is no padding: the ring copies whole words
};
static_assert(sizeof(AuditEvent) == 96 && std::has_unique_object_representations_v<AuditEvent>);

}  // namespace leasefs
