#include "backend/http/address_health.h"

#include <gtest/gtest.h>

#include "fs/base/sim_loop.h"

namespace leasefs::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class AddressHealthTest : public testing::Test {
 protected:
  void Fail() {
    now_ = std::max(now_, health_.ReadyAt());
    health_.Failed(health_.Begin(), now_, random_);
  }

  SimRandom random_{1};
  BootTime now_{std::chrono::hours(1)};
  HealthOptions options_;
  AddressHealth health_{options_};
};

TEST_F(AddressHealthTest, ANewAddressIsReady) {
  EXPECT_LE(health_.ReadyAt(), now_);
  EXPECT_EQ(health_.breaker(), Breaker::kClosed);
}

TEST_F(AddressHealthTest, RestsGrowWithFullJitterUpToTheirBound) {
  Duration longest{};
  for (int round = 0; round < 200; ++round) {
    AddressHealth health(options_);
    Duration bound = options_.first_backoff;
    for (int failure = 0; failure < 9; ++failure) {
      now_ = std::max(now_, health.ReadyAt());
      health.Failed(health.Begin(), now_, random_);
      const Duration rest = health.ReadyAt() - now_;
      EXPECT_GE(rest, options_.backoff_floor);
      EXPECT_LE(rest, bound);
      longest = std::max(longest, rest);
      bound = std::min(bound * 2, options_.max_backoff);
    }
  }
  EXPECT_GT(longest, seconds(29));  // 0.5 s doubled to 30 s, and drawn from all of it
}

TEST_F(AddressHealthTest, FailuresThatBeganTogetherCountOnce) {
  const auto first = health_.Begin();
  const auto second = health_.Begin();
  health_.Failed(first, now_, random_);
  const BootTime ready_at = health_.ReadyAt();
  health_.Failed(second, now_ + seconds(1), random_);
  EXPECT_EQ(health_.failures_in_a_row(), 1U);
  EXPECT_EQ(health_.ReadyAt(), ready_at);
}

TEST_F(AddressHealthTest, AnAnswerFromBeforeTheFailureDoesNotEndTheRest) {
  const auto slow = health_.Begin();
  Fail();
  health_.Succeeded(slow);
  EXPECT_EQ(health_.failures_in_a_row(), 1U);
}

TEST_F(AddressHealthTest, TheBreakerOpensAndLetsOneThrough) {
  for (uint32_t i = 0; i < options_.failures_to_open; ++i) Fail();
  EXPECT_EQ(health_.breaker(), Breaker::kOpen);
  EXPECT_GT(health_.ReadyAt(), now_);
  now_ = health_.ReadyAt();
  const auto trial = health_.Begin();
  EXPECT_EQ(health_.breaker(), Breaker::kHalfOpen);
  EXPECT_EQ(health_.ReadyAt(), kNever);
  health_.Succeeded(trial);
  EXPECT_EQ(health_.breaker(), Breaker::kClosed);
  EXPECT_LE(health_.ReadyAt(), now_);
}

TEST_F(AddressHealthTest, ATrialThatFailsOpensTheBreakerAgain) {
  for (uint32_t i = 0; i < options_.failures_to_open + 1; ++i) Fail();
  EXPECT_EQ(health_.breaker(), Breaker::kOpen);
  EXPECT_GT(health_.ReadyAt(), now_);
  EXPECT_NE(health_.ReadyAt(), kNever);
}

TEST_F(AddressHealthTest, ATrialThatIsCancelledMakesRoomForAnother) {
  for (uint32_t i = 0; i < options_.failures_to_open; ++i) Fail();
  now_ = health_.ReadyAt();
  health_.Abandoned(health_.Begin());
  EXPECT_EQ(health_.breaker(), Breaker::kOpen);
  EXPECT_LE(health_.ReadyAt(), now_);
}

}  // namespace
}  // namespace leasefs::http
