// Values that are minted and leased (S6, S14, S15, S19).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
using testing::ElementsAre;
using testing::IsEmpty;

constexpr Caller kAlice{1000, 1000, 11};
constexpr Caller kBob{1001, 1001, 12};
constexpr const char* kPassword = "db/password";

class GateLeaseTest : public testing::Test {
 protected:
  GateLeaseTest() : GateLeaseTest(SimTree("db", "db")) {}
  explicit GateLeaseTest(TreeOptions tree) : mount_(loop_, SimConfig({std::move(tree)}, {AllowUser("db/**", 1000)})) {
    mount_.Connect("local", server_);
    loop_.RunFor(seconds(1));
  }
  std::string Open(const Caller& caller = kAlice) {
    SimRead read = mount_.OpenNow(kPassword, caller);
    return read.error ? std::string(ErrorKindName(read.error->kind())) : read.bytes;
  }
  static std::string Version(uint64_t version) { return MintingBackend::ValueOf("db", version); }
  std::string Attribute(const std::string& name) {
    NodeId id = mount_.StatNow(kPassword, kAlice)->id;
    return mount_.gate().GetExtendedAttribute({1, kAlice, loop_.Now()}, id, name).value();
  }
  void KillAndRestart() {
    (void)mount_.TakeAudit();
    mount_.Crash();
    mount_.Restart();
    mount_.Connect("local", server_);
    loop_.RunFor(milliseconds(100));
  }

  SimLoop loop_{1};
  MintingBackend backend_{loop_, "db"};
  BackendServer server_{loop_, backend_, {}};
  SimMount mount_;
};

TEST_F(GateLeaseTest, S6_OnlyAnOpenMints) {
  for (const Caller& caller : {kAlice, kBob}) {
    EXPECT_THAT(*mount_.ListNow("db", caller), ElementsAre("password", "username"));
    EXPECT_EQ(mount_.StatNow(kPassword, caller)->size, 0u);
    Request request{1, caller, loop_.Now()};
    NodeId id = mount_.StatNow(kPassword, caller)->id;
    mount_.gate().Access(request, id, 4, [](const Status&) {});
    for (const std::string& name : mount_.gate().ListExtendedAttributes(id)) {
      EXPECT_TRUE(mount_.gate().GetExtendedAttribute(request, id, name).ok());
    }
  }
  (void)mount_.gate().Count();
  EXPECT_EQ(mount_.OpenNow(kPassword, kBob).error->kind(), ErrorKind::kDenied);
  loop_.RunFor(hours(1));
  EXPECT_EQ(backend_.reads(), 0u);
  EXPECT_EQ(Attribute("user.leasefs.status"), "not read yet");
  EXPECT_EQ(Attribute("user.leasefs.expires"), "not read yet");
  EXPECT_EQ(Open(), Version(1));
  EXPECT_EQ(backend_.mints(), 1u);
}

TEST_F(GateLeaseTest, TheStatusOfWhatWasNeverReadSaysWhyTheBackendAnswersNobody) {
  auto status = [&] {
    loop_.RunFor(seconds(2));
    return Attribute("user.leasefs.status");
  };
  backend_.TellHealth(protocol::HealthState::kDown, "nothing answers there");
  EXPECT_EQ(status(), "not read yet: nothing answers there");
  backend_.TellHealth(protocol::HealthState::kUp, "");
  protocol::Report report;
  report.identities.resize(2);
  report.identities[0].problem = "the role is unknown";
  report.identities[1].logged_in = true;
  backend_.Tell(report);
  EXPECT_EQ(status(), "not read yet");  // whose login this tree has, fs does not know
  report.identities[1].logged_in = false;
  report.identities[1].problem = "refused";
  backend_.Tell(report);
  EXPECT_EQ(status(), "not read yet: its login fails: the role is unknown");
  EXPECT_EQ(Open(), Version(1));
  EXPECT_THAT(status(), testing::StartsWith("leased: "));
}

TEST_F(GateLeaseTest, TheOneSecretOfATreeThatIsNotThereIsAProblem) {
  EXPECT_TRUE(mount_.ListNow("db", kAlice).ok());  // what it would have is known all the same
  backend_.outage = ErrorKind::kNotFound;
  EXPECT_EQ(Open(), ErrorKindName(ErrorKind::kNotFound));
  EXPECT_EQ(mount_.gate().Report().trees[0].problem, "outage");
  EXPECT_EQ(mount_.OpenNow("db/misspelt", kAlice).error->kind(), ErrorKind::kNotFound);
}

