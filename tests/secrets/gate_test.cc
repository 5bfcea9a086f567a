#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fs/base/sim_loop.h"
#include "fs/secrets/secret_gate.h"
#include "tests/support/map_backend.h"
#include "tests/support/sim_mount.h"

namespace leasefs {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

constexpr Caller kAlice{1000, 1000, 11};
constexpr Caller kBob{2000, 2000, 22};
constexpr Caller kRoot{0, 0, 33};

class GateTest : public testing::Test {
 protected:
  GateTest()
      : backend_(loop_),
        server_(loop_, backend_, {}),
        mount_(loop_,
               SimConfig({SimTree("web", "web")}, {AllowUser("web/**", 1000), AllowGroup("web/shared/**", 500)})) {
    backend_.Put("web/tls", {{"cert.pem", "CERT"}, {"key.pem", "KEY"}});
    mount_.Connect("local", server_);
    loop_.RunFor(std::chrono::seconds(1));
  }

  ErrorKind KindOf(const SimRead& read) { return read.error ? read.error->kind() : ErrorKind{}; }

  SimLoop loop_{1};
  MapBackend backend_;
  BackendServer server_;
  SimMount mount_;
};

TEST_F(GateTest, S1_AFileHasTheBytesOfItsKeyExactly) {
  std::string binary("\0\xff\n\r\0", 5);
  backend_.Put("web/bin", {{"k", binary}, {"empty", ""}});
  EXPECT_EQ(mount_.OpenNow("web/bin/k", kAlice).bytes, binary);
  SimRead empty = mount_.OpenNow("web/bin/empty", kAlice);
  EXPECT_FALSE(empty.error);
  EXPECT_EQ(empty.bytes, "");
}

TEST_F(GateTest, S21_DeniesByDefaultAndRootHasNoRight) {
  EXPECT_EQ(mount_.OpenNow("web/tls/key.pem", kAlice).bytes, "KEY");
  EXPECT_EQ(KindOf(mount_.OpenNow("web/tls/key.pem", kBob)), ErrorKind::kDenied);
  EXPECT_EQ(KindOf(mount_.OpenNow("web/tls/key.pem", kRoot)), ErrorKind::kDenied);
  EXPECT_EQ(KindOf(mount_.OpenNow("web/tls/key.pem", Caller{0, 0, 0})), ErrorKind::kDenied);
}

TEST_F(GateTest, S21_ASupplementaryGroupIsReadOnlyWhenItDecides) {
  backend_.Put("web/shared/db", {{"password", "pw"}});
  EXPECT_EQ(KindOf(mount_.OpenNow("web/shared/db/password", kBob)), ErrorKind::kDenied);
  mount_.SetGroups(kBob.tid, {500});
  EXPECT_EQ(mount_.OpenNow("web/shared/db/password", kBob).bytes, "pw");
}

TEST_F(GateTest, S6_NamesAreThereWithoutAFetch) {
  EXPECT_THAT(*mount_.ListNow("web", kRoot), ElementsAre("tls"));
  EXPECT_THAT(*mount_.ListNow("web/tls", kRoot), UnorderedElementsAre("cert.pem", "key.pem"));
  EXPECT_EQ(mount_.StatNow("web/tls/key.pem", kRoot)->size, 0u);
  EXPECT_EQ(backend_.reads(), 0u);
}

TEST_F(GateTest, S6_StatByWhoMayOpenShowsTheTrueSizeBeforeTheFirstOpen) {
  Attributes attributes = *mount_.StatNow("web/tls/key.pem", kAlice);
  EXPECT_EQ(attributes.size, 3u);
  EXPECT_GT(attributes.attribute_timeout, Duration::zero());  // no placeholder: the kernel may keep it
  EXPECT_EQ(backend_.reads(), 1u);
}

TEST_F(GateTest, S6_ALookupByWhoMayOpenBringsTheValueWithTheNames) {
  EXPECT_GT(mount_.StatNow("web/tls/key.pem", kAlice)->id.version, 0u);  // the lookup's inode, which an open keeps
  EXPECT_EQ(backend_.lists(), 2u);                                       // of web and of the secret
  EXPECT_EQ(mount_.OpenNow("web/tls/key.pem", kAlice).bytes, "KEY");
  EXPECT_EQ(backend_.reads(), 1u);
}

TEST_F(GateTest, S6_ALookupByWhoMayNotOpenBringsNoValue) {
  EXPECT_EQ(mount_.StatNow("web/tls/key.pem", kBob)->id.version, 0u);
  EXPECT_EQ(backend_.reads(), 0u);
}

TEST_F(GateTest, S2_StatAfterAChangeShowsTheNewSizeWithoutAnOpen) {
  SimRead read = mount_.OpenNow("web/tls/key.pem", kAlice);
  EXPECT_GT(mount_.StatNow("web/tls/key.pem", kAlice)->attribute_timeout, Duration::zero());
  size_t told = mount_.invalidated().size();
  backend_.Put("web/tls", {{"cert.pem", "CERT"}, {"key.pem", "A LONGER KEY"}});
  loop_.RunFor(std::chrono::seconds(1));
  std::vector<NodeId> invalidated(mount_.invalidated().begin() + static_cast<long>(told), mount_.invalidated().end());
  EXPECT_THAT(invalidated, testing::Contains(read.inode));
  // For who may not open it the kernel keeps nothing, since it is not certain.
  EXPECT_EQ(mount_.StatNow("web/tls/key.pem", kBob)->attribute_timeout, Duration::zero());
  EXPECT_EQ(mount_.StatNow("web/tls/key.pem", kAlice)->size, 12u);
  EXPECT_EQ(mount_.OpenNow("web/tls/key.pem", kAlice).bytes, "A LONGER KEY");
}

TEST_F(GateTest, S2_StatDuringAnOutageShowsWhatAnOpenWouldAndIsNotKept) {
  EXPECT_FALSE(mount_.OpenNow("web/tls/key.pem", kAlice).error);
  backend_.Put("web/tls", {{"key.pem", "A LONGER KEY"}});
  loop_.RunFor(std::chrono::seconds(1));
  backend_.SetOutage(ErrorKind::kUnreachable);
  Attributes attributes = *mount_.StatNow("web/tls/key.pem", kAlice);
  EXPECT_EQ(attributes.size, mount_.OpenNow("web/tls/key.pem", kAlice).bytes.size());
  EXPECT_EQ(attributes.attribute_timeout, Duration::zero());
}

// The kernel's fstat names the inode and no handle.
TEST_F(GateTest, S8_AnOpenDescriptorKeepsItsSizeAlsoWhenTheSecretIsRemoved) {
  auto fstat = [&](const SimRead& open) {
    std::optional<Result<Attributes>> result;
    Request request{uint64_t{1} << 40, kBob};
    mount_.gate().GetAttributes(request, open.inode, 0, [&](Result<Attributes> found) { result = std::move(found); });
    return std::move(*result);
  };
  SimRead open = mount_.OpenNow("web/tls/key.pem", kAlice, true);
  backend_.Put("web/tls", {{"key.pem", "A LONGER KEY"}});
  loop_.RunFor(std::chrono::seconds(1));
  EXPECT_EQ(fstat(open)->size, 3u);
  EXPECT_FALSE(mount_.OpenNow("web/tls/key.pem", kAlice).error);
  EXPECT_EQ(fstat(open)->size, 3u);
  EXPECT_EQ(fstat(open)->attribute_timeout, Duration::zero());
  backend_.Put("web/tls", {});
  loop_.RunFor(std::chrono::seconds(1));
  EXPECT_EQ(KindOf(mount_.OpenNow("web/tls/key.pem", kAlice)), ErrorKind::kNotFound);
  EXPECT_EQ(fstat(open)->size, 3u);
  mount_.Close(open);
  EXPECT_EQ(fstat(open).error().kind(), ErrorKind::kNotFound);
}

TEST_F(GateTest, S8_TheFirstOpenEndsOnTheInodeOfTheVersion) {
  SimRead read = mount_.OpenNow("web/tls/key.pem", kAlice);
  EXPECT_EQ(read.inode.version, 1u);
  EXPECT_FALSE(read.direct);
}

TEST_F(GateTest, S8_AnOpenDescriptorKeepsItsVersion) {
  SimRead before = mount_.OpenNow("web/tls/key.pem", kAlice, true);
  SimRead cert = mount_.OpenNow("web/tls/cert.pem", kAlice);
  backend_.Put("web/tls", {{"cert.pem", "CERT"}, {"key.pem", "NEWKEY"}});
  loop_.RunFor(std::chrono::seconds(1));
  SimRead after = mount_.OpenNow("web/tls/key.pem", kAlice);
  EXPECT_EQ(after.bytes, "NEWKEY");
  EXPECT_EQ(after.inode.version, 2u);
  EXPECT_EQ(*mount_.ReadAgain(before), "KEY");
  // The new version leaves the unchanged key alone.
  EXPECT_EQ(mount_.OpenNow("web/tls/cert.pem", kAlice).inode, cert.inode);
  mount_.Close(before);
  EXPECT_FALSE(mount_.ReadAgain(before).ok());
}

TEST_F(GateTest, S11_AChangeIsSeenByTheNextOpenWithoutWaitingForTtl) {
  EXPECT_EQ(mount_.OpenNow("web/tls/key.pem", kAlice).bytes, "KEY");
  for (int i = 0; i < 20; ++i) {
    std::string value = "v" + std::to_string(i);
    backend_.Put("web/tls", {{"key.pem", value}});
    bool applied = false;
    server_.WhenApplied(std::chrono::seconds(1), [&](bool ok) { applied = ok; });
    while (!applied && loop_.Step()) {
    }
    EXPECT_EQ(mount_.OpenNow("web/tls/key.pem", kAlice).bytes, value);
  }
}

TEST_F(GateTest, S4_AKeyThatCollidesWithAFolderIsReachableWithItsLastByteEscaped) {
  backend_.Put("web/x", {{"name", "key"}});
  backend_.Put("web/x/name", {{"inner", "folder"}});
  EXPECT_THAT(*mount_.ListNow("web/x", kRoot), UnorderedElementsAre("name", "nam%65"));
  EXPECT_EQ(mount_.OpenNow("web/x/nam%65", kAlice).bytes, "key");
  EXPECT_EQ(mount_.OpenNow("web/x/name/inner", kAlice).bytes, "folder");
  backend_.Put("web/x/name", {});
  loop_.RunFor(std::chrono::seconds(1));
  EXPECT_THAT(*mount_.ListNow("web/x", kRoot), ElementsAre("name"));
  SimRead plain = mount_.OpenNow("web/x/name", kAlice);
  EXPECT_FALSE(plain.error) << ErrorKindName(plain.error->kind());
  EXPECT_EQ(plain.bytes, "key");
}

TEST_F(GateTest, S13_ARemovedSecretDisappearsAndComesBackAsTheSameEntry) {
  SimRead first = mount_.OpenNow("web/tls/key.pem", kAlice, true);
  backend_.Put("web/tls", {});
  loop_.RunFor(std::chrono::seconds(1));
  EXPECT_EQ(KindOf(mount_.OpenNow("web/tls/key.pem", kAlice)), ErrorKind::kNotFound);
  EXPECT_EQ(*mount_.ReadAgain(first), "KEY");
  backend_.Put("web/tls", {{"key.pem", "AGAIN"}});
  loop_.RunFor(std::chrono::seconds(1));
  SimRead again = mount_.OpenNow("web/tls/key.pem", kAlice);
  EXPECT_EQ(again.bytes, "AGAIN");
  EXPECT_EQ(again.inode.node, first.inode.node);
  EXPECT_GT(again.inode.version, first.inode.version);
}

TEST_F(GateTest, S15_ReadersOfOneColdSecretAreOneRequest) {
  backend_.SetDelay(std::chrono::seconds(1));
  int answered = 0;
  for (int i = 0; i < 10'000; ++i) {
    mount_.Open("web/tls/key.pem", Caller{1000, 1000, 100 + i}, false, [&](const SimRead& read) {
      EXPECT_EQ(read.bytes, "KEY");
      ++answered;
    });
  }
  loop_.RunFor(std::chrono::seconds(4));
  EXPECT_EQ(answered, 10'000);
  EXPECT_EQ(backend_.reads(), 1u);
}

TEST_F(GateTest, S25_AUidThatWaitsForTooManySecretsIsBusyAndOthersAreServed) {
  backend_.Put("web/warm", {{"k", "warm"}});
  EXPECT_EQ(mount_.OpenNow("web/warm/k", kAlice).bytes, "warm");
  for (int i = 0; i < 100; ++i) backend_.Put("web/s" + std::to_string(i), {{"k", "v"}});
  loop_.RunFor(std::chrono::seconds(1));
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(mount_.ListNow("web/s" + std::to_string(i), kRoot).ok());
  backend_.SetDelay(std::chrono::seconds(2));
  std::map<ErrorKind, int> errors;
  int served = 0;
  for (int i = 0; i < 100; ++i) {
    mount_.Open("web/s" + std::to_string(i) + "/k", Caller{1000, 1000, 500 + i}, false,
                [&](const SimRead& read) { read.error ? ++errors[read.error->kind()] : ++served; });
  }
  loop_.RunFor(std::chrono::milliseconds(10));
  EXPECT_EQ(errors[ErrorKind::kBusy], 36);
  EXPECT_EQ(mount_.OpenNow("web/warm/k", kAlice).bytes, "warm");
  loop_.RunFor(std::chrono::seconds(10));
  EXPECT_EQ(served, 64);
}

TEST_F(GateTest, S25_WithoutAnAnswerTheDeadlineEndsIt) {
  EXPECT_TRUE(mount_.ListNow("web/tls", kRoot).ok());
  backend_.SetDelay(std::chrono::minutes(1));
  SimRead read = mount_.OpenNow("web/tls/key.pem", kAlice);
  EXPECT_EQ(KindOf(read), ErrorKind::kUnreachable);
  EXPECT_EQ(read.ended - read.started, std::chrono::seconds(5));
}

TEST_F(GateTest, S25_ASignalEndsTheWaitOfThatThreadOnly) {
  EXPECT_TRUE(mount_.ListNow("web/tls", kRoot).ok());
  backend_.SetDelay(std::chrono::seconds(1));
  std::optional<SimRead> first, second;
  mount_.Open("web/tls/key.pem", Caller{1000, 1000, 51}, false, [&](SimRead read) { first = std::move(read); });
  mount_.Open("web/tls/key.pem", Caller{1000, 1000, 52}, false, [&](SimRead read) { second = std::move(read); });
  loop_.RunFor(std::chrono::milliseconds(100));
  mount_.Signal(51);
  loop_.RunFor(std::chrono::seconds(3));
  EXPECT_EQ(first->error->kind(), ErrorKind::kInterrupted);
  EXPECT_EQ(second->bytes, "KEY");
  EXPECT_EQ(backend_.reads(), 1u);
}

TEST_F(GateTest, LockedStoreIsSaidAsSuch) {
  EXPECT_TRUE(mount_.ListNow("web/tls", kRoot).ok());
  backend_.SetOutage(ErrorKind::kLocked);
  EXPECT_EQ(KindOf(mount_.OpenNow("web/tls/key.pem", kAlice)), ErrorKind::kLocked);
}

TEST_F(GateTest, S23_EveryOpenLeavesExactlyOneRecord) {
  (void)mount_.TakeAudit();
  mount_.OpenNow("web/tls/key.pem", kAlice);  // by way of ESTALE
  mount_.OpenNow("web/tls/key.pem", kBob);    // denied
  mount_.OpenNow("web/tls/key.pem", kAlice);  // cached
  auto events = mount_.TakeAudit();
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0].error, 0);
  EXPECT_EQ(events[0].source, AuditEvent::Source::kFetched);
  EXPECT_EQ(events[0].rule, 0);
  EXPECT_EQ(events[1].error, EACCES);
  EXPECT_EQ(events[1].uid, 2000u);
  EXPECT_EQ(events[2].source, AuditEvent::Source::kCached);
}

