// limits.memory and limits.value, and names that cannot be shown.
#include <gtest/gtest.h>

#include "fs/base/sim_loop.h"
#include "tests/support/map_backend.h"
#include "tests/support/sim_mount.h"

namespace leasefs {
namespace {

constexpr Caller kAlice{1000, 1000, 11};
constexpr uint64_t kMemory = 10'000;

Config ConfigFor(uint64_t value_bytes) {
  Config config = SimConfig({SimTree("web", "web")}, {AllowUser("web/**", 1000)});
  config.limits.memory_bytes = kMemory;
  config.limits.value_bytes = value_bytes;
  return config;
}

class GateLimitsTest : public testing::Test {
 protected:
  GateLimitsTest() : backend_(loop_), server_(loop_, backend_, {}), mount_(loop_, ConfigFor(kMemory)) {
    mount_.Connect("local", server_);
    loop_.RunFor(std::chrono::seconds(1));
  }
  ErrorKind KindOf(const SimRead& read) { return read.error ? read.error->kind() : ErrorKind{}; }
  // As a reload does it: fs first, then the backends.
  void SetValueLimit(uint64_t value_bytes) {
    ASSERT_TRUE(mount_.Reload(ConfigFor(value_bytes)).ok());
    ServerOptions options;
    options.value_bytes = value_bytes;
    server_.SetOptions(options);
    loop_.RunFor(std::chrono::seconds(1));
  }

  SimLoop loop_{1};
  MapBackend backend_;
  BackendServer server_;
  SimMount mount_;
};

TEST_F(GateLimitsTest, S25_NothingIsLetGoOfInVain) {
  backend_.Put("web/held", {{"k", std::string(6'000, 'h')}});
  backend_.Put("web/warm", {{"k", std::string(1'000, 'w')}});
  backend_.Put("web/large", {{"k", std::string(5'000, 'l')}});
  SimRead held = mount_.OpenNow("web/held/k", kAlice, true);
  EXPECT_FALSE(mount_.OpenNow("web/warm/k", kAlice).error);
  uint64_t reads = backend_.reads();
  EXPECT_EQ(KindOf(mount_.OpenNow("web/large/k", kAlice)), ErrorKind::kNoMemory);
  EXPECT_FALSE(mount_.OpenNow("web/warm/k", kAlice).error);
  EXPECT_EQ(backend_.reads(), reads + 2);  // by the lookup and by the open, and none of what is warm
  mount_.Close(held);
  EXPECT_FALSE(mount_.OpenNow("web/large/k", kAlice).error);
}

TEST_F(GateLimitsTest, TheBackendIsToldWhatIsLetGoOf) {
  for (int i = 0; i < 20; ++i) {
    std::string secret = "web/s" + std::to_string(i);
    backend_.Put(secret, {{"k", std::string(2'000, 'x')}});
    loop_.RunFor(std::chrono::milliseconds(10));
    EXPECT_FALSE(mount_.OpenNow(secret + "/k", kAlice).error);
  }
  loop_.RunFor(std::chrono::seconds(1));
  EXPECT_EQ(server_.figures().held, mount_.gate().Report().trees[0].held);
}

TEST_F(GateLimitsTest, ALimitThatWasRaisedOrLoweredHoldsForWhatIsHeld) {
  SetValueLimit(100);
  backend_.Put("web/v", {{"large", std::string(150, 'l')}, {"small", "s"}});
  EXPECT_EQ(KindOf(mount_.OpenNow("web/v/large", kAlice)), ErrorKind::kTooLarge);
  SetValueLimit(200);
  EXPECT_EQ(mount_.OpenNow("web/v/large", kAlice).bytes, std::string(150, 'l'));
  SimRead open = mount_.OpenNow("web/v/large", kAlice, true);
  SetValueLimit(100);
  EXPECT_EQ(KindOf(mount_.OpenNow("web/v/large", kAlice)), ErrorKind::kTooLarge);
  EXPECT_EQ(mount_.OpenNow("web/v/small", kAlice).bytes, "s");
  EXPECT_EQ(*mount_.ReadAgain(open), std::string(150, 'l'));
}

TEST_F(GateLimitsTest, AnOpenBetweenTheTwoHalvesOfAReloadDoesNotKeepTheOldLimit) {
  SetValueLimit(100);
  backend_.Put("web/v", {{"large", std::string(150, 'l')}});
  ASSERT_TRUE(mount_.Reload(ConfigFor(200)).ok());
  EXPECT_EQ(KindOf(mount_.OpenNow("web/v/large", kAlice)), ErrorKind::kTooLarge);
  SetValueLimit(200);
  EXPECT_EQ(mount_.OpenNow("web/v/large", kAlice).bytes, std::string(150, 'l'));
}

TEST_F(GateLimitsTest, ABackendThatHasNotHeardOfTheLimitYetCannotBreakIt) {
  ASSERT_TRUE(mount_.Reload(ConfigFor(100)).ok());
  backend_.Put("web/v", {{"large", std::string(150, 'l')}});
  EXPECT_EQ(KindOf(mount_.OpenNow("web/v/large", kAlice)), ErrorKind::kTooLarge);
}

TEST_F(GateLimitsTest, S4_NamesThatAreNotShownAreCountedAsTheyAreNow) {
  std::string name(200, '/');
  backend_.Put("web/v", {{name, "x"}, {"k", "v"}});
  EXPECT_EQ(mount_.ListNow("web/v", kAlice)->size(), 1u);
  EXPECT_EQ(mount_.gate().Report().names_not_shown, 1u);
  SetValueLimit(1'000);  // everything is asked for again
  EXPECT_EQ(mount_.ListNow("web/v", kAlice)->size(), 1u);
  EXPECT_FALSE(mount_.OpenNow("web/v/k", kAlice).error);
  EXPECT_EQ(mount_.gate().Report().names_not_shown, 1u);
  backend_.Put("web/v", {{"k", "v"}});
  loop_.RunFor(std::chrono::seconds(1));
  EXPECT_EQ(mount_.ListNow("web/v", kAlice)->size(), 1u);
  EXPECT_EQ(mount_.gate().Report().names_not_shown, 0u);
}

}  // namespace
}  // namespace leasefs
