// Freshness of what can be read again (S17), certificates, and values without any lease.
#include "tests/lease/machine_fixture.h"

namespace leasefs::lease {
namespace {

class StaticPlacesTest : public MachineFixture {
 protected:
  // A rotating password: changes every minute, `lag` late.
  void Rotate(Duration lag) {
    BootTime begin = loop_.Now();
    source_.on_get = [this, begin, lag](auto&&...) {
      Grant grant;
      auto said = (loop_.Now() - begin) / 1min;
      auto done = (loop_.Now() - begin - lag) / 1min;
      grant.fields.push_back({"password", false, SecretBuffer::CopyOf("p" + std::to_string(done))});
      grant.asked_at = loop_.Now();
      grant.changes_in = begin + (said + 1) * 1min - loop_.Now();
      return grant;
    };
  }
  Grant Value() {
    Grant grant;
    grant.fields.push_back({"key", false, SecretBuffer::CopyOf("value")});
    grant.asked_at = loop_.Now();
    return grant;
  }
};

TEST_F(StaticPlacesTest, S17_AValueIsFreshForTtlAndStaleForMaxStale) {
  source_.on_get = [&](auto&&...) { return Value(); };
  for (int i = 0; i < 50; ++i) {
    BootTime now = loop_.Now();
    Result<SecretVersion> version = Read("kv");
    ASSERT_TRUE(version.ok());
    EXPECT_FALSE(version->minted);
    EXPECT_GE(version->freshness->fresh_until, now + 54s);
    EXPECT_LE(version->freshness->fresh_until, now + 67s);
    EXPECT_EQ(version->freshness->stale_until, version->freshness->fresh_until + 15min);
    EXPECT_EQ(version->freshness->lease_end, kNever);
  }
}

TEST_F(StaticPlacesTest, S17_ADeletionTimeCapsBoth) {
  source_.on_get = [&](auto&&...) {
    Grant grant = Value();
    grant.ends = loop_.Now() + 10s;
    return grant;
  };
  Result<SecretVersion> version = Read("kv");
  EXPECT_EQ(version->freshness->fresh_until, version->freshness->lease_end);
  EXPECT_EQ(version->freshness->stale_until, version->freshness->lease_end);
  EXPECT_LE(version->lease_end, loop_.Now() + 10s);
}

TEST_F(StaticPlacesTest, ARotatingPasswordIsReadAgainAMomentAfterItChangesAndNotBefore) {
  Rotate(0s);
  Result<SecretVersion> version = Read("kv");
  EXPECT_GE(version->freshness->fresh_until, loop_.Now() + 58s);
  EXPECT_LE(version->freshness->fresh_until, loop_.Now() + 63s);
}

TEST_F(StaticPlacesTest, ARotationThatIsLateIsAskedForAgainWithinSeconds) {
  Rotate(5s);
  ASSERT_TRUE(Read("kv").ok());
  loop_.RunFor(61s);
  int reads = 0;
  Result<SecretVersion> version = Read("kv");
  while (Text(version) == "p0" && ++reads < 20) {
    EXPECT_LE(version->freshness->fresh_until, loop_.Now() + 2s);
    loop_.RunUntil(std::max(version->freshness->fresh_until, loop_.Now() + 1ms));
    version = Read("kv");
  }
  EXPECT_EQ(Text(version), "p1");
  EXPECT_LE(reads, 12);
}

TEST_F(StaticPlacesTest, AnOutageIsNotAskedAboutAgainForHalfASecondOrAsTheServerSays) {
  source_.on_get = [](auto&&...) { return Outage(ErrorKind::kRemote); };
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(Text(Read("kv")), "remote");
    loop_.RunFor(10ms);
  }
  EXPECT_LE(source_.figures.gets, 3);
  source_.on_get = [](auto&&...) {
    Failure failure = Outage(ErrorKind::kRemote);
    failure.retry_after = 1min;
    return failure;
  };
  loop_.RunFor(1s);
  (void)Read("kv");
  int asked = source_.figures.gets;
  loop_.RunFor(50s);
  EXPECT_EQ(Text(Read("kv")), "remote");
  EXPECT_EQ(source_.figures.gets, asked);
}

TEST_F(StaticPlacesTest, S14_ACertificateIsReplacedAt85PercentOfItsLife) {
  source_.on_get = [&](auto&&...) {
    Grant grant = Value();
    grant.fields[0].value = SecretBuffer::CopyOf("c" + std::to_string(source_.figures.gets));
    grant.ends = loop_.Now() + 100min;
    return grant;
  };
  EXPECT_EQ(Text(Read("db")), "c1");
  loop_.RunFor(84min);
  EXPECT_EQ(source_.figures.gets, 1);
  loop_.RunFor(2min);
  EXPECT_EQ(Text(Read("db")), "c2");
  EXPECT_EQ(published_.size(), 1U);
}

TEST_F(StaticPlacesTest, ACodeThatCannotBeHadBeforeTheLastOneEndsComesAtItsEnd) {
  BootTime begin = loop_.Now();
  source_.on_get = [&](auto&&...) {
    Grant grant = Value();
    auto period = (loop_.Now() - begin) / 30s;
    grant.fields[0].value = SecretBuffer::CopyOf("code" + std::to_string(period));
    grant.ends = begin + (period + 1) * 30s;
    return grant;
  };
  EXPECT_EQ(Text(Read("db")), "code0");
  for (int i = 0; i < 20; ++i) {
    loop_.RunFor(30s);
    EXPECT_EQ(Text(Read("db")), "code" + std::to_string(i + 1));
  }
  EXPECT_LE(source_.figures.gets, 22);
}

TEST_F(StaticPlacesTest, WhatHasNoEndIsMintedAgainAtTheFirstReadAfterTtlAndNeverInTheBackground) {
  source_.on_get = [&](auto&&...) { return Value(); };
  Result<SecretVersion> version = Read("db");
  EXPECT_TRUE(version->minted);
  EXPECT_EQ(version->lease_end, kNever);
  loop_.RunFor(10h);
  EXPECT_EQ(source_.figures.gets, 1);
  ASSERT_TRUE(Read("db").ok());
  EXPECT_EQ(source_.figures.gets, 2);
}

// An authority that was about to end cut its certificates short; then it was renewed.
TEST_F(StaticPlacesTest, S14_ACertificateThatOutlivesTheOneBeforeItIsReplacedInTimeAgain) {
  const BootTime authority_ends = loop_.Now() + 2h;
  bool renewed = false;
  source_.on_get = [&](auto&&...) {
    Grant grant = source_.NewGrant();
    grant.lease_id.clear();
    grant.life = Duration::zero();
    grant.ends = renewed ? source_.Now() + 10h : std::min(source_.Now() + 10h, authority_ends);
    return grant;
  };
  ASSERT_TRUE(Read("db").ok());
  loop_.RunFor(119min);
  EXPECT_EQ(source_.figures.gets, 2);  // at 85 %, and it was no better
  renewed = true;
  loop_.RunFor(2min);
  EXPECT_EQ(source_.figures.gets, 3);
  loop_.RunFor(8h);
  EXPECT_EQ(source_.figures.gets, 3);
  loop_.RunFor(1h);
  EXPECT_EQ(source_.figures.gets, 4);
}

}  // namespace
}  // namespace leasefs::lease
