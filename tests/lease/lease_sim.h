// The lease machine under simulation: readers, an hour and more of faults, an oracle that knows what a reader may get
// and what a server may be asked. Everything follows from the seed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace leasefs::lease {

struct LeaseSimFigures {
  uint64_t opens = 0, served = 0, kills = 0, power_cuts = 0;
  uint64_t faults = 0, fewest_faults = UINT64_MAX;  // that had an effect; the fewest of one seed
  uint64_t questions = 0, mints = 0, logins = 0, renewals = 0;
};

// The first thing that was not legal, with the seed and the moment.
std::optional<std::string> RunLeaseSim(uint64_t seed, LeaseSimFigures* figures = nullptr);

}  // namespace leasefs::lease
