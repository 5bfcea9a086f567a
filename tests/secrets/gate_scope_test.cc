// lease_scope: one path, and a credential for each uid, process or open (S15).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "fs/base/sim_loop.h"
#include "fs/secrets/secret_gate.h"
#include "tests/support/minting_backend.h"
#include "tests/support/sim_mount.h"

namespace leasefs {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

constexpr Caller kAlice{1000, 1000, 11};
constexpr Caller kAlicesOtherThread{1000, 1000, 12};
constexpr Caller kAlicesOtherProcess{1000, 1000, 13};
constexpr Caller kBob{1001, 1001, 21};
constexpr const char* kPassword = "db/password";
constexpr uint32_t kMost = 4;

class GateScopeTest : public testing::Test {
 protected:
  explicit GateScopeTest(LeaseScope scope) : mount_(loop_, Configuration(scope)) {
    backend_.revokes_idle = true;
    backend_.lease = hours(10);
    mount_.SetProcess(11, 11);
    mount_.SetProcess(12, 11);
    mount_.SetProcess(13, 13);
    mount_.SetProcess(21, 21);
    mount_.Connect("local", server_);
    Run(seconds(1));
  }
  static Config Configuration(LeaseScope scope, milliseconds mint_interval = seconds(10)) {
    TreeOptions tree = SimTree("db", "db");
    tree.lease_scope = scope;
    tree.idle = minutes(10);
    TreeOptions other = tree;
    other.path = "other";
    tree.vault.mint_interval = mint_interval;
    Config config = SimConfig({tree, other}, {AllowUser("**", 1000), AllowUser("**", 1001)});
    config.limits.scoped_leases_per_uid = kMost;
    return config;
  }
  void Run(Duration duration) { loop_.RunFor(duration); }
  SimRead Open(const Caller& caller = kAlice) { return mount_.OpenNow(kPassword, caller, true); }
  std::string Read(const Caller& caller = kAlice) {
    SimRead read = mount_.OpenNow(kPassword, caller);
    Run(milliseconds(10));
    return read.error ? std::string(ErrorKindName(read.error->kind())) : read.bytes;
  }
  std::string Attribute(const std::string& name, const Caller& caller = kAlice, const std::string& path = "db") {
    NodeId id = mount_.StatNow(path, caller)->id;
    auto value = mount_.gate().GetExtendedAttribute({1, caller, loop_.Now()}, id, "user.leasefs." + name);
    return value.ok() ? *value : std::string(ErrorKindName(value.error().kind()));
  }
  void Close(const SimRead& open) {
    mount_.Close(open);
    Run(milliseconds(10));
  }
  void KillAndRestart() {
    (void)mount_.TakeAudit();
    mount_.Crash();
    mount_.Restart();
    mount_.Connect("local", server_);
    Run(milliseconds(100));
  }
  // No name of an instance was ever used for two of them.
  void ExpectFreshNames() {
    std::set<std::string> names(backend_.minted_paths().begin(), backend_.minted_paths().end());
    EXPECT_EQ(names.size(), backend_.minted_paths().size());
    for (const std::string& name : names) EXPECT_THAT(name, StartsWith("db/"));
  }