TEST_F(GateLeaseTest, AnOutageThatNobodyRanIntoForLongIsNoProblemThatIsKnown) {
  backend_.outage = ErrorKind::kRemote;
  EXPECT_EQ(Open(), ErrorKindName(ErrorKind::kRemote));
  loop_.RunFor(minutes(4));
  EXPECT_EQ(mount_.gate().Report().trees[0].problem, "outage");
  loop_.RunFor(minutes(2));
  EXPECT_EQ(mount_.gate().Report().trees[0].problem, "");
}

TEST_F(GateLeaseTest, S6_TheSizeIsTrueWhileAVersionIsHeldAndNothingBeforeAndAfter) {
  EXPECT_EQ(mount_.StatNow(kPassword, kAlice)->size, 0u);
  EXPECT_EQ(Open(), Version(1));
  for (const Caller& caller : {kAlice, kBob}) EXPECT_EQ(mount_.StatNow(kPassword, caller)->size, Version(1).size());
  loop_.RunFor(backend_.lease);
  for (const Caller& caller : {kAlice, kBob}) EXPECT_EQ(mount_.StatNow(kPassword, caller)->size, 0u);
  EXPECT_EQ(backend_.reads(), 1u);
}

TEST_F(GateLeaseTest, S6_AStatWhoseValueIsNotFreshAnyMoreAsksNothing) {
  backend_.min_ttl = minutes(5);
  EXPECT_EQ(Open(), Version(1));
  loop_.RunFor(minutes(6));
  EXPECT_EQ(mount_.StatNow(kPassword, kAlice)->size, Version(1).size());
  EXPECT_EQ(backend_.reads(), 1u);
}

TEST_F(GateLeaseTest, S19_NoReaderIsHandedLessThanMinTtl) {
  backend_.min_ttl = minutes(5);
  SimRead old = mount_.OpenNow(kPassword, kAlice, true);
  loop_.RunFor(minutes(5));
  EXPECT_EQ(Open(), Version(2));
  EXPECT_EQ(*mount_.ReadAgain(old), Version(1));
  backend_.outage = ErrorKind::kUnreachable;
  loop_.RunFor(minutes(5));
  EXPECT_EQ(Open(), ErrorKindName(ErrorKind::kUnreachable)) << "nor in an outage: S19 goes before S14";
  backend_.outage.reset();
  loop_.RunFor(seconds(10));
  EXPECT_EQ(Open(), Version(3));
}

TEST_F(GateLeaseTest, S6_ItIsRememberedByASuccessorWithoutAsking) {
  EXPECT_TRUE(mount_.ListNow("db", kAlice).ok());
  uint64_t lists = backend_.lists();
  KillAndRestart();
  EXPECT_EQ(mount_.StatNow(kPassword, kAlice)->size, 0u);
  EXPECT_EQ(backend_.lists(), lists);
  EXPECT_EQ(backend_.reads(), 0u);
}

TEST_F(GateLeaseTest, S6_WhatBecameMintedSinceItWasListedIsNotAskedForByAStat) {
  backend_.minted = false;
  EXPECT_TRUE(mount_.ListNow("db", kAlice).ok());
  backend_.minted = true;
  server_.SetOptions({.value_bytes = kMaxValueBytes / 2});  // everything changed
  loop_.RunFor(seconds(1));
  EXPECT_EQ(mount_.StatNow(kPassword, kAlice)->size, 0u);
  EXPECT_EQ(backend_.reads(), 0u);
}

TEST_F(GateLeaseTest, AStatOfWhatCannotBeListedDoesNotAskEachTime) {
  backend_.minted = false;
  EXPECT_TRUE(mount_.ListNow("db", kAlice).ok());
  NodeId id = mount_.StatNow(kPassword, kAlice)->id;
  server_.SetOptions({.value_bytes = kMaxValueBytes / 2});  // everything changed
  backend_.outage = ErrorKind::kDenied;
  loop_.RunFor(seconds(1));
  uint64_t lists = backend_.lists();
  for (uint64_t i = 0; i < 20; ++i) {
    bool answered = false;
    struct Parks : Parking {
      bool Park() noexcept override { return true; }
      bool Interrupted() const noexcept override { return false; }
    } parks;
    Request request{1000 + 2 * i, kAlice, loop_.Now(), false, &parks};
    mount_.gate().GetAttributes(request, id, 0, [&](const auto&) { answered = true; });
    while (!answered && loop_.Step()) {
    }
  }
  EXPECT_LE(backend_.lists(), lists + 1);
}