TEST_F(GateTest, S23_AFullRingDeniesAtOnce) {
  mount_.OpenNow("web/tls/key.pem", kAlice);
  mount_.StopAuditSink();
  mount_.OpenNow("web/tls/key.pem", kAlice);
  loop_.RunFor(std::chrono::seconds(1));  // nobody takes the record: it has waited for longer than 250 ms
  EXPECT_EQ(KindOf(mount_.OpenNow("web/tls/key.pem", kAlice)), ErrorKind::kInternal);
  EXPECT_EQ(KindOf(mount_.OpenNow("web/tls/key.pem", kBob)), ErrorKind::kInternal);  // no refusal without a record
  EXPECT_EQ(mount_.gate().Report().handles, 0u);
  (void)mount_.TakeAudit();
  EXPECT_EQ(mount_.OpenNow("web/tls/key.pem", kAlice).bytes, "KEY");
}

TEST_F(GateTest, S24_ARuleTakenAwayHoldsForTheNextOpen) {
  EXPECT_EQ(mount_.OpenNow("web/tls/key.pem", kAlice).bytes, "KEY");
  (void)mount_.TakeAudit();
  ASSERT_TRUE(mount_.Reload(SimConfig({SimTree("web", "web")}, {AllowUser("web/**", 2000)})).ok());
  EXPECT_EQ(KindOf(mount_.OpenNow("web/tls/key.pem", kAlice)), ErrorKind::kDenied);
  EXPECT_EQ(mount_.OpenNow("web/tls/key.pem", kBob).bytes, "KEY");
  EXPECT_EQ(mount_.TakeAudit().back().generation, 2u);
  EXPECT_FALSE(mount_.invalidated().empty());  // the owner is another one (S5)
}

