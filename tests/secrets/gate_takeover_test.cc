// What survives a kill of fs: names, versions, handles, marks; and a publication is all or nothing.
#include <fcntl.h>
#include <gtest/gtest.h>

#include "fs/base/sim_loop.h"
#include "tests/support/map_backend.h"
#include "tests/support/sim_mount.h"

namespace leasefs {
namespace {

constexpr Caller kAlice{1000, 1000, 11};

class GateTakeoverTest : public testing::Test {
 protected:
  GateTakeoverTest()
      : backend_(loop_),
        server_(loop_, backend_, {}),
        mount_(loop_, SimConfig({SimTree("web", "web")}, {AllowUser("web/**", 1000)})) {
    backend_.Put("web/tls", {{"cert.pem", "CERT"}, {"key.pem", "KEY"}});
    mount_.Connect("local", server_);
    loop_.RunFor(std::chrono::seconds(1));
  }
  void KillAndRestart() {
    (void)mount_.TakeAudit();
    mount_.Crash();
    mount_.Restart();
    mount_.Connect("local", server_);
  }

  // One OPEN as the kernel sends it, or sends it again to a successor.
  Result<Opened> OpenOnce(uint64_t unique, NodeId id, bool replay, const Caller& caller = kAlice) {
    std::optional<Result<Opened>> result;
    Request request{unique, caller, loop_.Now(), replay};
    mount_.gate().Open(request, id, O_RDONLY, [&](Result<Opened> opened) { result = std::move(opened); });
    return std::move(*result);
  }
  static constexpr uint64_t kUnique = uint64_t{1} << 40;

  SimLoop loop_{1};
  MapBackend backend_;
  BackendServer server_;
  SimMount mount_;
};

TEST_F(GateTakeoverTest, KnownValuesAreServedWithoutAFetch) {
  SimRead before = mount_.OpenNow("web/tls/key.pem", kAlice);
  uint64_t reads = backend_.reads();
  for (int i = 0; i < 10; ++i) {
    KillAndRestart();
    SimRead after = mount_.OpenNow("web/tls/key.pem", kAlice);
    EXPECT_EQ(after.bytes, "KEY");
    EXPECT_EQ(after.inode, before.inode);
  }
  EXPECT_EQ(backend_.reads(), reads);
}

TEST_F(GateTakeoverTest, AnOpenDescriptorReadsOn) {
  SimRead open = mount_.OpenNow("web/tls/key.pem", kAlice, true);
  backend_.Put("web/tls", {{"cert.pem", "CERT"}, {"key.pem", "SECOND"}});
  loop_.RunFor(std::chrono::seconds(1));
  EXPECT_EQ(mount_.OpenNow("web/tls/key.pem", kAlice).bytes, "SECOND");
  KillAndRestart();
  EXPECT_EQ(*mount_.ReadAgain(open), "KEY");
  EXPECT_EQ(mount_.OpenNow("web/tls/key.pem", kAlice).bytes, "SECOND");
  mount_.Close(open);
  EXPECT_EQ(mount_.gate().Report().handles, 0u);
}

TEST_F(GateTakeoverTest, AWaitingReaderIsAnsweredByTheSuccessor) {
  EXPECT_TRUE(mount_.ListNow("web/tls", kAlice).ok());
  backend_.SetDelay(std::chrono::seconds(1));
  std::optional<SimRead> read;
  mount_.Open("web/tls/key.pem", kAlice, false, [&](SimRead result) { read = std::move(result); });
  loop_.RunFor(std::chrono::milliseconds(200));
  KillAndRestart();
  loop_.RunFor(std::chrono::seconds(4));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->bytes, "KEY");
}

TEST_F(GateTakeoverTest, TheDeadlineCountsFromTheArrivalAlsoAfterAKill) {
  EXPECT_TRUE(mount_.ListNow("web/tls", kAlice).ok());
  backend_.SetDelay(std::chrono::minutes(1));
  std::optional<SimRead> read;
  mount_.Open("web/tls/key.pem", kAlice, false, [&](SimRead result) { read = std::move(result); });
  loop_.RunFor(std::chrono::seconds(3));
  KillAndRestart();
  loop_.RunFor(std::chrono::seconds(10));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->error->kind(), ErrorKind::kUnreachable);
  EXPECT_EQ(read->ended - read->started, std::chrono::seconds(5));
}

