// The machine's life with one minted and one static tree; what each test shows is its name.
#include "tests/lease/machine_fixture.h"

namespace leasefs::lease {
namespace {

using LeaseMachineTest = MachineFixture;

TEST_F(LeaseMachineTest, S15_TheFirstReadLogsInAndMintsOnce) {
  Result<SecretVersion> first = Read("db");
  ASSERT_TRUE(first.ok()) << first.error().message();
  EXPECT_TRUE(first->minted);
  EXPECT_EQ(Text(first), "password-1");
  Result<SecretVersion> second = Read("db");
  EXPECT_EQ(Text(second), "password-1");
  EXPECT_EQ(second->version, first->version);
  EXPECT_EQ(source_.figures.logins, 1);
  EXPECT_EQ(source_.figures.gets, 1);
}

TEST_F(LeaseMachineTest, S6_NamesOfAMintedPlaceMintNothing) {
  Result<Listing> listing = List("db");
  ASSERT_TRUE(listing.ok());
  EXPECT_TRUE(listing->minted);
  ASSERT_EQ(listing->entries.size(), 2U);
  EXPECT_EQ(listing->entries[0].name, "username");
  EXPECT_EQ(source_.figures.gets, 0);
  ASSERT_TRUE(Read("db").ok());
  EXPECT_EQ(List("db")->entries.size(), 1U);  // what it turned out to give
  ASSERT_EQ(List("")->entries.size(), 2U);
  EXPECT_EQ(List("nowhere").error().kind(), ErrorKind::kNotFound);
}

TEST_F(LeaseMachineTest, S15_AStaticValueCannotBeScoped) {
  options_.trees[1].scope = Scope::kUid;
  machine_->SetOptions(options_);
  for (const char* secret : {"kv", "kv/1"}) {
    const Error error = Read(secret).error();
    EXPECT_EQ(error.kind(), ErrorKind::kRemote) << secret;
    EXPECT_NE(error.message().find("remove lease_scope"), std::string::npos) << error.message();
  }
  EXPECT_EQ(source_.figures.gets, 0);
}

TEST_F(LeaseMachineTest, S14_ALeaseIsRenewedAtTwoThirdsAsLongAsTheServerAllows) {
  ASSERT_TRUE(Read("db").ok());
  loop_.RunFor(35min);
  EXPECT_EQ(source_.figures.renewals, 0);
  loop_.RunFor(10min);
  EXPECT_EQ(source_.figures.renewals, 1);
  ASSERT_FALSE(extended_.empty());
  EXPECT_GT(extended_.back().lease_end, loop_.Now() + 50min);
  loop_.RunFor(24h);
  EXPECT_EQ(Text(Read("db")), "password-1");
  EXPECT_EQ(source_.figures.gets, 1);
  EXPECT_EQ(source_.figures.logins, 1);
}

TEST_F(LeaseMachineTest, S14_ALeaseThatCannotBeRenewedIsReplacedAt85PercentWhileTheOldOneIsGood) {
  source_.on_get = [&](auto&&...) {
    Grant grant = source_.NewGrant();
    grant.renewable = false;
    return grant;
  };
  Result<SecretVersion> first = Read("db");
  loop_.RunFor(50min);
  EXPECT_EQ(source_.figures.gets, 1);
  loop_.RunFor(2min);
  EXPECT_EQ(source_.figures.gets, 2);
  ASSERT_EQ(published_.size(), 1U);
  EXPECT_GT(last_published_.version, first->version);
  EXPECT_EQ(Text(Read("db")), "password-2");
  EXPECT_EQ(source_.figures.revocations, 0);  // those who hold the old one keep it
  EXPECT_EQ(machine_->Report().leases.size(), 2U);
}

TEST_F(LeaseMachineTest, S14_ARenewalThatIsCappedLeadsToAReplacementAt85PercentOfWhatItGave) {
  source_.on_renew = [&](auto&&...) { return Renewal{source_.Now(), 10min}; };
  ASSERT_TRUE(Read("db").ok());
  loop_.RunFor(44min + 8min);  // renewed after 36 to 44 minutes, 85 % of ten more minutes
  EXPECT_EQ(source_.figures.renewals, 1);
  loop_.RunFor(2min);
  EXPECT_EQ(source_.figures.gets, 2);
}

TEST_F(LeaseMachineTest, S15_WhatNobodyOpensRunsOutAndIsMintedAtTheNextRead) {
  source_.on_get = [&](auto&&...) {
    Grant grant = source_.NewGrant();
    grant.renewable = false;
    return grant;
  };
  ASSERT_TRUE(Read("db").ok());
  machine_->Forget("db");
  loop_.RunFor(2h);
  EXPECT_EQ(source_.figures.gets, 1);
  EXPECT_EQ(source_.figures.revocations, 0);
  EXPECT_EQ(Text(Read("db")), "password-2");
}

TEST_F(LeaseMachineTest, S14_InAnOutageALeaseIsServedToItsEndAndNeverAfterIt) {
  ASSERT_TRUE(Read("db").ok());
  source_.on_renew = [](auto&&...) { return Outage(); };
  source_.on_renew_token = [](auto&&...) { return Outage(); };
  source_.on_login = [](auto&&...) { return Outage(); };
  source_.on_get = [](auto&&...) { return Outage(); };
  loop_.RunFor(59min);
  EXPECT_EQ(Text(Read("db")), "password-1");
  EXPECT_EQ(source_.figures.logins, 1);  // S18
  EXPECT_EQ(source_.figures.gets, 1);
  EXPECT_EQ(source_.figures.revocations, 0);
  loop_.RunFor(1min);
  EXPECT_EQ(Text(Read("db")), "expired");
}

TEST_F(LeaseMachineTest, S19_WhatHasLessThanMinTtlLeftIsReplacedBeforeItIsHandedOut) {
  db().min_ttl = 30min;
  machine_->SetOptions(options_);
  source_.on_get = [&](auto&&...) {
    Grant grant = source_.NewGrant();
    grant.renewable = false;
    return grant;
  };
  Result<SecretVersion> first = Read("db");
  EXPECT_EQ(first->freshness->fresh_until, first->lease_end - 30min);
  for (int i = 0; i < 100; ++i) {
    loop_.RunFor(3min);
    Result<SecretVersion> version = Read("db");
    ASSERT_TRUE(version.ok());
    EXPECT_GE(version->lease_end - loop_.Now(), 30min);
  }
  EXPECT_LE(source_.figures.gets, 13);
}

TEST_F(LeaseMachineTest, S19_ALeaseShorterThanMinTtlIsRefusedWithTheReason) {
  db().min_ttl = 2h;
  machine_->SetOptions(options_);
  Result<SecretVersion> version = Read("db");
  ASSERT_FALSE(version.ok());
  EXPECT_EQ(version.error().kind(), ErrorKind::kExpired);
  EXPECT_NE(version.error().message().find("lower min_ttl"), std::string::npos);
  EXPECT_FALSE(machine_->Report().problems.empty());
}

// lease_duration 0 with a lease_id: neither asked about all the time nor kept for ever.
TEST_F(LeaseMachineTest, ALeaseWithoutALengthIsGoodForTtlAndIsRevokedAsAnyOther) {
  source_.lease_life = 0s;
  source_.token_life = 24h;
  ASSERT_TRUE(Read("db").ok());
  loop_.RunFor(30s);
  const int asked = source_.figures.all();
  ASSERT_TRUE(Read("db").ok());
  loop_.RunFor(2h);
  EXPECT_EQ(source_.figures.all(), asked) << "nobody opened it";
  ASSERT_TRUE(Read("db").ok());
  EXPECT_EQ(source_.figures.gets, 2);
  EXPECT_EQ(source_.figures.renewals, 0);
  // A mint that is refused takes the value away, and no lease from those that a stop revokes.
  source_.on_get = [](auto&&...) { return Refused(); };
  loop_.RunFor(2min);
  EXPECT_EQ(Text(Read("db")), "not_found");
  EXPECT_EQ(machine_->Report().leases.size(), 2U);
  std::set<std::string> revoked;
  source_.on_revoke = [&](const std::string& id) {
    revoked.insert(id);
    return Done{};
  };
  machine_->Stop(true, 10s, [] {});
  loop_.RunFor(1s);
  EXPECT_EQ(revoked, (std::set<std::string>{"lease-1", "lease-2"}));
}

TEST_F(LeaseMachineTest, ARenewalThatKeepsFailingIsReportedWithItsReasonUntilItSucceeds) {
  ASSERT_TRUE(Read("db").ok());
  source_.on_renew = [](auto&&...) { return Outage(ErrorKind::kRemote); };
  loop_.RunFor(45min);
  ASSERT_EQ(machine_->Report().leases.size(), 1U);
  EXPECT_TRUE(machine_->Report().leases[0].problem.starts_with("renewing the lease: "));
  source_.on_renew = [&](auto&&...) { return Renewal{loop_.Now(), 1h}; };
  loop_.RunFor(1min);
  EXPECT_EQ(machine_->Report().leases[0].problem, "");
}

TEST_F(LeaseMachineTest, ARenewalThatCrossesAReloadExtendsWhatAStopRevokes) {
  source_.token_life = 24h;
  ASSERT_TRUE(Read("db").ok());
  for (int i = 0; i < 3600 && source_.figures.renewals == 0; ++i) {
    source_.latency = 2s;
    loop_.RunFor(1s);
  }
  ASSERT_EQ(source_.figures.renewals, 1);
  db().params["ttl"] = "5";
  machine_->SetOptions(options_);
  loop_.RunFor(3s);
  const auto leases = machine_->Report().leases;
  ASSERT_EQ(leases.size(), 1U);
  EXPECT_FALSE(leases[0].current);
  EXPECT_GT(leases[0].ends, loop_.Now() + 59min);
}

TEST_F(LeaseMachineTest, ARenewalThatCrossesTheEndOfItsLeaseIsKnownOfToAStop) {
  source_.token_life = 24h;
  ASSERT_TRUE(Read("db").ok());
  source_.latency = 25min;
  loop_.RunFor(61min);
  ASSERT_EQ(source_.figures.renewals, 1);
  EXPECT_TRUE(machine_->Report().leases.empty());
  loop_.RunFor(10min);
  const auto leases = machine_->Report().leases;
  ASSERT_EQ(leases.size(), 1U);
  EXPECT_FALSE(leases[0].current);
}

TEST_F(LeaseMachineTest, S15_ReadersCauseAtMostOneMintInTenSeconds) {
  source_.on_get = [](auto&&...) { return InDoubt(); };  // each may have minted
  for (int i = 0; i < 600; ++i) {
    (void)Read("db");
    loop_.RunFor(100ms);
  }
  EXPECT_LE(source_.figures.gets, 7);
  EXPECT_GE(source_.figures.gets, 5);
  EXPECT_EQ(machine_->Report().orphans, static_cast<uint64_t>(source_.figures.gets));
}

TEST_F(LeaseMachineTest, S14_FailuresThatMintedNothingBackOffWithAFloor) {
  source_.on_get = [](auto&&...) { return Refused(); };
  for (int i = 0; i < 600; ++i) {
    EXPECT_EQ(Text(Read("db")), "not_found");
    loop_.RunFor(100ms);
  }
  EXPECT_LE(source_.figures.gets, 40);
  source_.on_get = [&](auto&&...) { return source_.NewGrant(); };
  loop_.RunFor(30s);
  EXPECT_EQ(Text(Read("db")), "password-1");
}

TEST_F(LeaseMachineTest, F2_WhatFailsAsTheAddressRestsIsTriedWhenTheRestIsOver) {
  BootTime rest = loop_.Now() + 20s;
  source_.on_get = [&](const Tree&, const std::string&, const std::string&) -> Answer<Grant> {
    if (loop_.Now() >= rest) return source_.NewGrant();
    return Failure{Error(ErrorKind::kUnreachable, "it rests").RetryAt(rest), Cause::kOutage};
  };
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(Read("db").error().retry_at(), rest);
    loop_.RunFor(1s);
  }
  EXPECT_EQ(source_.figures.gets, 1);
  loop_.RunUntil(rest);
  EXPECT_TRUE(Read("db").ok());
}

TEST_F(LeaseMachineTest, F2_WhatNeedsALoginWaitsAsTheLoginDoesAndNotLonger) {
  BootTime rest = loop_.Now() + 20s;
  source_.on_login = [&](const std::string&) -> Answer<Token> {
    if (loop_.Now() >= rest) return source_.NewToken();
    return Failure{Error(ErrorKind::kUnreachable, "it rests").RetryAt(rest), Cause::kOutage};
  };
  for (const char* secret : {"db", "kv"}) EXPECT_EQ(Read(secret).error().retry_at(), rest) << secret;
  loop_.RunUntil(rest);
  for (const char* secret : {"db", "kv"}) EXPECT_TRUE(Read(secret).ok()) << secret;
}

TEST_F(LeaseMachineTest, S13_ALeaseThatTheServerRevokedIsWithdrawnAndMintedAtTheNextRead) {
  ASSERT_TRUE(Read("db").ok());
  source_.on_renew = [](auto&&...) { return Gone(); };
  loop_.RunFor(45min);
  EXPECT_EQ(changed_, std::vector<std::string>{"db"});
  EXPECT_EQ(source_.figures.gets, 1);
  EXPECT_EQ(Text(Read("db")), "password-2");
}

TEST_F(LeaseMachineTest, S16_LeasesAreReplacedUnderTheNextTokenBeforeTheirsEnds) {
  source_.lease_life = 24h;
  source_.on_renew_token = [](auto&&...) { return Gone(); };  // it may not renew itself
  source_.on_check = [](auto&&...) { return TokenState{20min, false}; };
  std::vector<std::string> tokens;
  source_.on_get = [&](const Tree&, const std::string&, const std::string& token) {
    tokens.push_back(token);
    return source_.NewGrant();
  };
  Result<SecretVersion> first = Read("db");
  BootTime token_end = loop_.Now() + 1h;
  EXPECT_LE(first->lease_end, token_end);
  loop_.RunUntil(token_end);
  EXPECT_EQ(source_.figures.logins, 2);
  EXPECT_EQ(tokens, (std::vector<std::string>{"token-1", "token-2"}));
  EXPECT_EQ(Text(Read("db")), "password-2");
  EXPECT_EQ(published_.size(), 1U);
}

TEST_F(LeaseMachineTest, S16_ATokenThatEndsBeforeItIsKnownToBeRenewedCostsNoLogin) {
  source_.token_life = 60s;
  ASSERT_TRUE(Read("db").ok());
  loop_.RunFor(30s);
  source_.latency = 40s;  // of the renewal
  loop_.RunFor(25s);
  source_.latency = 1ms;
  loop_.RunFor(10s);
  EXPECT_EQ(source_.figures.token_renewals, 1);
  EXPECT_TRUE(machine_->Report().leases.empty());  // it ended with what was known of the token
  loop_.RunFor(30s);
  EXPECT_EQ(Text(Read("kv")), "password-2");
  EXPECT_EQ(source_.figures.logins, 1);
  machine_->Stop(true, 1min, [] {});
  loop_.RunFor(10ms);
  EXPECT_EQ(source_.figures.token_revocations, 1);  // and with it what it made
}

TEST_F(LeaseMachineTest, F5_ADeadTokenCostsOneCheckAndOneLogin) {
  ASSERT_TRUE(Read("db").ok());
  ASSERT_TRUE(Read("kv").ok());
  loop_.RunFor(1min);
  source_.on_get = [&](const Tree&, const std::string&, const std::string& token) -> Answer<Grant> {
    if (token == "token-1") return Forbidden();
    return source_.NewGrant();
  };
  source_.on_check = [](auto&&...) { return Gone(); };
  EXPECT_EQ(Text(Read("kv", 20ms)), "password-3");
  EXPECT_EQ(source_.figures.checks, 1);
  EXPECT_EQ(source_.figures.logins, 2);
  EXPECT_EQ(changed_, std::vector<std::string>{"db"});  // its lease died with the token
  EXPECT_EQ(Text(Read("db", 20ms)), "password-4");
}

TEST_F(LeaseMachineTest, F7_ADenialOfOnePathIsAnAnswerAndTouchesNoOther) {
  ASSERT_TRUE(Read("db").ok());
  loop_.RunFor(1min);
  source_.on_get = [](auto&&...) { return Forbidden(); };
  const BootTime start = loop_.Now();
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(Text(Read("kv", 2s)), "denied");  // at most a second late: the token is looked at after each denial
    loop_.RunFor(100ms);
  }
  EXPECT_LE(source_.figures.checks, (loop_.Now() - start) / 1s + 1);
  EXPECT_EQ(source_.figures.logins, 1);
  EXPECT_EQ(Text(Read("db")), "password-1");
}

