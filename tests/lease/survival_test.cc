// What a successor of a killed process does with the records: nothing that was done already.
#include "tests/lease/machine_fixture.h"

namespace leasefs::lease {
namespace {

using LeaseSurvivalTest = MachineFixture;

TEST_F(LeaseSurvivalTest, S15_ASuccessorNeitherLogsInNorMintsNorRenewsEarly) {
  Result<SecretVersion> first = Read("db");
  ASSERT_TRUE(first.ok());
  for (int i = 0; i < 100; ++i) {
    Restart();
    Result<SecretVersion> again = Read("db", 0ms);
    ASSERT_TRUE(again.ok());
    EXPECT_EQ(again->version, first->version);
    EXPECT_EQ(Text(again), "password-1");
    loop_.RunFor(10s);
  }
  EXPECT_EQ(source_.figures.all(), 3);  // login, find, mint
  loop_.RunFor(30min);
  EXPECT_EQ(source_.figures.renewals, 1);
  EXPECT_EQ(machine_->Report().orphans, 0U);
}

TEST_F(LeaseSurvivalTest, S16_AnotherLoginInTheSettingsReplacesTheTokenAtOnceAndBreaksNothing) {
  options_.identities[""] = "approle web";
  Restart();
  ASSERT_EQ(Text(Read("db")), "password-1");
  Restart();
  loop_.RunFor(1min);
  ASSERT_EQ(source_.figures.logins, 1);
  options_.identities[""] = "approle other";
  bool refused = true;
  source_.on_login = [&](auto&&...) -> Answer<Token> {
    if (refused) return Refused(ErrorKind::kLoginRefused);
    return source_.NewToken();
  };
  Restart();
  loop_.RunFor(1s);
  EXPECT_EQ(source_.figures.logins, 2);
  EXPECT_EQ(Text(Read("db")), "password-1");  // the token of before is good for what was made with it
  refused = false;
  loop_.RunFor(5min);
  EXPECT_EQ(source_.figures.logins, 3);
  Restart();
  loop_.RunFor(30min);
  EXPECT_EQ(source_.figures.logins, 3);
  EXPECT_EQ(Text(Read("db")), "password-1");
  loop_.RunFor(30min);
  EXPECT_EQ(Text(Read("db")), "password-2");  // replaced before the old token ended
}

TEST_F(LeaseSurvivalTest, S18_AnotherLoginThatFailsCostsNoLease) {
  options_.identities[""] = "approle web";
  Restart();
  ASSERT_EQ(Text(Read("db")), "password-1");
  options_.identities[""] = "approle misspelt";
  source_.on_login = [](auto&&...) { return Refused(ErrorKind::kLoginRefused); };
  Restart();
  loop_.RunFor(4h);  // of tokens and leases of an hour
  EXPECT_EQ(Text(Read("db")), "password-1");
  EXPECT_GT(source_.figures.logins, 2);
  EXPECT_GT(source_.figures.token_renewals, 3);
}

TEST_F(LeaseSurvivalTest, S9_NoNumberIsGivenTwiceWhenTheCountersAreLost) {
  Result<SecretVersion> first = Read("db");
  ASSERT_TRUE(first.ok());
  records_.Erase("counters");
  Restart();
  source_.on_renew = [](auto&&...) { return Gone(); };
  loop_.RunFor(1h);
  EXPECT_GT(Read("db")->version, first->version);
}

TEST_F(LeaseSurvivalTest, AMintWithoutAnAnswerIsAnOrphanAndCostsOneMoreMintAfterItsInterval) {
  source_.latency = 20ms;
  (void)Read("db", 50ms);
  ASSERT_EQ(source_.figures.gets, 1);
  Restart();
  EXPECT_EQ(machine_->Report().orphans, 1U);
  EXPECT_FALSE(Read("db", 1s).ok());
  EXPECT_EQ(source_.figures.gets, 1);
  loop_.RunFor(10s);
  EXPECT_EQ(Text(Read("db", 100ms)), "password-2");
  Restart();
  EXPECT_EQ(machine_->Report().orphans, 1U);
  EXPECT_EQ(source_.figures.gets, 2);
}

TEST_F(LeaseSurvivalTest, EqualBytesKeepTheirNumberOverARestartAndOthersNeverGetIt) {
  std::string text = "a";
  uint64_t number = 7;
  source_.on_get = [&](auto&&...) {
    Grant grant;
    grant.fields.push_back({"key", false, SecretBuffer::CopyOf(text)});
    grant.number = number;
    return grant;
  };
  EXPECT_EQ(Read("kv")->version, 7U);
  Restart();
  EXPECT_EQ(Read("kv")->version, 7U);
  number = 1;  // destroyed, and made anew
  text = "b";
  EXPECT_EQ(Read("kv")->version, 8U);
  text = "a";
  Restart();
  EXPECT_EQ(Read("kv")->version, 9U);
  number = 20;
  EXPECT_EQ(Read("kv")->version, 9U);  // S9: equal bytes are no new version
}

TEST_F(LeaseSurvivalTest, WhetherASecretIsInUseIsRemembered) {
  source_.on_get = [&](auto&&...) {
    Grant grant = source_.NewGrant();
    grant.renewable = false;
    return grant;
  };
  ASSERT_TRUE(Read("db").ok());
  Restart();
  loop_.RunFor(55min);
  EXPECT_EQ(source_.figures.gets, 2);
  machine_->Forget("db");
  Restart();
  loop_.RunFor(3h);
  EXPECT_EQ(source_.figures.gets, 2);
}

TEST_F(LeaseSurvivalTest, ATreeThatAsksForSomethingElseLeavesTheOldLeaseToItsHolders) {
  ASSERT_TRUE(Read("db").ok());
  db().params["ttl"] = "\"5m\"";
  machine_->SetOptions(options_);
  EXPECT_EQ(changed_, std::vector<std::string>{"db"});
  loop_.RunFor(11s);
  EXPECT_EQ(Text(Read("db", 100ms)), "password-2");
  db().params["ttl"] = "\"6m\"";
  loop_.RunFor(11s);
  Restart();
  EXPECT_EQ(Text(Read("db", 100ms)), "password-3");
  EXPECT_EQ(machine_->Report().leases.size(), 3U);
  EXPECT_EQ(source_.figures.revocations, 0);
}

TEST_F(LeaseSurvivalTest, ATreeThatBecomesStaticIsReadAndNotMinted) {
  ASSERT_TRUE(Read("db").ok());
  db().engine = Engine::kKv2;
  machine_->SetOptions(options_);
  Result<SecretVersion> version = Read("db");
  ASSERT_TRUE(version.ok());
  EXPECT_FALSE(version->minted);
  db().engine = Engine::kDynamic;
  loop_.RunFor(11s);  // S15: mint_interval
  Restart();
  version = Read("db");
  ASSERT_TRUE(version.ok()) << version.error().message();
  EXPECT_TRUE(version->minted);
  db().engine = Engine::kStatic;
  Restart();
  version = Read("db");
  ASSERT_TRUE(version.ok()) << version.error().message();
  EXPECT_FALSE(version->minted);
}

TEST_F(LeaseSurvivalTest, NothingIsKeptOfNamesThatNeverGaveAnything) {
  source_.on_get = [](auto&&...) { return Refused(); };
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(Text(Read("db/" + std::to_string(i))), "not_found");
  auto count = [&] {
    size_t records = 0;
    records_.ForEach([&](const std::string&) { ++records; });
    return records;
  };
  EXPECT_GT(count(), 1000U);
  loop_.RunFor(3min);
  EXPECT_LT(count(), 10U);
}

TEST_F(LeaseSurvivalTest, S20_AStepOfTheWallClockChangesNothing) {
  ASSERT_TRUE(Read("db").ok());
  loop_.StepWallClock(24h * 3650);
  EXPECT_EQ(Text(Read("db")), "password-1");
  loop_.StepWallClock(-24h * 7300);
  loop_.RunFor(45min);
  EXPECT_EQ(source_.figures.renewals, 1);
  EXPECT_EQ(Text(Read("db")), "password-1");
  EXPECT_EQ(source_.figures.gets, 1);
}

TEST_F(LeaseSurvivalTest, JsonTextIsStillJsonTextAfterARestart) {
  source_.on_get = [&](auto&&...) {
    Grant grant = source_.NewGrant();
    grant.fields[0].json = true;
    return grant;
  };
  EXPECT_TRUE(Read("db")->fields[0].json);
  Restart();
  EXPECT_TRUE(Read("db")->fields[0].json);
}

TEST_F(LeaseSurvivalTest, FsHearsAgainOfWhatItMayHaveMissed) {
  ASSERT_TRUE(Read("db").ok());
  Restart();
  machine_->TellAgain();
  EXPECT_EQ(published_, std::vector<std::string>{"db"});
}

TEST_F(LeaseSurvivalTest, WithoutRoomToRememberNothingIsMinted) {
  records_.room = 3;
  EXPECT_EQ(Text(Read("db")), "no_memory");
  EXPECT_EQ(source_.figures.gets, 0);
  records_.room = SIZE_MAX;
  loop_.RunFor(30s);
  EXPECT_EQ(Text(Read("db")), "password-1");
}

}  // namespace
}  // namespace leasefs::lease