TEST_F(GateTest, S24_TheRulesInForceAtTheReplyCount) {
  EXPECT_TRUE(mount_.ListNow("web/tls", kRoot).ok());
  backend_.SetDelay(std::chrono::seconds(1));
  std::optional<SimRead> read;
  mount_.Open("web/tls/key.pem", kAlice, false, [&](SimRead result) { read = std::move(result); });
  loop_.RunFor(std::chrono::milliseconds(100));
  ASSERT_TRUE(mount_.Reload(SimConfig({SimTree("web", "web")}, {})).ok());
  loop_.RunFor(std::chrono::seconds(3));
  EXPECT_EQ(read->error->kind(), ErrorKind::kDenied);
}

TEST_F(GateTest, ATreeThatShowsAnotherPlaceForgetsWhatItShowed) {
  backend_.Put("other/tls", {{"key.pem", "OTHER"}});
  SimRead before = mount_.OpenNow("web/tls/key.pem", kAlice);
  ASSERT_TRUE(mount_.Reload(SimConfig({SimTree("web", "other")}, {AllowUser("web/**", 1000)})).ok());
  SimRead after = mount_.OpenNow("web/tls/key.pem", kAlice);
  EXPECT_EQ(after.bytes, "OTHER");
  EXPECT_GT(after.inode.version, before.inode.version);
}

