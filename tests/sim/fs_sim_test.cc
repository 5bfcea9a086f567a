// Many simulated hours. LEASEFS_SIM_SEEDS (default 1000) and LEASEFS_SIM_FIRST choose the seeds; a failing one is a bug
// report: LEASEFS_SIM_FIRST=<seed> LEASEFS_SIM_SEEDS=1 runs it again.
#include "tests/sim/fs_sim.h"

#include <gtest/gtest.h>

#include <cstdio>

#include "tests/support/environment.h"

namespace leasefs {
namespace {

TEST(FsSimTest, EveryAnswerOfEverySeedIsLegal) {
  uint64_t first = NumberFromEnvironment("LEASEFS_SIM_FIRST", 1);
  uint64_t seeds = NumberFromEnvironment("LEASEFS_SIM_SEEDS", 1000);
  FsSimFigures total;
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    FsSimFigures figures;
    auto violation = RunFsSim(seed, &figures);
    ASSERT_FALSE(violation) << *violation;
    total.opens += figures.opens;
    total.served += figures.served;
    total.faults += figures.faults;
    total.puts += figures.puts;
  }
  std::printf("%lu seeds: %lu opens, %lu served, %lu changes, %lu faults\n", seeds, total.opens, total.served,
              total.puts, total.faults);
  EXPECT_GT(total.served, total.opens / 10);
}

}  // namespace
}  // namespace leasefs