TEST_F(GateLeaseTest, S15_ARefreshLeavesLeasesAlone) {
  EXPECT_EQ(Open(), Version(1));
  std::optional<RefreshCounts> counts;
  mount_.gate().Refresh("", [&](Result<RefreshCounts> result) { counts = *result; });
  loop_.RunFor(seconds(1));
  ASSERT_TRUE(counts);
  EXPECT_EQ(counts->asked, 0u);
  EXPECT_EQ(counts->minted, 1u);
  EXPECT_EQ(backend_.reads(), 1u);
}

TEST_F(GateLeaseTest, S14_NothingIsServedAfterTheEndAndTheValueGoesAtOnce) {
  EXPECT_EQ(Open(), Version(1));
  BootTime minted = loop_.Now();
  NodeId inode = mount_.OpenNow(kPassword, kAlice).inode;
  backend_.outage = ErrorKind::kUnreachable;
  loop_.RunFor(backend_.lease - (loop_.Now() - minted) - seconds(1));
  EXPECT_EQ(Open(), Version(1)) << "whatever the backend does";
  size_t told = mount_.invalidated().size();
  loop_.RunFor(seconds(1) + milliseconds(10));
  EXPECT_EQ(mount_.gate().Report().sealed_bytes, 0u);
  std::vector<NodeId> dropped(mount_.invalidated().begin() + static_cast<ptrdiff_t>(told), mount_.invalidated().end());
  EXPECT_THAT(dropped, testing::Contains(inode)) << "its pages stay in the kernel";
  EXPECT_EQ(Open(), ErrorKindName(ErrorKind::kExpired));
  EXPECT_THAT(Attribute("user.leasefs.status"), testing::StartsWith("expired: "));
  EXPECT_EQ(Attribute("user.leasefs.expires"), "0 s");
  backend_.outage.reset();
  loop_.RunFor(minutes(1));
  EXPECT_EQ(Open(), Version(2));
}

TEST_F(GateLeaseTest, S14_AnOpenDescriptorKeepsItsBytesUntilItIsClosed) {
  SimRead open = mount_.OpenNow(kPassword, kAlice, true);
  backend_.outage = ErrorKind::kUnreachable;
  loop_.RunFor(backend_.lease + minutes(1));
  EXPECT_EQ(*mount_.ReadAgain(open), Version(1));
  EXPECT_EQ(mount_.StatNow(kPassword, kAlice)->size, Version(1).size()) << "fstat asks so too";
  KillAndRestart();
  EXPECT_EQ(*mount_.ReadAgain(open), Version(1));
  mount_.Close(open);
  EXPECT_EQ(mount_.gate().Report().sealed_bytes, 0u);
}

TEST_F(GateLeaseTest, S25_ADeadlineAfterTheEndOfALeaseSaysThatItHasEnded) {
  EXPECT_EQ(Open(), Version(1));
  backend_.outage = ErrorKind::kInterrupted;  // no answer
  loop_.RunFor(backend_.lease);
  EXPECT_EQ(Open(), ErrorKindName(ErrorKind::kExpired));
}

TEST_F(GateLeaseTest, S25_WithoutALeaseBeforeItIsAsForAnyOtherSecret) {
  EXPECT_TRUE(mount_.ListNow("db", kAlice).ok());
  backend_.outage = ErrorKind::kInterrupted;
  EXPECT_EQ(Open(), ErrorKindName(ErrorKind::kUnreachable));
}

TEST_F(GateLeaseTest, S14_AVersionThatHasEndedWhenItComesIsNeverServed) {
  backend_.lease = Duration(0);
  EXPECT_EQ(Open(), ErrorKindName(ErrorKind::kExpired));
  EXPECT_LE(backend_.mints(), 10u) << "and not for ever again";
}

TEST_F(GateLeaseTest, S14_ALeaseThatEndsWhileFsIsAwayIsNotServedByTheSuccessor) {
  EXPECT_EQ(Open(), Version(1));
  (void)mount_.TakeAudit();
  mount_.Crash();
  loop_.RunFor(backend_.lease);
  backend_.outage = ErrorKind::kInterrupted;
  mount_.Restart();
  mount_.Connect("local", server_);
  EXPECT_EQ(Open(), ErrorKindName(ErrorKind::kExpired));
  EXPECT_EQ(mount_.gate().Report().sealed_bytes, 0u);
}

TEST_F(GateLeaseTest, S14_AReplacementIsServedToTheNextOpenAndTheOldOneToWhoHoldsIt) {
  SimRead old = mount_.OpenNow(kPassword, kAlice, true);
  backend_.Replace("db");
  loop_.RunFor(seconds(1));
  EXPECT_EQ(Open(), Version(2));
  EXPECT_EQ(*mount_.ReadAgain(old), Version(1));
  EXPECT_EQ(backend_.reads(), 1u);
  loop_.RunFor(backend_.lease - seconds(2));
  EXPECT_EQ(Open(), Version(2));
  mount_.Close(old);
}

