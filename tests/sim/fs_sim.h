// One simulated hour and more of a mount, from one seed: readers, writers, and faults at any moment, with an oracle
// that knows the legal answers. Everything above fs/base runs as it is; the kernel and the secrets' source are small
// models (tests/support).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace leasefs {

struct FsSimFigures {
  uint64_t opens = 0;
  uint64_t served = 0;
  uint64_t faults = 0;
  uint64_t puts = 0;
};

// The first violation that was seen, in words; nothing when every answer was legal.
std::optional<std::string> RunFsSim(uint64_t seed, FsSimFigures* figures = nullptr);

}  // namespace leasefs