  SimLoop loop_{1};
  MintingBackend backend_{loop_, "db"};
  BackendServer server_{loop_, backend_, {}};
  SimMount mount_;
};

class GateUidScopeTest : public GateScopeTest {
 protected:
  GateUidScopeTest() : GateScopeTest(LeaseScope::kUid) {}
};
class GateProcessScopeTest : public GateScopeTest {
 protected:
  GateProcessScopeTest() : GateScopeTest(LeaseScope::kProcess) {}
};
class GateOpenScopeTest : public GateScopeTest {
 protected:
  GateOpenScopeTest() : GateScopeTest(LeaseScope::kOpen) {}
};

TEST_F(GateUidScopeTest, S15_EachUidHasACredentialOfItsOwn) {
  std::string alice = Read(kAlice), bob = Read(kBob);
  EXPECT_NE(alice, bob);
  EXPECT_EQ(Read(kAlicesOtherProcess), alice);
  EXPECT_EQ(Read(kAlice), alice);
  EXPECT_EQ(backend_.mints(), 2u);
  ExpectFreshNames();
}

TEST_F(GateUidScopeTest, S6_NothingIsShownOfIt) {
  EXPECT_EQ(mount_.StatNow(kPassword, kAlice)->size, 0u);
  EXPECT_THAT(*mount_.ListNow("db", kAlice), ElementsAre("password", "username"));
  EXPECT_EQ(backend_.mints(), 0u);
  SimRead open = Open();
  EXPECT_TRUE(open.direct) << "its pages would be another caller's";
  EXPECT_EQ(mount_.StatNow(kPassword, kAlice)->size, 0u);
  EXPECT_EQ(mount_.StatNow(kPassword, kBob)->size, 0u);
  EXPECT_THAT(*mount_.ListNow("db", kAlice), ElementsAre("password", "username"));
  EXPECT_EQ(mount_.gate().Report().trees[0].files, 2u);
  EXPECT_EQ(mount_.gate().Stat(kPassword)->status, "one lease for each user");
}

TEST_F(GateUidScopeTest, S15_AttributesAreOfTheCallersOwn) {
  EXPECT_EQ(Attribute("scope"), "uid");
  EXPECT_EQ(Attribute("version"), "0");
  Read(kAlice);
  backend_.Replace(backend_.minted_paths()[0]);
  Run(seconds(1));
  Read(kBob);
  for (const char* path : {"db", kPassword}) {
    EXPECT_EQ(Attribute("version", kAlice, path), "2");
    EXPECT_EQ(Attribute("version", kBob, path), "1");
    EXPECT_THAT(Attribute("expires", kBob, path), StartsWith("35999"));
  }
  EXPECT_THAT(mount_.gate().ListExtendedAttributes(mount_.StatNow("db", kAlice)->id), Contains("user.leasefs.scope"));
  EXPECT_EQ(Attribute("version", kAlice, "other"), "0");
  EXPECT_EQ(backend_.mints(), 3u) << "two opens and the replacement";
  ASSERT_TRUE(mount_.Reload(Configuration(LeaseScope::kShared)).ok());
  EXPECT_EQ(Attribute("scope"), ErrorKindName(ErrorKind::kNoAttribute));
}

TEST_F(GateUidScopeTest, S15_ItIsGivenBackWhenItIsIdle) {
  std::string first = Read();
  SimRead open = Open();
  Run(hours(1));
  EXPECT_THAT(backend_.forgotten(), IsEmpty()) << "it is being read";
  Close(open);
  Run(minutes(1));
  EXPECT_THAT(backend_.forgotten(), ElementsAre(backend_.minted_paths()[0]));
  EXPECT_THAT(backend_.LiveLeases(), IsEmpty());
  EXPECT_NE(Read(), first);
  ExpectFreshNames();
}

TEST_F(GateUidScopeTest, S23_TheRecordSaysWhichVersionWasHandedOut) {
  Read(kAlice);
  backend_.Replace(backend_.minted_paths()[0]);
  Run(seconds(1));
  (void)mount_.TakeAudit();
  Read(kAlice);
  Run(seconds(1));
  auto records = mount_.TakeAudit();
  ASSERT_THAT(records, SizeIs(1));
  EXPECT_EQ(records[0].secret_version, 2u);
  EXPECT_EQ(records[0].file_version, 2u);
}

TEST_F(GateUidScopeTest, S14_AReplacementIsServedAndTheEndIsTheEnd) {
  SimRead old = Open();
  backend_.Replace(backend_.minted_paths()[0]);
  Run(seconds(1));
  std::string second = Read();
  EXPECT_NE(second, old.bytes);
  EXPECT_EQ(*mount_.ReadAgain(old), old.bytes);
  backend_.outage = ErrorKind::kUnreachable;
  Run(hours(9));
  EXPECT_EQ(Read(), second);
  Run(hours(1));
  EXPECT_EQ(Read(), ErrorKindName(ErrorKind::kExpired));
  EXPECT_EQ(*mount_.ReadAgain(old), old.bytes);
  Close(old);
  EXPECT_EQ(mount_.gate().Report().sealed_bytes, 0u);
}

TEST_F(GateUidScopeTest, S15_AKillOfFsMintsNothing) {
  SimRead open = Open();
  for (int i = 0; i < 5; ++i) {
    KillAndRestart();
    EXPECT_EQ(Read(), open.bytes);
    EXPECT_EQ(*mount_.ReadAgain(open), open.bytes);
  }
  EXPECT_EQ(backend_.mints(), 1u);
  EXPECT_THAT(backend_.forgotten(), IsEmpty());
}

TEST_F(GateUidScopeTest, AnotherScopeAfterAReloadGivesBackWhatWas) {
  std::string first = Read();
  ASSERT_TRUE(mount_.Reload(Configuration(LeaseScope::kOpen)).ok());
  Run(seconds(1));
  EXPECT_THAT(backend_.LiveLeases(), IsEmpty());
  SimRead open = Open();
  EXPECT_NE(open.bytes, first);
  ASSERT_TRUE(mount_.Reload(Configuration(LeaseScope::kShared)).ok());
  Run(seconds(1));
  EXPECT_THAT(backend_.LiveLeases(), IsEmpty());
  EXPECT_EQ(*mount_.ReadAgain(open), open.bytes);
  EXPECT_EQ(Read(), MintingBackend::ValueOf("db", 1));
  ASSERT_TRUE(mount_.Reload(Configuration(LeaseScope::kUid)).ok());
  Run(seconds(1));
  EXPECT_THAT(backend_.LiveLeases(), IsEmpty());
  EXPECT_THAT(Read(), StartsWith("db/")) << "what all had shared";
}

TEST_F(GateUidScopeTest, WhoWaitsDuringAReloadGetsWhatTheNewScopeSays) {
  EXPECT_TRUE(mount_.ListNow("db", kAlice).ok());
  backend_.delay = seconds(1);
  std::optional<SimRead> read;
  mount_.Open(kPassword, kAlice, false, [&](SimRead result) { read = std::move(result); });
  Run(milliseconds(100));
  ASSERT_TRUE(mount_.Reload(Configuration(LeaseScope::kShared)).ok());
  Run(seconds(4));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->bytes, MintingBackend::ValueOf("db", 1));
}

