// Linked with one source of the machine in which a bug was planted: the simulation must find it. Exit 0 if it does.
#include <cstdio>

#include "tests/lease/lease_sim.h"

int main() {
  constexpr uint64_t kSeeds = 400;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    auto violation = leasefs::lease::RunLeaseSim(seed);
    if (!violation) continue;
    std::printf("caught: %s\n", violation->c_str());
    return 0;
  }
  std::printf("the planted bug was not caught in %lu seeds\n", kSeeds);
  return 1;
}
