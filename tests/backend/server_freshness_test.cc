// S17 and S18 as the backend's side keeps them: freshness, revalidation, back-off, the negative cache.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "backend/server.h"
#include "tests/backend/scripted_backend.h"

namespace leasefs {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::IsEmpty;
using testing::SizeIs;

constexpr Duration kTtl = seconds(60);
constexpr Duration kMaxStale = minutes(15);

class ServerFreshnessTest : public testing::Test {
 protected:
  ServerFreshnessTest() {
    backend_.pushes = false;
    fs_.Hello();
    Run(milliseconds(1));
  }
  void Run(Duration duration) { loop_.RunFor(duration); }
  // Asks for a secret that fs holds in version `known`; the answer is there afterwards, and nothing else.
  void Want(const std::string& secret, uint64_t known = 0) {
    fs_.Forget();
    fs_.Want(secret, known);
    Run(Duration(0));
  }
  protocol::Failed WantFails(const std::string& secret, uint64_t known = 0) {
    Want(secret, known);
    auto failed = fs_.All<protocol::Failed>();
    EXPECT_THAT(failed, SizeIs(1));
    return std::move(failed.at(0));
  }
  void FailWith(ErrorKind kind) { backend_.failures.insert_or_assign("s", Error(kind, "scripted")); }