TEST_F(GateTest, S22_AHiddenTreeShowsNothingToOthers) {
  TreeOptions hidden = SimTree("secret", "web");
  hidden.hidden = true;
  ASSERT_TRUE(mount_.Reload(SimConfig({hidden}, {AllowUser("secret/**", 1000)})).ok());
  EXPECT_THAT(*mount_.ListNow("", kAlice), ElementsAre("secret"));
  EXPECT_THAT(*mount_.ListNow("", kBob), ElementsAre());
  EXPECT_EQ(mount_.StatNow("secret/tls/key.pem", kBob).error().kind(), ErrorKind::kNotFound);
  EXPECT_EQ(mount_.StatNow("secret/tls/key.pem", kAlice)->entry_timeout, Duration::zero());
}

TEST_F(GateTest, S5_OwnershipFollowsFromTheRulesUnlessTheTreeSaysOtherwise) {
  Attributes attributes = *mount_.StatNow("web/tls/key.pem", kRoot);
  EXPECT_EQ(attributes.permissions, 0400u);
  EXPECT_EQ(attributes.uid, 1000u);
  TreeOptions tree = SimTree("web", "web");
  tree.mode = 0444;
  ASSERT_TRUE(mount_.Reload(SimConfig({tree}, {AllowUser("web/**", 1000)})).ok());
  EXPECT_EQ(mount_.StatNow("web/tls/key.pem", kRoot)->permissions, 0444u);
}

}  // namespace
}  // namespace leasefs
