// Backends that tell nothing by themselves, outages, and clocks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fs/base/sim_loop.h"
#include "fs/secrets/secret_gate.h"
#include "tests/support/map_backend.h"
#include "tests/support/sim_mount.h"

namespace leasefs {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr Caller kAlice{1000, 1000, 11};
constexpr Duration kTtl = seconds(60);
constexpr Duration kMaxStale = minutes(15);

class GateFreshnessTest : public testing::Test {
 protected:
  GateFreshnessTest() {
    backend_.TellNothing();
    backend_.Put("web/tls", {{"key.pem", "KEY"}});
    ServerOptions options;
    options.ttl = kTtl;
    options.max_stale = kMaxStale;
    server_ = std::make_unique<BackendServer>(loop_, backend_, options);
    mount_.Connect("local", *server_);
    loop_.RunFor(seconds(1));
  }
  std::string Bytes() { return mount_.OpenNow("web/tls/key.pem", kAlice).bytes; }
  std::optional<ErrorKind> Failure() {
    SimRead read = mount_.OpenNow("web/tls/key.pem", kAlice);
    return read.error ? std::optional(read.error->kind()) : std::nullopt;
  }

  SimLoop loop_{1};
  MapBackend backend_{loop_};
  std::unique_ptr<BackendServer> server_;
  SimMount mount_{loop_, SimConfig({SimTree("web", "web")}, {AllowUser("web/**", 1000)})};
};

TEST_F(GateFreshnessTest, S17_WithinTtlNothingIsAskedAndAfterItTheNextOpenSeesAChange) {
  EXPECT_EQ(Bytes(), "KEY");
  backend_.Put("web/tls", {{"key.pem", "NEW"}});
  loop_.RunFor(kTtl / 2);
  EXPECT_EQ(Bytes(), "KEY");
  EXPECT_EQ(backend_.reads(), 1u);
  loop_.RunFor(kTtl);
  EXPECT_EQ(Bytes(), "NEW");
}

TEST_F(GateFreshnessTest, S2_TheKernelKeepsASizeForAsLongAsTheValueIsFresh) {
  EXPECT_EQ(Bytes(), "KEY");
  Attributes fresh = *mount_.StatNow("web/tls/key.pem", kAlice);
  EXPECT_GT(fresh.attribute_timeout, Duration::zero());
  EXPECT_LE(fresh.attribute_timeout, kTtl + kTtl / 5);
  backend_.Put("web/tls", {{"key.pem", "LONGER"}});
  loop_.RunFor(fresh.attribute_timeout);
  EXPECT_EQ(mount_.StatNow("web/tls/key.pem", kAlice)->size, 6u);
}

TEST_F(GateFreshnessTest, S17_AnOutageLeavesTheLastValueForMaxStaleAndNoLonger) {
  EXPECT_EQ(Bytes(), "KEY");
  for (ErrorKind outage : {ErrorKind::kUnreachable, ErrorKind::kRemote, ErrorKind::kLocked}) {
    backend_.SetOutage(outage);
    loop_.RunFor(minutes(4));
    EXPECT_EQ(Bytes(), "KEY") << ErrorKindName(outage);
    EXPECT_THAT(mount_.gate().Stat("web/tls/key.pem")->status, testing::StartsWith("stale: "));
  }
  loop_.RunFor(kMaxStale);
  EXPECT_EQ(Failure(), ErrorKind::kLocked);
  EXPECT_THAT(mount_.gate().Stat("web/tls/key.pem")->status, testing::StartsWith("failed: "));
  backend_.SetOutage(std::nullopt);
  loop_.RunFor(minutes(1));
  EXPECT_EQ(Bytes(), "KEY");
}

TEST_F(GateFreshnessTest, S17_NotThereAndNotAllowedAreAnswersAndTheValueGoesAtOnce) {
  EXPECT_EQ(Bytes(), "KEY");
  backend_.SetOutage(ErrorKind::kDenied);
  loop_.RunFor(kTtl + kTtl / 5);
  EXPECT_EQ(Failure(), ErrorKind::kDenied);
  backend_.SetOutage(std::nullopt);
  loop_.RunFor(minutes(1));
  EXPECT_EQ(Bytes(), "KEY");
  backend_.Put("web/tls", {});
  loop_.RunFor(kTtl + kTtl / 5);
  EXPECT_EQ(Failure(), ErrorKind::kNotFound);
}

TEST_F(GateFreshnessTest, S20_AStepOfTheWallClockChangesNoFreshness) {
  EXPECT_EQ(Bytes(), "KEY");
  for (Duration step : {Duration(hours(24 * 400)), Duration(-hours(24 * 800))}) {
    loop_.StepWallClock(step);
    EXPECT_EQ(Bytes(), "KEY");
    EXPECT_EQ(backend_.reads(), 1u) << "what was fresh was asked for again";
  }
  backend_.Put("web/tls", {{"key.pem", "NEW"}});
  loop_.RunFor(kTtl + kTtl / 5);
  EXPECT_EQ(Bytes(), "NEW") << "what was not fresh any more was kept";
}

TEST_F(GateFreshnessTest, S20_AStepOfTheWallClockChangesNoDeadline) {
  for (Duration step : {Duration(hours(24 * 400)), Duration(-hours(24 * 800))}) {
    backend_.SetDelay(minutes(1));
    std::optional<SimRead> read;
    BootTime start = loop_.Now();
    mount_.Open("web/tls/key.pem", kAlice, false, [&](SimRead result) { read = std::move(result); });
    loop_.RunFor(seconds(1));
    loop_.StepWallClock(step);
    loop_.RunFor(seconds(3));
    EXPECT_FALSE(read);
    loop_.RunFor(seconds(2));
    ASSERT_TRUE(read && read->error);
    EXPECT_EQ(read->error->kind(), ErrorKind::kUnreachable);
    EXPECT_EQ(read->ended - start, seconds(5));
    loop_.RunFor(minutes(2));
  }
}

}  // namespace
}  // namespace leasefs