TEST_F(GateLeaseTest, S14_AnExtendedLeaseIsServedUntilItsNewEnd) {
  EXPECT_EQ(Open(), Version(1));
  loop_.RunFor(minutes(6));
  backend_.Extend("db", minutes(10));
  loop_.RunFor(minutes(13));
  EXPECT_EQ(Open(), Version(1));
  EXPECT_EQ(backend_.reads(), 1u);
  EXPECT_THAT(Attribute("user.leasefs.status"), testing::StartsWith("leased: "));
  EXPECT_EQ(mount_.gate().Stat(kPassword)->lease_end, mount_.gate().Stat(kPassword)->stale_until);
  loop_.RunFor(minutes(1));
  EXPECT_EQ(mount_.gate().Report().sealed_bytes, 0u);
}

TEST_F(GateLeaseTest, S14_ALeaseThatIsCutShortEndsThen) {
  EXPECT_EQ(Open(), Version(1));
  backend_.Extend("db", -minutes(8));
  backend_.outage = ErrorKind::kUnreachable;
  loop_.RunFor(minutes(2));
  EXPECT_EQ(Open(), ErrorKindName(ErrorKind::kExpired));
}

TEST_F(GateLeaseTest, S15_AThousandReadersMintOnce) {
  backend_.delay = milliseconds(200);
  int served = 0;
  for (int i = 0; i < 1000; ++i) {
    mount_.Open(kPassword, kAlice, false, [&](const SimRead& read) { served += read.bytes == Version(1) ? 1 : 0; });
  }
  loop_.RunFor(seconds(2));
  EXPECT_EQ(served, 1000);
  EXPECT_EQ(backend_.mints(), 1u);
}

TEST_F(GateLeaseTest, S15_KillsOfFsMintNothing) {
  EXPECT_EQ(Open(), Version(1));
  for (int i = 0; i < 20; ++i) {
    KillAndRestart();
    EXPECT_EQ(Open(), Version(1));
  }
  EXPECT_EQ(backend_.mints(), 1u);
  EXPECT_THAT(backend_.forgotten(), IsEmpty());
}

TEST_F(GateLeaseTest, StatusAndStatShowWhatTheBackendTells) {
  EXPECT_EQ(Open(), Version(1));
  protocol::Report told;
  told.identities = {{"", true, loop_.Now() + hours(1), true, 1, ""}};
  told.leases = {{"db", loop_.Now(), loop_.Now() + hours(1), true, true, ""}, {"other", {}, kNever, false, true, ""}};
  backend_.Tell(told);
  loop_.RunFor(seconds(1));
  GateReport report = mount_.gate().Report();
  EXPECT_EQ(report.links[0].report, told);
  EXPECT_EQ(report.trees[0].leases, 1u);
  EXPECT_EQ(report.trees[0].stale, 0u);
  EXPECT_EQ(report.trees[0].next_lease_end, mount_.gate().Stat(kPassword)->lease_end);
  EXPECT_THAT(mount_.gate().Stat(kPassword)->leases, ElementsAre(told.leases[0]));
  EXPECT_TRUE(mount_.gate().Stat(kPassword)->minted);
  backend_.outage = ErrorKind::kUnreachable;
  loop_.RunFor(backend_.lease);
  EXPECT_EQ(Open(), ErrorKindName(ErrorKind::kExpired));
  report = mount_.gate().Report();
  EXPECT_EQ(report.trees[0].leases, 0u);
  EXPECT_EQ(report.trees[0].failed, 1u);
  EXPECT_EQ(report.links[0].report, told);
}

class GateLeaseNamedTest : public GateLeaseTest {
 protected:
  GateLeaseNamedTest() : GateLeaseTest(Named()) {}
  static TreeOptions Named() {
    TreeOptions tree = SimTree("db", "database/creds/app");
    tree.by_name = true;
    return tree;
  }
};

TEST_F(GateLeaseNamedTest, StatShowsTheSourceOfTheConfigurationWhereTheBackendKnowsTheTreeByItsName) {
  EXPECT_EQ(Open(), Version(1));
  protocol::Report told;
  told.leases = {{"db", loop_.Now(), loop_.Now() + hours(1), true, true, ""}};
  backend_.Tell(told);
  loop_.RunFor(seconds(1));
  EXPECT_EQ(mount_.gate().Stat(kPassword)->source, "database/creds/app");
  EXPECT_EQ(mount_.gate().Stat("db")->source, "database/creds/app");
  EXPECT_THAT(mount_.gate().Stat(kPassword)->leases, ElementsAre(told.leases[0]));
}

