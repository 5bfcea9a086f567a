// What no configuration, and no role that is changed on the server, may bring upon the server: logins and mints without
// end, and credentials that nobody has and nobody revokes.
#include <utility>

#include "backend/server.h"
#include "tests/backend/scripted_backend.h"
#include "tests/lease/machine_fixture.h"

namespace leasefs::lease {
namespace {

class LeaseHarmTest : public MachineFixture {
 protected:
  void LendTokens(Duration life) { GiveTokens(life, true); }
  // Zero: without an end.
  void GiveTokens(Duration life, bool lent) {
    source_.on_login = [this, life, lent](auto&&...) {
      Token token = source_.NewToken();
      token.lent = lent;
      token.life = life;
      token.renewable = false;
      return token;
    };
  }
};

TEST_F(LeaseHarmTest, S18_AMinTtlThatNoLoginCanKeepCausesNoLoginsWithoutEnd) {
  GiveTokens(20s, false);
  for (Duration min_ttl : {Duration(19s), Duration(20s), Duration(30s)}) {
    db().min_ttl = min_ttl;
    machine_->SetOptions(options_);
    source_.figures = {};
    for (int i = 0; i < 1200; ++i) {
      EXPECT_TRUE(Read("kv").ok());
      loop_.RunFor(100ms);
    }
    EXPECT_LE(source_.figures.logins, min_ttl < 20s ? 60 : 9) << min_ttl.count();
  }
}

TEST_F(LeaseHarmTest, S18_NorRenewals) {
  source_.token_life = 20s;
  db().min_ttl = 30s;
  machine_->SetOptions(options_);
  ASSERT_TRUE(Read("kv").ok());
  loop_.RunFor(10min);
  EXPECT_LE(source_.figures.token_renewals, 55);
  EXPECT_EQ(source_.figures.logins, 1);
}

TEST_F(LeaseHarmTest, S14_ARoleWhoseLeasesBecameShorterIsMintedOnceTooEarlyAndThenInTime) {
  source_.token_life = 24h;
  Duration life = 12h;
  source_.on_get = [&](auto&&...) {
    Grant grant = source_.NewGrant();
    grant.renewable = false;
    grant.life = life;
    return grant;
  };
  ASSERT_TRUE(Read("db").ok());
  life = 1h;
  const auto mints = [this] { return source_.figures.gets; };
  for (int minute = 0; minute < 11 * 60; ++minute) {
    loop_.RunFor(1min);
    EXPECT_TRUE(Read("db").ok());
  }
  EXPECT_EQ(mints(), 2);
  EXPECT_EQ(source_.figures.revocations, 1) << "what nobody was given";
  loop_.RunFor(30min);
  EXPECT_EQ(mints(), 3);
  EXPECT_EQ(published_, std::vector<std::string>{"db"}) << "before the other ended";
  EXPECT_EQ(changed_, std::vector<std::string>{});
}

TEST_F(LeaseHarmTest, S19_WhatIsTooShortFromTheStartIsRevoked) {
  LendTokens(24h);
  db().min_ttl = 2h;
  machine_->SetOptions(options_);
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(Text(Read("db")), "expired");
    loop_.RunFor(10s);
  }
  EXPECT_GT(source_.figures.gets, 10);
  EXPECT_EQ(source_.figures.revocations, source_.figures.gets);
  EXPECT_TRUE(machine_->Report().leases.empty());
}

TEST_F(LeaseHarmTest, WhatWasMintedForSettingsThatChangedMeanwhileIsRevoked) {
  LendTokens(24h);
  ASSERT_TRUE(List("db").ok());
  source_.latency = 1s;
  (void)Read("db", 10ms);
  ASSERT_EQ(source_.figures.gets, 1);
  db().source = "source/other";
  machine_->SetOptions(options_);
  loop_.RunFor(10s);
  EXPECT_EQ(source_.figures.revocations, 1);
}

TEST_F(LeaseHarmTest, WhatIsToBeRevokedIsNeverForgottenAndKeepsOthersFromBeingMinted) {
  LendTokens(24h);
  source_.lease_life = 20h;
  db().idle = 10min;
  db().mint_interval = 1s;
  machine_->SetOptions(options_);
  auto well = std::exchange(source_.on_revoke, [](auto&&...) { return Outage(ErrorKind::kRemote); });
  Result<SecretVersion> last = Error(ErrorKind::kInternal, "");
  for (int i = 0; i < 300; ++i) {
    last = Read("db", 3s);
    machine_->Forget("db");
    loop_.RunFor(2s);
  }
  EXPECT_EQ(source_.figures.gets, 256);
  EXPECT_EQ(Text(last), "unreachable");
  source_.on_revoke = well;
  source_.figures.revocations = 0;
  loop_.RunFor(5min);
  EXPECT_EQ(source_.figures.revocations, 256);
  EXPECT_TRUE(machine_->Report().leases.empty());
  EXPECT_EQ(machine_->Report().orphans, 0U);
  EXPECT_TRUE(Read("db", 1min).ok());
}

TEST_F(LeaseHarmTest, S17_AStaticValueWhoseEndHasPassedIsNotReadWithoutAWait) {
  for (Duration ahead : {Duration(-5s), Duration(0), Duration(20ms)}) {
    source_.on_get = [&](auto&&...) {
      Grant grant = source_.NewGrant();
      grant.lease_id.clear();
      grant.life = {};
      grant.renewable = false;
      grant.ends = source_.Now() + ahead;
      return grant;
    };
    LeaseMachine machine(loop_, source_, records_, options_);
    BackendServer server(loop_, machine, {});
    FsPeer fs(loop_, server);
    fs.Hello();
    loop_.RunFor(10ms);
    source_.figures = {};
    fs.Want("kv");
    loop_.RunFor(10s);
    EXPECT_LE(source_.figures.gets, 21) << ahead.count();
  }
}

TEST_F(LeaseHarmTest, S16_AnotherLentTokenIsUsedAtOnce) {
  LendTokens({});
  ASSERT_TRUE(Read("kv").ok());
  source_.credential_changed("");
  loop_.RunFor(1s);
  EXPECT_EQ(source_.figures.logins, 2);
  loop_.RunFor(24h);
  EXPECT_EQ(source_.figures.logins, 2);
}

TEST_F(LeaseHarmTest, S16_AnotherLentTokenThatIsNoneCostsNothingAndOneThatCannotBeSeenYetIsTriedAgain) {
  LendTokens({});
  ASSERT_TRUE(Read("kv").ok());
  auto good = source_.on_login;
  source_.on_login = [](auto&&...) { return Refused(ErrorKind::kLoginRefused); };
  source_.credential_changed("");
  loop_.RunFor(1h);
  EXPECT_EQ(source_.figures.logins, 2);
  EXPECT_TRUE(Read("kv").ok());
  source_.on_login = [](auto&&...) { return Outage(); };
  source_.credential_changed("");
  loop_.RunFor(1min);
  EXPECT_TRUE(Read("kv").ok());
  source_.on_login = good;
  loop_.RunFor(1min);
  const int logins = source_.figures.logins;
  loop_.RunFor(1h);
  EXPECT_EQ(source_.figures.logins, logins);
  EXPECT_EQ(machine_->Report().identities.at(0).problem, "");
}

TEST_F(LeaseHarmTest, AStaticPlaceIsAskedForAgainWhenItsTreeAsksForSomethingElse) {
  ASSERT_TRUE(Read("kv").ok());
  options_.trees[1].ttl = 10s;
  machine_->SetOptions(options_);
  EXPECT_EQ(changed_, std::vector<std::string>{});
  options_.trees[1].version = 2;
  machine_->SetOptions(options_);
  EXPECT_EQ(changed_, std::vector<std::string>{"kv"});
}

}  // namespace
}  // namespace leasefs::lease
