// What must be minted, as the backend's side of the protocol treats it (S6, S14, S15).

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "backend/server.h"
#include "tests/backend/scripted_backend.h"

namespace leasefs {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class ServerMintedTest : public testing::Test {
 protected:
  ServerMintedTest() {
    backend_.pushes = false;
    backend_.minted.insert("db");
    Put("FIRST", minutes(10));
    fs_.Hello();
    Run(milliseconds(1));
    fs_.Forget();
  }
  void Run(Duration duration) { loop_.RunFor(duration); }
  void Want(uint64_t known = 0) {
    fs_.Want("db", known);
    Run(Duration(0));
  }
  void Put(const std::string& value, Duration lease) {
    BootTime end = loop_.Now() + lease;
    backend_.freshness = protocol::Freshness{end - seconds(30), end, end};
    backend_.Put("db", {{"password", value}});
  }
  void Publish() {
    backend_.events().on_published("db", backend_.VersionNow("db"));
    Run(Duration(0));
  }

  SimLoop loop_{1};
  ScriptedBackend backend_{loop_};
  BackendServer server_{loop_, backend_, {.ttl = seconds(60), .max_stale = minutes(15)}};
  FsPeer fs_{loop_, server_};
};

TEST_F(ServerMintedTest, S6_NamesSayThatTheSecretMustBeMinted) {
  backend_.Put("kv", {{"k", "v"}});
  fs_.Send(protocol::List{"db"});
  fs_.Send(protocol::List{"kv"});
  Run(Duration(0));
  auto entries = fs_.All<protocol::Entries>();
  ASSERT_THAT(entries, SizeIs(2));
  EXPECT_TRUE(entries[0].minted);
  EXPECT_FALSE(entries[1].minted);
  EXPECT_THAT(backend_.reads, IsEmpty());
}

TEST_F(ServerMintedTest, S6_WhoLooksUpToOpenGetsTheValueBeforeTheNamesIfItNeedNotBeMinted) {
  backend_.value_with_names = true;
  backend_.freshness.reset();
  backend_.Put("kv", {{"k", "v"}});
  std::vector<protocol::FrameType> came;
  fs_.on_frame = [&](protocol::FrameType type, std::span<const std::byte>) { came.push_back(type); };
  for (const char* directory : {"db", "kv"}) fs_.Send(protocol::List{directory, protocol::Purpose::kOpen});
  Run(Duration(0));
  using protocol::FrameType;
  EXPECT_THAT(came, ElementsAre(FrameType::kEntries, FrameType::kPublished, FrameType::kEntries));
  EXPECT_EQ(fs_.All<protocol::Published>().at(0).secret, "kv");
  EXPECT_EQ(backend_.reads["db"], 0);
  EXPECT_EQ(backend_.reads["kv"], 1);
  // It was as good as a Want: what changes is told, and is not brought again.
  fs_.Forget();
  Run(seconds(70));
  backend_.Put("kv", {{"k", "other"}});
  Run(seconds(70));
  EXPECT_THAT(fs_.All<protocol::Published>(), SizeIs(1));
  fs_.Forget();
  fs_.Send(protocol::List{"kv", protocol::Purpose::kOpen});
  Run(Duration(0));
  EXPECT_THAT(fs_.All<protocol::Published>(), IsEmpty());
  EXPECT_THAT(fs_.All<protocol::Entries>(), SizeIs(1));
}

TEST_F(ServerMintedTest, WhoOnlyListsGetsNoValue) {
  backend_.value_with_names = true;
  backend_.Put("kv", {{"k", "v"}});
  fs_.Send(protocol::List{"kv"});
  Run(Duration(0));
  EXPECT_THAT(fs_.All<protocol::Published>(), IsEmpty());
  EXPECT_EQ(backend_.reads["kv"], 0);
}

TEST_F(ServerMintedTest, S6_EveryPartOfALongListingSaysSo) {
  std::vector<std::pair<std::string, std::string>> fields;
  for (int i = 0; i < 3000; ++i) fields.emplace_back(std::string(200, 'k') + std::to_string(i), "v");
  backend_.Put("db", fields);
  fs_.Send(protocol::List{"db"});
  Run(Duration(0));
  auto entries = fs_.All<protocol::Entries>();
  EXPECT_GT(entries.size(), 1u);
  for (const auto& part : entries) EXPECT_TRUE(part.minted);
}

TEST_F(ServerMintedTest, S15_TheServerItselfNeverReadsItAgain) {
  Want();
  ASSERT_THAT(fs_.All<protocol::Published>(), SizeIs(1));
  Run(hours(3));
  EXPECT_EQ(backend_.reads["db"], 1);
  EXPECT_EQ(loop_.pending(), 0u);
}

TEST_F(ServerMintedTest, S15_NorAfterAFailure) {
  Want();
  backend_.failures.insert_or_assign("db", Error(ErrorKind::kUnreachable, "scripted"));
  fs_.Send(protocol::Refresh{"db", 1});
  Run(hours(3));
  EXPECT_EQ(backend_.reads["db"], 2);
}

TEST_F(ServerMintedTest, FreshnessIsTheBackendsOwn) {
  Want();
  auto published = fs_.All<protocol::Published>();
  ASSERT_THAT(published, SizeIs(1));
  EXPECT_EQ(published[0].freshness.fresh_until, backend_.freshness->fresh_until);
  EXPECT_EQ(published[0].freshness.stale_until, backend_.freshness->stale_until);
  EXPECT_EQ(published[0].freshness.lease_end, backend_.freshness->lease_end);
  Want(1);
  EXPECT_THAT(fs_.All<protocol::Unchanged>(), SizeIs(1)) << "it is fresh";
  EXPECT_EQ(backend_.reads["db"], 1);
}

TEST_F(ServerMintedTest, S14_AReplacementIsPublishedUnasked) {
  Want();
  Put("SECOND", minutes(20));
  Publish();
  auto published = fs_.All<protocol::Published>();
  ASSERT_THAT(published, SizeIs(2));
  EXPECT_EQ(published[1].version, 2u);
  EXPECT_EQ(published[1].fields.at(0).value.ExposeText(), "SECOND");
  EXPECT_EQ(published[1].freshness.lease_end, backend_.freshness->lease_end);
  EXPECT_THAT(fs_.All<protocol::Changed>(), IsEmpty());
  Want(2);
  EXPECT_EQ(backend_.reads["db"], 1) << "what was published is what a Want of it is answered by";
  EXPECT_EQ(fs_.All<protocol::Unchanged>().back().version, 2u);
}

TEST_F(ServerMintedTest, AReplacementThatCannotBeShownIsToldAsChanged) {
  Want();
  SecretVersion version = backend_.VersionNow("db");
  version.fields.push_back({"password", false, {}});  // twice
  backend_.events().on_published("db", std::move(version));
  Run(Duration(0));
  EXPECT_THAT(fs_.All<protocol::Published>(), SizeIs(1));
  EXPECT_THAT(fs_.All<protocol::Changed>(), SizeIs(1));
}

TEST_F(ServerMintedTest, AnExtendedLeaseIsToldAndBelieved) {
  Want();
  BootTime end = loop_.Now() + hours(1);
  backend_.events().on_extended("db", 1, {end, end, end});
  Run(minutes(30));
  auto unchanged = fs_.All<protocol::Unchanged>();
  ASSERT_THAT(unchanged, SizeIs(1));
  EXPECT_EQ(unchanged[0].version, 1u);
  EXPECT_EQ(unchanged[0].freshness.lease_end, end);
  Want(1);
  EXPECT_EQ(backend_.reads["db"], 1) << "fresh for as long as the lease was extended";
  backend_.events().on_extended("db", 1, {loop_.Now(), loop_.Now(), loop_.Now()});  // cut short
  Want(1);
  EXPECT_EQ(backend_.reads["db"], 2);
}

TEST_F(ServerMintedTest, S15_IdleReachesTheBackendAndTheNextWantReads) {
  Want();
  fs_.Send(protocol::Idle{"db"});
  Run(Duration(0));
  EXPECT_EQ(backend_.forgets["db"], 1);
  fs_.Forget();
  Want(1);
  EXPECT_EQ(backend_.reads["db"], 2) << "the backend must learn that it is in use";
  EXPECT_THAT(fs_.All<protocol::Unchanged>(), SizeIs(1));
}

TEST_F(ServerMintedTest, IdleOfWhatTheServerNeverReadReachesTheBackendToo) {
  fs_.Send(protocol::Idle{"db/0123"});
  Run(Duration(0));
  EXPECT_EQ(backend_.forgets["db/0123"], 1);
}

TEST_F(ServerMintedTest, AfterHelloTheBackendTellsAgain) {
  EXPECT_EQ(backend_.tell_again, 1);
  Want();
  FsPeer successor(loop_, server_);
  successor.Hello();
  Run(milliseconds(1));
  EXPECT_EQ(backend_.tell_again, 2);
  Publish();
  EXPECT_THAT(successor.All<protocol::Published>(), SizeIs(1));
  EXPECT_EQ(backend_.reads["db"], 1);
}

TEST_F(ServerMintedTest, WhatIsPublishedWhileFsIsAwayIsAnsweredByVersion) {
  Want();
  std::optional<FsPeer> first(std::in_place, loop_, server_);
  first->Hello();
  Run(milliseconds(1));
  first.reset();
  Run(milliseconds(1));
  Put("SECOND", minutes(20));
  Publish();
  FsPeer second(loop_, server_);
  second.Hello();
  second.Want("db", 1);
  Run(milliseconds(1));
  ASSERT_THAT(second.All<protocol::Published>(), SizeIs(1));
  EXPECT_EQ(second.All<protocol::Published>()[0].version, 2u);
}

protocol::Report Mints(uint64_t count) {
  protocol::Report report;
  report.mints = count;
  return report;
}

TEST_F(ServerMintedTest, AReportIsSentWhenItHasChangedAtMostOnceASecond) {
  backend_.events().on_report(Mints(1));
  Run(Duration(0));
  EXPECT_EQ(fs_.Count<protocol::Report>(), 1u);
  for (uint64_t count = 2; count <= 500; ++count) {
    backend_.events().on_report(Mints(count));
    Run(milliseconds(10));
  }
  EXPECT_LE(fs_.Count<protocol::Report>(), 6u);
  Run(seconds(2));
  EXPECT_EQ(fs_.All<protocol::Report>().back().mints, 500u) << "the last one always comes";
  size_t sent = fs_.Count<protocol::Report>();
  for (int i = 0; i < 5; ++i) {
    backend_.events().on_report(Mints(500));
    Run(seconds(2));
  }
  EXPECT_EQ(fs_.Count<protocol::Report>(), sent);
  EXPECT_EQ(loop_.pending(), 0u);
}

TEST_F(ServerMintedTest, AReportIsToldToASuccessorOfFsToo) {
  backend_.events().on_report(Mints(1));
  Run(seconds(2));
  FsPeer successor(loop_, server_);
  Run(seconds(2));
  EXPECT_EQ(successor.Count<protocol::Report>(), 0u);
  successor.Hello();
  Run(seconds(2));
  EXPECT_EQ(successor.Count<protocol::Report>(), 1u);
}

}  // namespace
}  // namespace leasefs
