// What fs has applied, what the audit has recorded, and what ends a connection.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "backend/server.h"
#include "tests/backend/scripted_backend.h"

namespace leasefs {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::SizeIs;

class ServerActsTest : public testing::Test {
 protected:
  std::unique_ptr<FsPeer> Connected(uint64_t generation = 0) {
    auto fs = std::make_unique<FsPeer>(loop_, server_);
    fs->Hello(generation);
    Run(milliseconds(1));
    return fs;
  }
  void Run(Duration duration) { loop_.RunFor(duration); }
  // An fs that holds the secret "s" and is told of its change.
  std::unique_ptr<FsPeer> HoldingChanged(bool applies) {
    backend_.Put("s", {{"k", "1"}});
    auto fs = Connected();
    fs->applies = applies;
    fs->Want("s");
    Run(milliseconds(1));
    backend_.Put("s", {{"k", "2"}});
    return fs;
  }
  void WhenApplied() {
    server_.WhenApplied(seconds(1), [this](bool value) { applied_ = value; });
  }
  void Record(Duration timeout = seconds(2)) {
    server_.RecordAct({.verb = "put", .path = "web/tls", .uid = 7}, timeout, [this](bool value) { recorded_ = value; });
  }
  bool ClosesAfter(const std::function<void(FsPeer&)>& speak, bool hello = true) {
    FsPeer fs(loop_, server_);
    if (hello) fs.Hello();
    Run(milliseconds(1));
    speak(fs);
    Run(milliseconds(1));
    EXPECT_EQ(server_.connected(), !fs.closed() && hello);
    return fs.closed();
  }

  SimLoop loop_{1};
  ScriptedBackend backend_{loop_};
  BackendServer server_{loop_, backend_, {}};
  std::optional<bool> applied_;
  std::optional<bool> recorded_;
};

TEST_F(ServerActsTest, WithoutFsNothingIsApplied) {
  WhenApplied();
  EXPECT_EQ(applied_, false);
}

TEST_F(ServerActsTest, NothingOutstandingIsAppliedAtOnce) {
  auto fs = Connected();
  WhenApplied();
  EXPECT_EQ(applied_, true);
}

TEST_F(ServerActsTest, WaitsUntilFsHasAppliedTheChange) {
  auto fs = HoldingChanged(true);
  WhenApplied();
  EXPECT_EQ(applied_, std::nullopt);
  Run(milliseconds(1));
  EXPECT_EQ(applied_, true);
}

TEST_F(ServerActsTest, DoesNotWaitForALaterChange) {
  auto fs = HoldingChanged(false);
  WhenApplied();
  Run(milliseconds(1));
  uint64_t first = fs->All<protocol::Changed>()[0].sequence;
  backend_.Put("s", {{"k", "3"}});
  fs->Send(protocol::Applied{first});
  Run(milliseconds(1));
  EXPECT_EQ(applied_, true);
}

TEST_F(ServerActsTest, AnFsThatDoesNotApplyTimesOut) {
  auto fs = HoldingChanged(false);
  WhenApplied();
  Run(milliseconds(999));
  EXPECT_EQ(applied_, std::nullopt);
  Run(milliseconds(2));
  EXPECT_EQ(applied_, false);
}

TEST_F(ServerActsTest, TheSuccessorOfAnFsThatDiedApplies) {
  auto old = HoldingChanged(false);
  WhenApplied();
  auto fs = Connected(1);
  Run(milliseconds(1));
  EXPECT_THAT(fs->All<protocol::Changed>(), SizeIs(1));
  EXPECT_EQ(applied_, true);
}

TEST_F(ServerActsTest, ASuccessorThatKnowsOfTheChangeHasAppliedIt) {
  auto old = HoldingChanged(false);
  WhenApplied();
  auto fs = Connected(2);
  EXPECT_EQ(applied_, true);
}

TEST_F(ServerActsTest, TheAuditIsAskedAndAnswers) {
  auto fs = Connected();
  Record();
  EXPECT_EQ(recorded_, std::nullopt);
  Run(milliseconds(1));
  EXPECT_EQ(recorded_, true);
  auto record = fs->All<protocol::Record>();
  ASSERT_THAT(record, SizeIs(1));
  EXPECT_EQ(record[0].verb, "put");
  EXPECT_EQ(record[0].path, "web/tls");
  EXPECT_EQ(record[0].uid, 7u);
}

TEST_F(ServerActsTest, AnAuditThatCannotRecordSaysSo) {
  auto fs = Connected();
  fs->record_ok = false;
  Record();
  Run(milliseconds(1));
  EXPECT_EQ(recorded_, false);
}

TEST_F(ServerActsTest, AnAuditThatIsSilentTimesOutAndItsLateAnswerIsIgnored) {
  auto fs = Connected();
  fs->records = false;
  Record();
  Run(milliseconds(1999));
  EXPECT_EQ(recorded_, std::nullopt);
  Run(milliseconds(2));
  EXPECT_EQ(recorded_, false);
  fs->Send(protocol::Recorded{fs->All<protocol::Record>()[0].id, true});
  Run(seconds(1));
  EXPECT_EQ(recorded_, false);
  EXPECT_FALSE(fs->closed());
}

TEST_F(ServerActsTest, AnActWaitsForAnFsThatIsBeingReplaced) {
  Record();
  Run(seconds(1));
  EXPECT_EQ(recorded_, std::nullopt);
  auto fs = Connected();
  Run(milliseconds(1));
  EXPECT_EQ(recorded_, true);
}

TEST_F(ServerActsTest, AnActThatTheOldFsDidNotRecordIsRecordedByTheNew) {
  auto old = Connected();
  old->records = false;
  Record();
  Run(milliseconds(1));
  auto fs = Connected();
  Run(milliseconds(1));
  EXPECT_EQ(recorded_, true);
}

TEST_F(ServerActsTest, ViolationsEndTheConnection) {
  using protocol::Applied;
  using protocol::Recorded;
  EXPECT_TRUE(ClosesAfter([](FsPeer& fs) { fs.Want("s"); }, false));
  EXPECT_TRUE(ClosesAfter([](FsPeer& fs) { fs.Hello(); }));
  EXPECT_TRUE(ClosesAfter([](FsPeer& fs) { fs.SendRaw(200, ""); }));
  EXPECT_TRUE(ClosesAfter([](FsPeer& fs) { fs.Send(protocol::Health{}); }));
  EXPECT_TRUE(ClosesAfter([](FsPeer& fs) { fs.Want("a//b"); }));
  EXPECT_TRUE(ClosesAfter([](FsPeer& fs) { fs.SendRaw(3, "garbage"); }));
  EXPECT_TRUE(ClosesAfter([](FsPeer& fs) { fs.Send(protocol::Hello{.protocol = UINT32_MAX}); }, false));
  EXPECT_TRUE(ClosesAfter([](FsPeer& fs) { fs.Send(Applied{1}); }));
  EXPECT_TRUE(ClosesAfter([](FsPeer& fs) { fs.Send(Recorded{1, true}); }));
  EXPECT_FALSE(ClosesAfter([](FsPeer& fs) { fs.Want("s"); }));
}

TEST_F(ServerActsTest, AViolationLeavesTheServerReadyForTheNextFs) {
  backend_.Put("s", {{"k", "v"}});
  ASSERT_TRUE(ClosesAfter([](FsPeer& fs) { fs.SendRaw(99, "x"); }));
  auto fs = Connected();
  fs->Want("s");
  Run(milliseconds(1));
  EXPECT_EQ(fs->Count<protocol::Published>(), 1u);
}

}  // namespace
}  // namespace leasefs