TEST_F(GateTakeoverTest, AChangeMissedWhileAwayIsSeen) {
  EXPECT_EQ(mount_.OpenNow("web/tls/key.pem", kAlice).bytes, "KEY");
  (void)mount_.TakeAudit();
  mount_.Crash();
  loop_.RunFor(std::chrono::seconds(1));
  backend_.Put("web/tls", {{"cert.pem", "CERT"}, {"key.pem", "CHANGED"}, {"new.pem", "NEW"}});
  backend_.Put("web/more", {{"k", "v"}});
  mount_.Restart();
  mount_.Connect("local", server_);
  loop_.RunFor(std::chrono::seconds(1));
  EXPECT_EQ(mount_.OpenNow("web/tls/key.pem", kAlice).bytes, "CHANGED");
  EXPECT_EQ(mount_.OpenNow("web/tls/new.pem", kAlice).bytes, "NEW");
  EXPECT_EQ(mount_.OpenNow("web/more/k", kAlice).bytes, "v");
}

TEST_F(GateTakeoverTest, S8_AReplayedOpenThatWasAnsweredEstaleIsAnsweredSoAgain) {
  NodeId placeholder{mount_.OpenNow("web/tls/key.pem", kAlice).inode.node, 0};
  (void)mount_.TakeAudit();
  EXPECT_EQ(OpenOnce(kUnique, placeholder, false).error().kind(), ErrorKind::kStale);
  KillAndRestart();
  EXPECT_EQ(OpenOnce(kUnique, placeholder, true).error().kind(), ErrorKind::kStale);
  EXPECT_EQ(mount_.gate().Report().handles, 0u);
  EXPECT_TRUE(mount_.TakeAudit().empty());
  // The thread's own second OPEN, as through a bind mount.
  Result<Opened> second = OpenOnce(kUnique + 2, placeholder, false);
  ASSERT_TRUE(second.ok());
  EXPECT_TRUE(second->direct);
  KillAndRestart();
  EXPECT_TRUE(OpenOnce(kUnique + 2, placeholder, true).ok());
  EXPECT_EQ(mount_.gate().Report().handles, 1u);
}

TEST_F(GateTakeoverTest, S23_ARecordOfThePredecessorCountsOnlyIfItSaysWhatIsAnswered) {
  NodeId inode = mount_.OpenNow("web/tls/key.pem", kAlice).inode;
  (void)mount_.TakeAudit();
  EXPECT_TRUE(OpenOnce(kUnique, inode, false).ok());
  EXPECT_TRUE(OpenOnce(kUnique, inode, true).ok());
  EXPECT_EQ(mount_.TakeAudit().size(), 1u);
  ASSERT_TRUE(mount_.Reload(SimConfig({SimTree("web", "web")}, {})).ok());
  EXPECT_EQ(OpenOnce(kUnique, inode, true).error().kind(), ErrorKind::kDenied);
  auto events = mount_.TakeAudit();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].error, EACCES);
}

TEST_F(GateTakeoverTest, S23_AnOpenForWhichThereIsNoHandleIsRecordedAsFailed) {
  NodeId inode = mount_.OpenNow("web/tls/key.pem", kAlice).inode;
  (void)mount_.TakeAudit();
  uint64_t unique = kUnique;
  std::optional<Error> failure;
  for (; !failure && unique < kUnique + 2 * uint64_t{kMaxHandles} + 4; unique += 2) {
    if (unique % 4096 == 0) (void)mount_.TakeAudit();
    Result<Opened> opened = OpenOnce(unique, inode, false);
    if (!opened.ok()) failure = opened.error();
  }
  ASSERT_TRUE(failure);
  EXPECT_NE(mount_.TakeAudit().back().error, 0);
}

TEST_F(GateTakeoverTest, WhileTheBackendIsAwayKnownValuesAreServedAtOnce) {
  EXPECT_EQ(mount_.OpenNow("web/tls/key.pem", kAlice).bytes, "KEY");
  auto [left, right] = MakeSimStreams(loop_, SimMount::kMaxDelay);
  ASSERT_TRUE(mount_.gate().ConnectBackend("local", std::move(left)).ok());
  right.reset();
  loop_.RunFor(std::chrono::seconds(1));
  (void)mount_.TakeAudit();
  SimRead read = mount_.OpenNow("web/tls/key.pem", kAlice);
  EXPECT_EQ(read.bytes, "KEY");
  EXPECT_EQ(read.ended, read.started);
}

}  // namespace
}  // namespace leasefs
