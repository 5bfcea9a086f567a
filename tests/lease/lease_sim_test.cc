// Many simulated hours. LEASEFS_SIM_SEEDS (default 10000) and LEASEFS_SIM_FIRST choose the seeds; a failing one is a
// bug report: LEASEFS_SIM_FIRST=<seed> LEASEFS_SIM_SEEDS=1 runs it again.
#include "tests/lease/lease_sim.h"

#include <gtest/gtest.h>

#include <cstdio>

#include "tests/support/environment.h"

namespace leasefs::lease {
namespace {

TEST(LeaseSimTest, S14_S15_S16_S17_S18_S19_HoldInEverySeed) {
  uint64_t first = NumberFromEnvironment("LEASEFS_SIM_FIRST", 1);
  uint64_t seeds = NumberFromEnvironment("LEASEFS_SIM_SEEDS", 10000);
  LeaseSimFigures total;
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    auto violation = RunLeaseSim(seed, &total);
    ASSERT_FALSE(violation) << *violation;
  }
  std::printf(
      "%lu seeds: %lu opens, %lu served, %lu faults (%lu in a seed at least), %lu kills, %lu power cuts; "
      "%lu questions, %lu mints, %lu logins, %lu renewals\n",
      seeds, total.opens, total.served, total.faults, total.fewest_faults, total.kills, total.power_cuts,
      total.questions, total.mints, total.logins, total.renewals);
  EXPECT_GT(total.served, total.opens / 2);
  EXPECT_GE(total.fewest_faults, 5U);
}

}  // namespace
}  // namespace leasefs::lease