TEST_F(LeaseMachineTest, ATokenThatCannotBeCheckedIsTriedByALoginOnceInABackOffStep) {
  source_.on_check = [](auto&&...) { return Forbidden(); };
  source_.on_renew_token = [](auto&&...) { return Forbidden(); };
  ASSERT_TRUE(Read("db").ok());
  loop_.RunFor(1min);
  source_.on_get = [](auto&&...) { return Forbidden(); };
  for (int i = 0; i < 1000; ++i) {
    (void)Read("kv", 20ms);
    loop_.RunFor(100ms);
  }
  EXPECT_LE(source_.figures.logins, 4);
  EXPECT_EQ(Text(Read("db")), "password-1");  // a denial costs no lease
}

TEST_F(LeaseMachineTest, AYoungTokenGetsASecondsGrace) {
  int asked = 0;
  source_.on_get = [&](auto&&...) -> Answer<Grant> {
    if (++asked == 1) return Forbidden();
    return source_.NewGrant();
  };
  EXPECT_EQ(Text(Read("db", 2s)), "password-1");
  EXPECT_EQ(source_.figures.checks, 0);
}

TEST_F(LeaseMachineTest, ARefusedLoginBacksOffForMinutesAndIsTriedAtOnceWithANewCredential) {
  source_.on_login = [](auto&&...) { return Refused(ErrorKind::kLoginRefused); };
  for (int i = 0; i < 600; ++i) {
    EXPECT_EQ(Text(Read("db")), "login_refused");
    loop_.RunFor(100ms);
  }
  EXPECT_LE(source_.figures.logins, 4);
  source_.on_login = [&](auto&&...) { return source_.NewToken(); };
  source_.credential_changed("");
  loop_.RunFor(30s);
  EXPECT_EQ(Text(Read("db")), "password-1");
}

TEST_F(LeaseMachineTest, ATokenOfLimitedUsesIsRefused) {
  source_.on_login = [&](auto&&...) {
    Token token = source_.NewToken();
    token.uses = 5;
    return token;
  };
  EXPECT_EQ(Text(Read("kv")), "login_refused");
  EXPECT_NE(machine_->Report().identities.at(0).problem.find("token_num_uses"), std::string::npos);
}

}  // namespace
}  // namespace leasefs::lease
