// Giving back: at the stop, when a holder of its own credential is gone, and when nobody opens a tree with `idle`.
#include "tests/lease/machine_fixture.h"

namespace leasefs::lease {
namespace {

class LeaseStopTest : public MachineFixture {
 protected:
  bool Stop(bool revoke, Duration timeout = 10s) {
    auto stopped = std::make_shared<bool>(false);
    machine_->Stop(revoke, timeout, [stopped] { *stopped = true; });
    loop_.RunFor(timeout + 1s);
    return *stopped;
  }
  // Logins give tokens of somebody else.
  void LendTokens() {
    source_.on_login = [this](auto&&...) {
      Token token = source_.NewToken();
      token.lent = true;
      return token;
    };
  }
  // What a server says to a revocation that is ill for so long.
  std::function<Answer<Done>(const std::string&)> IllFor(Duration time) {
    return [this, well = loop_.Now() + time](auto&&...) -> Answer<Done> {
      return loop_.Now() < well ? Answer<Done>(Outage()) : Answer<Done>(Done());
    };
  }
  void Scope(lease::Scope scope) {
    db().scope = scope;
    machine_->SetOptions(options_);
  }
};

TEST_F(LeaseStopTest, AStopKeepsLeasesAndASuccessorHasThem) {
  ASSERT_TRUE(Read("db").ok());
  EXPECT_TRUE(Stop(false));
  EXPECT_EQ(source_.figures.revocations + source_.figures.token_revocations, 0);
  EXPECT_EQ(Text(Read("db")), "password-1");
  Restart();
  EXPECT_EQ(Text(Read("db")), "password-1");
  EXPECT_EQ(source_.figures.gets, 1);
}

TEST_F(LeaseStopTest, AStopThatKeepsWaitsForAMintThatIsUnderWay) {
  ASSERT_TRUE(List("db").ok());
  source_.latency = 1s;
  (void)Read("db", 10ms);
  EXPECT_TRUE(Stop(false, 3s));
  Restart();
  source_.latency = 1ms;
  EXPECT_EQ(Text(Read("db")), "password-1");
  EXPECT_EQ(source_.figures.gets, 1);
  EXPECT_EQ(machine_->Report().orphans, 0U);
}

TEST_F(LeaseStopTest, WhatIsUnderWayIsWaitedForUntilALimit) {
  source_.latency = 1h;
  (void)Read("db", 10ms);  // logs in
  const BootTime start = loop_.Now();
  BootTime idle{};
  machine_->Leave(3s, [&] { idle = loop_.Now(); });
  loop_.RunFor(5s);
  EXPECT_GE(idle, start + 3s);
  EXPECT_LT(idle, start + 3100ms);
}

TEST_F(LeaseStopTest, AStopThatRevokesTakesEveryLeaseAndThenTheTokens) {
  source_.on_get = [&](auto&&...) {
    Grant grant = source_.NewGrant();
    grant.renewable = false;
    return grant;
  };
  ASSERT_TRUE(Read("db").ok());
  loop_.RunFor(55min);  // the first one is superseded and lives
  EXPECT_TRUE(Stop(true));
  EXPECT_EQ(source_.figures.revocations, 2);
  EXPECT_EQ(source_.figures.token_revocations, 1);
  EXPECT_EQ(changed_, std::vector<std::string>{"db"});
  EXPECT_FALSE(Read("db").ok());
  EXPECT_EQ(source_.figures.gets, 2);  // nothing is minted any more
}

TEST_F(LeaseStopTest, OnStopDecidesWhenNobodySays) {
  options_.on_stop = OnStop::kRevoke;
  machine_->SetOptions(options_);
  ASSERT_TRUE(Read("db").ok());
  EXPECT_TRUE(Stop(false));
  EXPECT_EQ(source_.figures.revocations, 1);
}

TEST_F(LeaseStopTest, AStopDoesNotWaitLongerThanItsTimeout) {
  ASSERT_TRUE(Read("db").ok());
  source_.on_revoke = [](auto&&...) { return Outage(); };
  source_.on_revoke_token = [](auto&&...) { return Outage(); };
  EXPECT_TRUE(Stop(true, 5s));
  EXPECT_FALSE(machine_->Report().problems.empty());
  EXPECT_EQ(machine_->Report().leases.size(), 1U);
}

TEST_F(LeaseStopTest, ALeaseThatCannotBeRevokedInTimeEndsWithItsToken) {
  ASSERT_TRUE(Read("db").ok());
  source_.on_revoke = [](auto&&...) { return Outage(); };
  EXPECT_TRUE(Stop(true, 5s));
  EXPECT_EQ(source_.figures.token_revocations, 1);
  EXPECT_TRUE(machine_->Report().leases.empty());
}

TEST_F(LeaseStopTest, AMintThatHangsKeepsNoTokenFromBeingRevoked) {
  options_.trees.push_back(NewTree("db2", Engine::kDynamic));
  machine_->SetOptions(options_);
  ASSERT_TRUE(Read("db").ok());
  ASSERT_TRUE(List("db2").ok());
  source_.latency = 1h;
  (void)Read("db2", 1s);
  source_.latency = 1ms;
  ASSERT_EQ(source_.figures.gets, 2);
  EXPECT_TRUE(Stop(true, 5s));
  EXPECT_EQ(source_.figures.revocations, 1);
  EXPECT_EQ(source_.figures.token_revocations, 1);
}

// Somebody else's token is not revoked, so that the leases must be, each by itself.
TEST_F(LeaseStopTest, AStopUsesAllItsTimeForLeasesOfAnothersToken) {
  LendTokens();
  ASSERT_TRUE(Read("db").ok());
  source_.on_revoke = IllFor(55s);
  EXPECT_TRUE(Stop(true, 100s));
  EXPECT_TRUE(machine_->Report().leases.empty());
  EXPECT_TRUE(machine_->Report().problems.empty());
}

TEST_F(LeaseStopTest, AStopTriesTheTokensAgainWhileLeasesAreLeft) {
  ASSERT_TRUE(Read("db").ok());
  source_.on_revoke = source_.on_revoke_token = IllFor(55s);
  EXPECT_TRUE(Stop(true, 100s));
  EXPECT_EQ(source_.figures.token_revocations, 2);
  EXPECT_TRUE(machine_->Report().leases.empty());
}

TEST_F(LeaseStopTest, APolicyThatMayNotRevokeIsAProblemAndTheTokensEndTakesTheLease) {
  ASSERT_TRUE(Read("db").ok());
  source_.on_revoke = [](auto&&...) { return Forbidden(); };
  EXPECT_TRUE(Stop(true));
  EXPECT_EQ(source_.figures.token_revocations, 1);
}

TEST_F(LeaseStopTest, ATokenOfSomebodyElseIsNotRevokedWhateverTheSettingsSayNow) {
  LendTokens();
  ASSERT_TRUE(Read("db").ok());
  source_.on_login = [&](auto&&...) { return source_.NewToken(); };
  options_.identities[""] = "another login";
  Restart();
  loop_.RunFor(10s);
  ASSERT_EQ(source_.figures.logins, 2);
  std::vector<std::string> revoked;
  source_.on_revoke_token = [&](const std::string& token) {
    revoked.push_back(token);
    return Done{};
  };
  EXPECT_TRUE(Stop(true));
  EXPECT_EQ(revoked, std::vector<std::string>{"token-2"});
  EXPECT_EQ(source_.figures.revocations, 1);
}

TEST_F(LeaseStopTest, EachHolderHasALeaseOfItsOwnWhichIsRevokedWhenItIsGivenBack) {
  Scope(Scope::kProcess);
  EXPECT_EQ(Text(Read("db")), "not_found");
  EXPECT_EQ(Text(Read("db/1")), "password-1");
  EXPECT_EQ(Text(Read("db/2")), "password-2");
  EXPECT_EQ(Text(Read("db/1")), "password-1");
  std::vector<std::string> revoked;
  source_.on_revoke = [&](const std::string& id) {
    revoked.push_back(id);
    return Done{};
  };
  machine_->Forget("db/1");
  loop_.RunFor(1s);
  EXPECT_EQ(revoked, std::vector<std::string>{"lease-1"});
  EXPECT_EQ(Text(Read("db/2")), "password-2");
  loop_.RunFor(3min);
  EXPECT_EQ(machine_->Report().leases.size(), 1U);
}

TEST_F(LeaseStopTest, ALeaseThatComesAfterItsHolderWentIsRevokedAtOnce) {
  Scope(Scope::kOpen);
  source_.latency = 20ms;
  (void)Read("db/1", 50ms);
  ASSERT_EQ(source_.figures.gets, 1);
  machine_->Forget("db/1");
  loop_.RunFor(1s);
  EXPECT_EQ(source_.figures.revocations, 1);
  EXPECT_TRUE(machine_->Report().leases.empty());
}

TEST_F(LeaseStopTest, WhatIsToBeRevokedSurvivesAKill) {
  Scope(Scope::kOpen);
  ASSERT_TRUE(Read("db/1").ok());
  source_.on_revoke = [](auto&&...) { return Outage(); };
  machine_->Forget("db/1");
  loop_.RunFor(100ms);
  source_.on_revoke = [](auto&&...) { return Done{}; };
  int before = source_.figures.revocations;
  Restart();
  loop_.RunFor(1min);
  EXPECT_EQ(source_.figures.revocations, before + 1);
}

TEST_F(LeaseStopTest, S15_IdleIsAChoiceAndThenRevokes) {
  db().idle = 10min;
  machine_->SetOptions(options_);
  ASSERT_TRUE(Read("db").ok());
  machine_->Forget("db");
  loop_.RunFor(1s);
  EXPECT_EQ(source_.figures.revocations, 1);
  loop_.RunFor(1min);
  EXPECT_EQ(Text(Read("db")), "password-2");
}

TEST_F(LeaseStopTest, ALeaseThatMayNotBeRevokedIsToldOfAndRunsOut) {
  Scope(Scope::kOpen);
  ASSERT_TRUE(Read("db/1").ok());
  source_.on_revoke = [](auto&&...) { return Forbidden(); };
  machine_->Forget("db/1");
  loop_.RunFor(10min);
  EXPECT_EQ(source_.figures.revocations, 1);
  ASSERT_EQ(machine_->Report().leases.size(), 1U);
  EXPECT_NE(machine_->Report().leases[0].problem.find("runs out"), std::string::npos);
  loop_.RunFor(1h);
  EXPECT_TRUE(machine_->Report().leases.empty());
}

}  // namespace
}  // namespace leasefs::lease