TEST_F(GateUidScopeTest, ASourceThatIsNotMintedCannotBeScoped) {
  backend_.minted = false;
  EXPECT_EQ(Read(), ErrorKindName(ErrorKind::kRemote));
  EXPECT_EQ(backend_.reads(), 0u);
}

TEST_F(GateProcessScopeTest, S15_ThreadsShareItAndProcessesDoNot) {
  std::string first = Read(kAlice);
  EXPECT_EQ(Read(kAlicesOtherThread), first);
  EXPECT_NE(Read(kAlicesOtherProcess), first);
  EXPECT_EQ(backend_.mints(), 2u);
  ExpectFreshNames();
}

TEST_F(GateProcessScopeTest, S15_AttributesAreOfTheCallersOwn) {
  EXPECT_EQ(Attribute("scope"), "process");
  Read(kAlice);
  EXPECT_EQ(Attribute("version", kAlicesOtherThread), "1");
  EXPECT_EQ(Attribute("version", kAlicesOtherProcess), "0");
  EXPECT_EQ(Attribute("version", {1000, 1000, 99}), "0") << "procfs does not know it";
}

TEST_F(GateProcessScopeTest, S15_ItEndsWithTheProcess) {
  Read(kAlice);
  Read(kBob);
  mount_.EndProcess(11);
  Run(seconds(2));
  EXPECT_THAT(backend_.forgotten(), ElementsAre(backend_.minted_paths()[0]));
  EXPECT_THAT(backend_.LiveLeases(), ElementsAre(backend_.minted_paths()[1]));
}

TEST_F(GateProcessScopeTest, S15_AlsoWhileFsIsAway) {
  Read(kAlice);
  (void)mount_.TakeAudit();
  mount_.Crash();
  mount_.EndProcess(11);
  mount_.Restart();
  mount_.Connect("local", server_);
  Run(seconds(3));
  EXPECT_THAT(backend_.LiveLeases(), IsEmpty());
}

