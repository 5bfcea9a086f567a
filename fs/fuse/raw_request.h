// Looks at a request as it came from the device, before libfuse does: libfuse trusts lengths and terminators, and a few
// opcodes need another answer than libfuse's. Pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace leasefs {

enum class Disposition {
  kDeliver,  // whole and well-formed as far as libfuse will look into it (also opcodes that are not known: ENOSYS)
  kInit,
  kInterrupt,  // handled by us: libfuse would search all waiting requests for it, and lets no request be answered
               // meanwhile
  kRefuse,     // answer `error`
  kDrop,       // nothing that could be answered
};

struct Examined {
  Disposition disposition = Disposition::kDrop;
  int error = 0;           // kRefuse: an errno
  bool malformed = false;  // lengths or names that no kernel sends
  bool answered = false;   // the kernel waits for a reply to it
  uint32_t opcode = 0;     // 0 when there is no whole header
  uint64_t unique = 0;
};

// `bytes` is what one read of the device returned.
Examined ExamineRequest(std::span<const std::byte> bytes);

// The request that an INTERRUPT, as examined, means.
uint64_t InterruptedUnique(std::span<const std::byte> interrupt);

}  // namespace leasefs
