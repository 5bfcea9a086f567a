// What a reload may do to a mint, a token or an identity that is in use, and tokens that are bound to their credential.
#include "fs/base/strings.h"
#include "tests/lease/machine_fixture.h"

namespace leasefs::lease {
namespace {

class LeaseSettingsTest : public MachineFixture {
 protected:
  // Tokens say whose they are. `life` without renewal; zero: an hour, as long as it is renewed.
  void NameTokens(Duration life = {}) {
    source_.on_login = [this, life](const std::string& identity) {
      Token token = source_.NewToken();
      token.value = SecretBuffer::CopyOf(StrCat(identity, "'s token ", ++tokens_));
      if (life > Duration::zero()) token.life = life, token.renewable = false;
      return token;
    };
  }
  // The place is known, there is no token, and a mint waits for one.
  void MintWithoutAToken() {
    ASSERT_TRUE(List("db").ok());
    loop_.RunFor(2min);
    source_.latency = 1s;
    (void)Read("db", 10ms);
    ASSERT_EQ(source_.figures.gets, 0);
  }

 private:
  int tokens_ = 0;
};

TEST_F(LeaseSettingsTest, AMintThatWaitsForALoginIsSentAsTheTreeIsThen) {
  NameTokens(1min);
  options_.identities = {{"a", ""}, {"b", ""}};
  db().identity = "a";
  machine_->SetOptions(options_);
  std::vector<std::string> asked;
  source_.on_get = [&](const Tree& tree, const std::string&, const std::string& token) {
    asked.push_back(StrCat(tree.source, " with ", token.substr(0, token.rfind(' '))));
    return source_.NewGrant();
  };
  MintWithoutAToken();
  db().identity = "b";
  db().source = "source/other";
  machine_->SetOptions(options_);
  EXPECT_TRUE(Read("db", 10s).ok());
  EXPECT_EQ(asked, std::vector<std::string>{"source/other with b's token"});
}

TEST_F(LeaseSettingsTest, AMintThatWaitsForALoginIsNotSentWhenItsTreeIsGone) {
  NameTokens(1min);
  MintWithoutAToken();
  options_.trees = {NewTree("kv", Engine::kKv2)};
  machine_->SetOptions(options_);
  loop_.RunFor(10s);
  EXPECT_EQ(source_.figures.gets, 0);
}

TEST_F(LeaseSettingsTest, ALeaseIsRecordedWithTheIdentityThatMintedItWhateverIsConfiguredMeanwhile) {
  NameTokens();
  options_.identities = {{"a", ""}, {"b", ""}};
  db().identity = "a";
  machine_->SetOptions(options_);
  ASSERT_TRUE(List("db").ok());
  loop_.RunFor(1s);
  source_.latency = 1s;
  (void)Read("db", 10ms);  // sent in a's name
  db().identity = "b";
  machine_->SetOptions(options_);
  loop_.RunFor(20s);
  source_.latency = 1ms;
  ASSERT_TRUE(Read("db", 10s).ok());
  EXPECT_EQ(source_.figures.gets, 2);
  EXPECT_EQ(machine_->Report().leases.size(), 1U);
  EXPECT_EQ(source_.figures.revocations, 1) << "nobody was given it";
  auto stopped = std::make_shared<bool>(false);
  machine_->Stop(true, 10s, [stopped] { *stopped = true; });
  loop_.RunFor(1s);
  EXPECT_TRUE(*stopped);
  EXPECT_EQ(source_.figures.revocations, 2);
}

TEST_F(LeaseSettingsTest, AnIdentityThatIsGoneIsNotRenewedAfterARestartEither) {
  NameTokens();
  options_.identities = {{"a", ""}};
  db().identity = "a";
  machine_->SetOptions(options_);
  ASSERT_TRUE(Read("db").ok());
  EXPECT_EQ(source_.figures.logins, 1);
  db().identity = "";
  options_.identities = {};
  Restart();
  loop_.RunFor(50min);
  EXPECT_EQ(source_.figures.token_renewals, 0);
  EXPECT_EQ(source_.figures.logins, 1);
  EXPECT_EQ(machine_->Report().identities.size(), 2U);
  loop_.RunFor(20min);
  EXPECT_EQ(machine_->Report().identities.size(), 1U) << "its token has run out";
  EXPECT_EQ(source_.figures.logins, 1);
}

TEST_F(LeaseSettingsTest, S18_AChangedCredentialMakesAnOutageNoCauseForALogin) {
  ASSERT_TRUE(Read("db").ok());
  source_.credential_changed("");
  source_.on_renew_token = [](auto&&...) { return Outage(ErrorKind::kRemote); };
  loop_.RunFor(50min);
  source_.on_renew_token = [&](auto&&...) { return Renewal{source_.Now(), 1h}; };
  loop_.RunFor(24h);
  EXPECT_EQ(source_.figures.logins, 1);
  EXPECT_EQ(source_.figures.gets, 1);
}

TEST_F(LeaseSettingsTest, ATokenThatIsBoundToTheOldCredentialIsReplacedWhenTheServerIsWell) {
  source_.binds_tokens = true;
  ASSERT_TRUE(Read("db").ok());
  source_.credential_changed("");
  source_.on_renew_token = [](auto&&...) { return Outage(ErrorKind::kRemote); };
  source_.on_check = [](auto&&...) { return Outage(ErrorKind::kRemote); };
  loop_.RunFor(45min);
  EXPECT_EQ(source_.figures.logins, 1);  // S18: it may be ill
  source_.on_check = [](auto&&...) { return TokenState{15min, true}; };
  loop_.RunFor(2min);
  EXPECT_EQ(source_.figures.logins, 2);
}

TEST_F(LeaseSettingsTest, S18_AServerThatIsIllNowIsNotTakenForWellSinceItWasOnce) {
  source_.binds_tokens = true;
  ASSERT_TRUE(Read("db").ok());
  source_.credential_changed("");
  int renewals = 0;
  source_.on_renew_token = [&](auto&&...) -> Answer<Renewal> {
    if (++renewals == 1 || renewals > 5) return Outage(ErrorKind::kRemote);
    return Outage();
  };
  source_.on_check = [&](auto&&...) -> Answer<TokenState> {
    if (renewals == 1) return TokenState{1h, true};
    return Outage(ErrorKind::kRemote);
  };
  loop_.RunFor(55min);
  EXPECT_GT(renewals, 6);
  source_.on_renew_token = [&](auto&&...) { return Renewal{source_.Now(), 1h}; };
  loop_.RunFor(2h);
  EXPECT_EQ(source_.figures.logins, 1);
}

}  // namespace
}  // namespace leasefs::lease
