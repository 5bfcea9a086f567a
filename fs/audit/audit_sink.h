// AuditSink: where the audit's lines go. Used on the writer's thread, unless a method says otherwise.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "fs/audit/audit_ring.h"

namespace leasefs {

struct AuditLine {
  std::string_view text;  // with its '\n'; the lines of one call lie one behind the other in memory
  bool notable = false;   // denied or failed
};

class AuditSink {
 public:
  struct Taken {
    size_t lines = 0;   // wholly in the sink, from the first one on
    size_t lost = 0;    // of these, lines that the sink can never take
    std::string error;  // why not all; "" when all were taken
  };

  virtual ~AuditSink() = default;
  virtual SinkId id() const = 0;
  virtual std::string_view name() const = 0;  // "file"
  virtual std::string target() const = 0;     // the path, for people
  // Offers `lines`, the first of which is the record at `position`; never empty. Takes what it can without waiting for
  // anybody, and keeps its mark in `ring`, so that a successor goes on at the right byte. What was not taken is offered
  // again.
  virtual Taken Write(AuditRing& ring, uint64_t position, std::span<const AuditLine> lines) = 0;
};

}  // namespace leasefs