TEST_F(GateProcessScopeTest, S21_AProcessThatProcfsDoesNotKnowIsDenied) {
  EXPECT_EQ(Read({1000, 1000, 99}), ErrorKindName(ErrorKind::kDenied));
  EXPECT_EQ(backend_.mints(), 0u);
}

TEST_F(GateOpenScopeTest, S15_EachOpenHasItsOwnAndItsCloseGivesItBack) {
  SimRead first = Open(), second = Open();
  EXPECT_NE(first.bytes, second.bytes);
  EXPECT_EQ(*mount_.ReadAgain(first), first.bytes);
  EXPECT_EQ(Attribute("scope"), "open");
  EXPECT_EQ(Attribute("version"), "0");
  Close(first);
  EXPECT_THAT(backend_.forgotten(), ElementsAre(backend_.minted_paths()[0]));
  EXPECT_EQ(*mount_.ReadAgain(second), second.bytes);
  Close(second);
  EXPECT_THAT(backend_.LiveLeases(), IsEmpty());
  EXPECT_EQ(mount_.gate().Report().sealed_bytes, 0u);
}

TEST_F(GateOpenScopeTest, S15_NamesAreNeverUsedAgainAndNodesAre) {
  uint64_t names = 0;
  for (int i = 0; i < 50; ++i) {
    Read();
    Run(seconds(5));
    if (i == 0) names = mount_.gate().Report().names;
  }
  EXPECT_EQ(backend_.mints(), 50u);
  ExpectFreshNames();
  EXPECT_EQ(mount_.gate().Report().names, names);
}

TEST_F(GateOpenScopeTest, S25_OneUidHasSoManyAtOnce) {
  std::vector<SimRead> open;
  for (uint32_t i = 0; i < kMost; ++i) open.push_back(Open());
  Run(minutes(1));
  EXPECT_EQ(Read(), ErrorKindName(ErrorKind::kBusy));
  EXPECT_THAT(Read(kBob), StartsWith("db/")) << "another user's";
  Close(open[0]);
  EXPECT_THAT(Read(), StartsWith("db/"));
}

TEST_F(GateOpenScopeTest, S25_AndSoManyNewOnesInTenSeconds) {
  for (uint32_t i = 0; i < kMost; ++i) EXPECT_THAT(Read(), StartsWith("db/"));
  EXPECT_EQ(Read(), ErrorKindName(ErrorKind::kBusy));
  EXPECT_EQ(backend_.mints(), kMost);
  Run(seconds(11));
  EXPECT_THAT(Read(), StartsWith("db/"));
}

TEST_F(GateOpenScopeTest, S25_OfOneTreeInItsMintIntervalIfThatIsLonger) {
  ASSERT_TRUE(mount_.Reload(Configuration(LeaseScope::kOpen, minutes(1))).ok());
  for (uint32_t i = 0; i < kMost; ++i) EXPECT_THAT(Read(), StartsWith("db/"));
  auto other = [&] { return mount_.OpenNow("other/password", kAlice); };
  EXPECT_EQ(other().error->kind(), ErrorKind::kBusy) << "all trees together have ten seconds";
  Run(seconds(11));
  EXPECT_EQ(Read(), ErrorKindName(ErrorKind::kBusy));
  EXPECT_FALSE(other().error);
  Run(seconds(38));
  EXPECT_EQ(Read(), ErrorKindName(ErrorKind::kBusy));
  Run(seconds(12));
  EXPECT_THAT(Read(), StartsWith("db/"));
}

TEST_F(GateOpenScopeTest, S18_WhatFailsDoesNotCountOnceTheOutageIsOver) {
  ASSERT_TRUE(mount_.Reload(Configuration(LeaseScope::kOpen, minutes(60))).ok());
  EXPECT_TRUE(mount_.ListNow("db", kAlice).ok());
  backend_.outage = ErrorKind::kUnreachable;
  for (uint32_t i = 0; i < kMost; ++i) EXPECT_EQ(Read(), ErrorKindName(ErrorKind::kUnreachable));
  backend_.outage.reset();
  Run(seconds(11));
  for (uint32_t i = 0; i < kMost; ++i) EXPECT_THAT(Read(), StartsWith("db/"));
  Run(seconds(11));
  EXPECT_EQ(Read(), ErrorKindName(ErrorKind::kBusy)) << "of these each was minted";
}