  SimLoop loop_{1};
  ScriptedBackend backend_{loop_};
  BackendServer server_{loop_, backend_, {.ttl = kTtl, .max_stale = kMaxStale}};
  FsPeer fs_{loop_, server_};
};

TEST_F(ServerFreshnessTest, IsFreshForTtlGiveOrTakeATenth) {
  std::vector<Duration> lifetimes;
  for (int i = 0; i < 300; ++i) {
    std::string name = "s" + std::to_string(i);
    backend_.Put(name, {{"k", "v"}});
    Want(name);
    auto freshness = fs_.All<protocol::Published>().at(0).freshness;
    EXPECT_EQ(freshness.stale_until - freshness.fresh_until, kMaxStale);
    EXPECT_EQ(freshness.lease_end, kNever);
    lifetimes.push_back(freshness.fresh_until - loop_.Now());
  }
  auto [shortest, longest] = std::minmax_element(lifetimes.begin(), lifetimes.end());
  EXPECT_GE(*shortest, seconds(54));
  EXPECT_LT(*shortest, seconds(56));
  EXPECT_LE(*longest, seconds(66));
  EXPECT_GT(*longest, seconds(64));
}

TEST_F(ServerFreshnessTest, NothingIsFreshOrStaleBeyondItsLease) {
  backend_.lease_end = loop_.Now() + seconds(10);
  backend_.Put("s", {{"k", "v"}});
  Want("s");
  auto freshness = fs_.All<protocol::Published>().at(0).freshness;
  EXPECT_EQ(freshness.fresh_until, backend_.lease_end);
  EXPECT_EQ(freshness.stale_until, backend_.lease_end);
  EXPECT_EQ(freshness.lease_end, backend_.lease_end);
}

TEST_F(ServerFreshnessTest, ReadsAWantedSecretAgainAtItsTtlAndSaysThatItIsStillCurrent) {
  backend_.Put("s", {{"k", "v"}});
  Want("s");
  Run(seconds(50));
  EXPECT_EQ(backend_.reads["s"], 1);
  Run(seconds(20));
  EXPECT_EQ(backend_.reads["s"], 2);
  auto unchanged = fs_.All<protocol::Unchanged>();
  ASSERT_THAT(unchanged, SizeIs(1));
  EXPECT_GT(unchanged[0].freshness.fresh_until, loop_.Now());
  Run(seconds(60));
  EXPECT_EQ(backend_.reads["s"], 3);
}

TEST_F(ServerFreshnessTest, AVersionThatIsFreshIsNotAskedForAgain) {
  backend_.Put("s", {{"k", "v"}});
  Want("s");
  for (int i = 0; i < 50; ++i) {
    Run(seconds(1));
    Want("s", 1);
    EXPECT_EQ(fs_.Count<protocol::Unchanged>(), 1u);
  }
  EXPECT_EQ(backend_.reads["s"], 1);
}

TEST_F(ServerFreshnessTest, PublishesAChangeThatItFindsAtTtl) {
  backend_.Put("s", {{"k", "v"}});
  Want("s");
  fs_.Forget();
  backend_.Put("s", {{"k", "w"}});
  Run(seconds(50));
  EXPECT_THAT(fs_.All<protocol::Published>(), IsEmpty());
  Run(seconds(20));
  auto published = fs_.All<protocol::Published>();
  ASSERT_THAT(published, SizeIs(1));
  EXPECT_EQ(published[0].version, 2u);
  EXPECT_EQ(published[0].fields.at(0).value.ExposeText(), "w");
  EXPECT_EQ(backend_.reads["s"], 2);
  Want("s", 2);
  EXPECT_EQ(fs_.Count<protocol::Unchanged>(), 1u);
  EXPECT_EQ(backend_.reads["s"], 2);  // it came with the bytes
}

TEST_F(ServerFreshnessTest, TellsOnceThatASecretIsGone) {
  backend_.Put("s", {{"k", "v"}});
  Want("s");
  backend_.Remove("s");
  Run(seconds(70));
  EXPECT_THAT(fs_.All<protocol::Changed>(), SizeIs(1));
  EXPECT_EQ(WantFails("s", 1).kind, ErrorKind::kNotFound);
  Run(minutes(10));
  EXPECT_THAT(fs_.All<protocol::Changed>(), IsEmpty());
  EXPECT_EQ(server_.figures().held, 0u);
}

TEST_F(ServerFreshnessTest, AnIdleSecretIsNotReadAgain) {
  backend_.Put("s", {{"k", "v"}});
  Want("s");
  fs_.Send(protocol::Idle{"s"});
  Run(minutes(10));
  EXPECT_EQ(backend_.reads["s"], 1);
  EXPECT_EQ(loop_.pending(), 0u);
}

TEST_F(ServerFreshnessTest, AChangeFoundWhileFsIsAwayIsToldToItsSuccessor) {
  backend_.Put("s", {{"k", "v"}});
  std::optional<FsPeer> first;
  first.emplace(loop_, server_);
  first->Hello();
  first->Want("s");
  Run(seconds(1));
  first.reset();
  backend_.Put("s", {{"k", "w"}});
  Run(seconds(70));
  EXPECT_FALSE(server_.connected());
  FsPeer second(loop_, server_);
  second.Hello();
  Run(seconds(1));
  EXPECT_THAT(second.All<protocol::Changed>(), SizeIs(1));
}

TEST_F(ServerFreshnessTest, AnOutageLeavesWhatIsHeldAloneAndIsTriedAgain) {
  backend_.Put("s", {{"k", "v"}});
  Want("s");
  FailWith(ErrorKind::kUnreachable);
  Run(minutes(10));
  EXPECT_THAT(fs_.All<protocol::Changed>(), IsEmpty());
  EXPECT_THAT(fs_.All<protocol::Failed>(), IsEmpty());
  EXPECT_GT(backend_.reads["s"], 15);  // full jitter up to 30 s
  EXPECT_LT(backend_.reads["s"], 100);
  backend_.failures.clear();
  Run(seconds(31));
  EXPECT_THAT(fs_.All<protocol::Unchanged>(), testing::Not(IsEmpty()));
}

TEST_F(ServerFreshnessTest, OutagesBackOffWithFullJitterUpTo30Seconds) {
  backend_.Put("s", {{"k", "v"}});
  FailWith(ErrorKind::kRemote);
  Duration ceiling = milliseconds(500);
  Duration longest{};
  for (int i = 0; i < 200; ++i) {
    protocol::Failed failed = WantFails("s");
    EXPECT_EQ(failed.kind, ErrorKind::kRemote);
    EXPECT_EQ(failed.message, "scripted");
    Duration delay = failed.retry_at - loop_.Now();
    EXPECT_GE(delay, Duration(0));
    EXPECT_LE(delay, ceiling);
    longest = std::max(longest, delay);
    ceiling = std::min<Duration>(ceiling * 2, seconds(30));
  }
  EXPECT_GT(longest, seconds(28));
}

TEST_F(ServerFreshnessTest, SuccessEndsTheBackOff) {
  backend_.Put("s", {{"k", "v"}});
  FailWith(ErrorKind::kUnreachable);
  for (int i = 0; i < 10; ++i) WantFails("s");
  backend_.failures.clear();
  Want("s");
  ASSERT_EQ(fs_.Count<protocol::Published>(), 1u);
  FailWith(ErrorKind::kUnreachable);
  fs_.Forget();
  fs_.Send(protocol::Refresh{"s", 1});
  Run(Duration(0));
  EXPECT_LE(fs_.All<protocol::Failed>().at(0).retry_at - loop_.Now(), milliseconds(500));
}

TEST_F(ServerFreshnessTest, OneFailingPathDoesNotDelayAnother) {
  backend_.failures.insert_or_assign("t", Error(ErrorKind::kUnreachable, "scripted"));
  FailWith(ErrorKind::kUnreachable);
  for (int i = 0; i < 10; ++i) WantFails("s");
  EXPECT_LE(WantFails("t").retry_at - loop_.Now(), milliseconds(500));
}

TEST_F(ServerFreshnessTest, RefusalsAreNotAskedForAgainAtOnce) {
  EXPECT_EQ(WantFails("nowhere").retry_at - loop_.Now(), seconds(3));
  FailWith(ErrorKind::kDenied);
  EXPECT_EQ(WantFails("s").retry_at - loop_.Now(), seconds(5));
  fs_.Forget();
  fs_.Send(protocol::List{"nowhere"});
  Run(Duration(0));
  EXPECT_EQ(fs_.All<protocol::Failed>().at(0).retry_at - loop_.Now(), seconds(3));
}

TEST_F(ServerFreshnessTest, ABackendThatTellsNeedsNoNegativeCache) {
  backend_.pushes = true;
  EXPECT_EQ(WantFails("nowhere").retry_at, BootTime{});
  FailWith(ErrorKind::kDenied);
  EXPECT_EQ(WantFails("s").retry_at, BootTime{});
  FailWith(ErrorKind::kLocked);
  EXPECT_EQ(WantFails("s").retry_at, BootTime{});
}

TEST_F(ServerFreshnessTest, ALockedBackendThatDoesNotTellIsNotAskedWithoutPause) {
  backend_.Put("s", {{"k", "v"}});
  Want("s");
  FailWith(ErrorKind::kLocked);
  Run(minutes(10));
  EXPECT_LT(backend_.reads["s"], 100);
  EXPECT_THAT(fs_.All<protocol::Changed>(), IsEmpty());  // known values go on
}

TEST_F(ServerFreshnessTest, F2_AWaitThatTheBackendKnowsIsNeitherCutNorAddedTo) {
  backend_.Put("s", {{"k", "v"}});
  for (int i = 0; i < 10; ++i) {
    BootTime rest = loop_.Now() + seconds(7);
    backend_.failures.insert_or_assign("s", Error(ErrorKind::kUnreachable, "it rests").RetryAt(rest));
    EXPECT_EQ(WantFails("s").retry_at, rest);
  }
  backend_.failures.insert_or_assign("s", Error(ErrorKind::kUnreachable, "it rests").RetryAt(kNever));
  EXPECT_EQ(WantFails("s").retry_at - loop_.Now(), seconds(30));  // it may be refreshed, or configured anew, before
}

TEST_F(ServerFreshnessTest, ListingsBackOffToo) {
  backend_.failures.insert_or_assign("d", Error(ErrorKind::kUnreachable, "scripted"));
  Duration longest{};
  for (int i = 0; i < 50; ++i) {
    fs_.Forget();
    fs_.Send(protocol::List{"d"});
    Run(Duration(0));
    longest = std::max(longest, fs_.All<protocol::Failed>().at(0).retry_at - loop_.Now());
  }
  EXPECT_GT(longest, seconds(20));
}

}  // namespace
}  // namespace leasefs