class GateLeaseKeepTest : public GateLeaseTest {
 protected:
  GateLeaseKeepTest() : GateLeaseTest(Tree()) { backend_.lease = hours(10); }
  static TreeOptions Tree() {
    TreeOptions tree = SimTree("db", "db");
    tree.keep = hours(1);
    return tree;
  }
};

TEST_F(GateLeaseKeepTest, S15_WhatNobodyOpensIsToldToTheBackendAndServedUntilItsEnd) {
  EXPECT_EQ(Open(), Version(1));
  loop_.RunFor(hours(2));
  EXPECT_THAT(backend_.forgotten(), ElementsAre("db")) << "else it would be replaced for nobody";
  backend_.outage = ErrorKind::kUnreachable;
  EXPECT_EQ(Open(), Version(1)) << "the lease is alive";
  backend_.outage.reset();
  loop_.RunFor(minutes(10));
  EXPECT_EQ(Open(), Version(1));
  EXPECT_EQ(backend_.mints(), 1u);
}

TEST_F(GateLeaseKeepTest, S15_AnOpenAfterThatTellsTheBackendThatItIsInUse) {
  EXPECT_EQ(Open(), Version(1));
  loop_.RunFor(hours(2));
  uint64_t reads = backend_.reads();
  EXPECT_EQ(Open(), Version(1));
  loop_.RunFor(seconds(1));
  EXPECT_EQ(backend_.reads(), reads + 1);
  EXPECT_EQ(Open(), Version(1));
  loop_.RunFor(seconds(1));
  EXPECT_EQ(backend_.reads(), reads + 1) << "once";
  EXPECT_EQ(backend_.mints(), 1u);
}

class GateLeaseIdleTest : public GateLeaseTest {
 protected:
  GateLeaseIdleTest() : GateLeaseTest(Tree()) {
    backend_.lease = hours(10);
    backend_.revokes_idle = true;
  }
  static TreeOptions Tree() {
    TreeOptions tree = SimTree("db", "db");
    tree.idle = minutes(10);
    return tree;
  }
};

TEST_F(GateLeaseIdleTest, S15_AnIdleLeaseIsLetGoOf) {
  EXPECT_EQ(Open(), Version(1));
  loop_.RunFor(minutes(9));
  EXPECT_THAT(backend_.forgotten(), IsEmpty());
  loop_.RunFor(minutes(2));
  EXPECT_THAT(backend_.forgotten(), ElementsAre("db"));
  EXPECT_EQ(mount_.gate().Report().sealed_bytes, 0u);
  EXPECT_EQ(Open(), Version(2));
}

TEST_F(GateLeaseIdleTest, S15_WhatIsToldOfAndNobodyUsesIsLetGoOfAgain) {
  EXPECT_EQ(Open(), Version(1));
  loop_.RunFor(minutes(11));
  backend_.Replace("db");  // as after a word that was lost
  loop_.RunFor(minutes(11));
  EXPECT_THAT(backend_.forgotten(), ElementsAre("db", "db"));
  EXPECT_THAT(backend_.LiveLeases(), IsEmpty());
}

TEST_F(GateLeaseIdleTest, S15_NotWhileADescriptorReadsIt) {
  SimRead open = mount_.OpenNow(kPassword, kAlice, true);
  loop_.RunFor(hours(2));
  EXPECT_THAT(backend_.forgotten(), IsEmpty());
  mount_.Close(open);
  loop_.RunFor(minutes(1));
  EXPECT_THAT(backend_.forgotten(), ElementsAre("db"));
}

TEST_F(GateLeaseIdleTest, S15_NorWhileADescriptorReadsAnOlderOne) {
  SimRead open = mount_.OpenNow(kPassword, kAlice, true);
  backend_.Replace("db");
  loop_.RunFor(hours(2));
  EXPECT_THAT(backend_.forgotten(), IsEmpty()) << "both leases would be revoked";
  mount_.Close(open);
  loop_.RunFor(minutes(1));
  EXPECT_THAT(backend_.forgotten(), ElementsAre("db"));
}

TEST_F(GateLeaseIdleTest, S15_WhatHasEndedIsToldToBeIdleToo) {
  backend_.lease = minutes(5);
  EXPECT_EQ(Open(), Version(1));
  loop_.RunFor(minutes(11));
  EXPECT_THAT(backend_.forgotten(), ElementsAre("db")) << "else it would be replaced for nobody";
}

}  // namespace
}  // namespace leasefs