TEST_F(GateOpenScopeTest, S25_TheTreeAndAllTreesAreCountedEachByItself) {
  ASSERT_TRUE(mount_.Reload(Configuration(LeaseScope::kOpen, minutes(60))).ok());
  for (uint32_t i = 0; i + 1 < kMost; ++i) EXPECT_THAT(Read(), StartsWith("db/"));
  Run(seconds(11));
  EXPECT_FALSE(mount_.OpenNow("other/password", kAlice).error);
  EXPECT_THAT(Read(), StartsWith("db/"));
  Run(seconds(11));
  EXPECT_EQ(Read(), ErrorKindName(ErrorKind::kBusy));
}

TEST_F(GateOpenScopeTest, AnOpenThatFailsLeavesNothing) {
  EXPECT_TRUE(mount_.ListNow("db", kAlice).ok());
  backend_.outage = ErrorKind::kUnreachable;
  EXPECT_EQ(Read(), ErrorKindName(ErrorKind::kUnreachable));
  backend_.outage = ErrorKind::kInterrupted;  // no answer
  EXPECT_EQ(Read(), ErrorKindName(ErrorKind::kUnreachable));
  Run(seconds(1));
  EXPECT_THAT(backend_.forgotten(), SizeIs(1)) << "the other one when its answer has come";
  backend_.outage.reset();
  SimRead open = Open();
  EXPECT_THAT(open.bytes, StartsWith("db/"));
  Close(open);
  EXPECT_THAT(backend_.LiveLeases(), IsEmpty());
}

TEST_F(GateOpenScopeTest, WhatComesForNobodyIsGivenBack) {
  EXPECT_TRUE(mount_.ListNow("db", kAlice).ok());
  backend_.delay = seconds(6);
  EXPECT_EQ(Read(), ErrorKindName(ErrorKind::kUnreachable));
  Run(seconds(10));
  EXPECT_EQ(backend_.mints(), 1u);
  KillAndRestart();  // the backend tells again of what it holds
  Run(seconds(1));
  EXPECT_THAT(backend_.LiveLeases(), IsEmpty());
}

TEST_F(GateOpenScopeTest, S15_ADescriptorOutlivesFsAndItsCloseStillGivesItBack) {
  SimRead open = Open();
  KillAndRestart();
  EXPECT_EQ(*mount_.ReadAgain(open), open.bytes);
  Run(hours(1));
  EXPECT_THAT(backend_.forgotten(), IsEmpty());
  EXPECT_EQ(backend_.mints(), 1u);
  Close(open);
  EXPECT_THAT(backend_.LiveLeases(), IsEmpty());
}

TEST_F(GateOpenScopeTest, AWordThatWasLostIsSaidAgain) {
  SimRead open = Open();
  mount_.Close(open);  // and fs is killed before it has told the backend
  KillAndRestart();
  Run(seconds(1));
  EXPECT_THAT(backend_.LiveLeases(), IsEmpty());
  EXPECT_EQ(backend_.mints(), 1u);
}

// Another thread's close, while the loop tells the backend of the one before.
TEST_F(GateOpenScopeTest, ACloseDuringTheWordOfAnotherIsTold) {
  SimRead one = Open(), two = Open();
  mount_.on_send = [&] {
    mount_.on_send = nullptr;
    mount_.Close(two);
  };
  mount_.Close(one);
  Run(seconds(1));
  EXPECT_THAT(backend_.LiveLeases(), IsEmpty());
}

TEST_F(GateOpenScopeTest, AnOpenThatWaitsDuringAKillIsServedOnce) {
  EXPECT_TRUE(mount_.ListNow("db", kAlice).ok());
  backend_.delay = seconds(1);
  std::optional<SimRead> read;
  mount_.Open(kPassword, kAlice, true, [&](SimRead result) { read = std::move(result); });
  Run(milliseconds(300));
  KillAndRestart();
  Run(seconds(4));
  ASSERT_TRUE(read && !read->error);
  EXPECT_EQ(backend_.mints(), 1u);
  Close(*read);
  EXPECT_THAT(backend_.LiveLeases(), IsEmpty());
}

}  // namespace
}  // namespace leasefs
