#include "backend/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "fs/base/limits.h"
#include "tests/backend/scripted_backend.h"

namespace leasefs {
namespace {

using protocol::FrameType;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

class ServerTest : public testing::Test {
 protected:
  ServerTest() { backend_.delay = milliseconds(100); }
  std::unique_ptr<FsPeer> Connected(uint64_t generation = 0) {
    auto fs = std::make_unique<FsPeer>(loop_, server_);
    fs->Hello(generation);
    Run(milliseconds(1));
    return fs;
  }
  void Run(Duration duration) { loop_.RunFor(duration); }
  // The names that EntryChanged told, "+web/tls" or "-web/tls".
  static std::vector<std::string> Names(const FsPeer& fs) {
    std::vector<std::string> names;
    for (const auto& frame : fs.All<protocol::EntryChanged>()) {
      names.push_back((frame.present ? "+" : "-") + frame.directory + "/" + frame.entry.name);
    }
    return names;
  }
  static std::vector<std::string> ChangedSecrets(const FsPeer& fs) {
    std::vector<std::string> secrets;
    for (const auto& frame : fs.All<protocol::Changed>()) secrets.push_back(frame.secret);
    return secrets;
  }

  SimLoop loop_{1};
  ScriptedBackend backend_{loop_};
  BackendServer server_{loop_, backend_, {}};
};

TEST_F(ServerTest, PublishesAllKeysOfTheCurrentVersion) {
  backend_.Put("web/tls", {{"cert", "C"}, {"key", std::string("K\0", 2)}});
  auto fs = Connected();
  fs->Want("web/tls");
  Run(seconds(1));
  auto published = fs->All<protocol::Published>();
  ASSERT_THAT(published, SizeIs(1));
  EXPECT_EQ(published[0].version, 1u);
  EXPECT_EQ(published[0].freshness.fresh_until, kNever);  // it pushes changes
  ASSERT_THAT(published[0].fields, SizeIs(2));
  EXPECT_EQ(published[0].fields[1].value.ExposeText(), std::string_view("K\0", 2));
}

TEST_F(ServerTest, ThousandWantsAreOneRead) {
  backend_.Put("web/tls", {{"cert", "C"}});
  auto fs = Connected();
  for (int i = 0; i < 1000; ++i) fs->Want("web/tls");
  Run(seconds(1));
  EXPECT_EQ(backend_.reads["web/tls"], 1);
  EXPECT_EQ(fs->Count<protocol::Published>(), 1u);
  EXPECT_EQ(server_.figures().wants, 1000u);
  EXPECT_EQ(server_.figures().reads, 1u);
  EXPECT_EQ(server_.figures().held, 1u);
}

TEST_F(ServerTest, AWantOfTheCurrentVersionIsAnsweredWithoutAsking) {
  backend_.Put("s", {{"k", "v"}});
  auto fs = Connected();
  fs->Want("s");
  Run(seconds(1));
  fs->Want("s", 1);
  Run(seconds(1));
  EXPECT_EQ(backend_.reads["s"], 1);
  EXPECT_EQ(fs->Count<protocol::Unchanged>(), 1u);
}

TEST_F(ServerTest, AKnownVersionIsNotSentAgain) {
  backend_.Put("s", {{"k", "v"}});
  auto fs = Connected();
  fs->Want("s", 1);
  Run(seconds(1));
  EXPECT_EQ(backend_.reads["s"], 1);
  EXPECT_EQ(fs->Count<protocol::Unchanged>(), 1u);
  EXPECT_EQ(fs->Count<protocol::Published>(), 0u);
  fs->Want("s", 0);
  Run(seconds(1));
  EXPECT_EQ(fs->Count<protocol::Published>(), 1u);
}

TEST_F(ServerTest, AskersWhoDoNotAgreeGetTheValue) {
  backend_.Put("s", {{"k", "v"}});
  auto fs = Connected();
  fs->Want("s", 1);
  fs->Want("s", 0);
  fs->Want("s", 1);
  Run(seconds(1));
  EXPECT_EQ(fs->Count<protocol::Published>(), 1u);
}

TEST_F(ServerTest, RefreshAlwaysAsks) {
  backend_.Put("s", {{"k", "v"}});
  auto fs = Connected();
  fs->Want("s");
  Run(seconds(1));
  fs->Send(protocol::Refresh{"s", 1});
  Run(seconds(1));
  EXPECT_EQ(backend_.reads["s"], 2);
  EXPECT_EQ(fs->Count<protocol::Unchanged>(), 1u);
}

TEST_F(ServerTest, RefreshDuringAReadIsAskedAfterIt) {
  backend_.Put("s", {{"k", "v"}});
  auto fs = Connected();
  fs->Want("s");
  Run(milliseconds(50));
  fs->Send(protocol::Refresh{"s", 0});
  Run(seconds(1));
  EXPECT_EQ(backend_.reads["s"], 2);
  EXPECT_EQ(fs->Count<protocol::Published>(), 1u);
}

TEST_F(ServerTest, AnAnswerIsNoOlderThanAChangeToldBefore) {
  backend_.Put("s", {{"k", "old"}});
  auto fs = Connected();
  fs->Want("s");
  Run(milliseconds(50));
  backend_.Put("s", {{"k", "new"}});
  Run(seconds(1));
  auto published = fs->All<protocol::Published>();
  ASSERT_THAT(published, SizeIs(1));
  EXPECT_EQ(published[0].version, 2u);
  EXPECT_EQ(published[0].fields[0].value.ExposeText(), "new");
}

TEST_F(ServerTest, TellsEveryChange) {
  auto fs = Connected();
  backend_.Put("s", {{"k", "1"}});
  fs->Want("s");
  Run(seconds(1));
  EXPECT_EQ(server_.figures().held, 1u);
  backend_.Put("s", {{"k", "2"}});
  fs->Send(protocol::Idle{"s"});
  Run(seconds(1));
  EXPECT_EQ(server_.figures().held, 0u);
  backend_.Put("s", {{"k", "3"}});
  Run(seconds(1));
  EXPECT_THAT(ChangedSecrets(*fs), ElementsAre("s", "s", "s"));
}

TEST_F(ServerTest, IdleDuringAReadStillGetsTheAnswer) {
  backend_.Put("s", {{"k", "1"}});
  auto fs = Connected();
  fs->Want("s");
  Run(milliseconds(50));
  fs->Send(protocol::Idle{"s"});
  Run(seconds(1));
  EXPECT_EQ(fs->Count<protocol::Published>(), 1u);
  EXPECT_EQ(server_.figures().held, 0u);
}

TEST_F(ServerTest, AMissingSecretThatAppearsIsTold) {
  auto fs = Connected();
  fs->Want("s");
  Run(seconds(1));
  ASSERT_EQ(fs->Count<protocol::Failed>(), 1u);
  EXPECT_EQ(fs->All<protocol::Failed>()[0].kind, ErrorKind::kNotFound);
  backend_.Put("s", {{"k", "1"}});
  Run(seconds(1));
  EXPECT_THAT(ChangedSecrets(*fs), ElementsAre("s"));
}

TEST_F(ServerTest, ListingsAreSharedAndThenKeptUpToDate) {
  backend_.Put("web/tls", {{"cert", "C"}});
  auto fs = Connected();
  fs->Send(protocol::List{"web"});
  fs->Send(protocol::List{"web"});
  fs->Send(protocol::List{"web/tls"});
  Run(seconds(1));
  EXPECT_EQ(backend_.lists["web"], 1);
  auto entries = fs->All<protocol::Entries>();
  ASSERT_THAT(entries, SizeIs(2));
  EXPECT_EQ(entries[0].entries[0].name, "tls");
  EXPECT_EQ(entries[1].entries[0].name, "cert");
  backend_.Put("web/db", {{"user", "u"}});
  backend_.Put("web/tls", {{"key", "K"}});
  backend_.Put("mail/tls", {{"key", "K"}});
  backend_.Remove("web/db");
  Run(seconds(1));
  EXPECT_THAT(Names(*fs), ElementsAre("+web/db", "-web/tls/cert", "+web/tls/key", "-web/db"));
}

TEST_F(ServerTest, AListingThatAChangeOvertookIsAskedAgain) {
  backend_.Put("web/tls", {{"cert", "C"}});
  auto fs = Connected();
  fs->Send(protocol::List{"web"});
  Run(milliseconds(50));
  backend_.Put("web/db", {{"user", "u"}});
  Run(seconds(1));
  auto entries = fs->All<protocol::Entries>();
  ASSERT_THAT(entries, SizeIs(1));
  EXPECT_THAT(entries[0].entries, SizeIs(2));
}

TEST_F(ServerTest, LargeListingsComeInParts) {
  std::vector<std::pair<std::string, std::string>> fields;
  for (int i = 0; i < 2000; ++i) fields.emplace_back(std::to_string(i) + std::string(500, 'k'), "v");
  backend_.Put("s", fields);
  auto fs = Connected();
  fs->Send(protocol::List{"s"});
  Run(seconds(1));
  auto parts = fs->All<protocol::Entries>();
  ASSERT_THAT(parts, SizeIs(4));
  size_t names = 0;
  for (const auto& part : parts) {
    names += part.entries.size();
    EXPECT_LE(part.Encode().size(), (size_t{256} << 10) + 100);
    EXPECT_EQ(part.last, &part == &parts.back());
  }
  EXPECT_EQ(names, 2000u);
}

TEST_F(ServerTest, AFolderThatIsNotThereIsRefused) {
  auto fs = Connected();
  fs->Send(protocol::List{"nowhere"});
  Run(seconds(1));
  auto failed = fs->All<protocol::Failed>();
  ASSERT_THAT(failed, SizeIs(1));
  EXPECT_EQ(failed[0].what, protocol::Failed::What::kDirectory);
  EXPECT_EQ(failed[0].kind, ErrorKind::kNotFound);
  EXPECT_EQ(failed[0].path, "nowhere");
}

TEST_F(ServerTest, ValuesOverTheLimitAreMarkedAndNotSent) {
  server_.SetOptions({.value_bytes = 10});
  backend_.Put("s", {{"ok", "0123456789"}, {"big", "0123456789A"}});
  auto fs = Connected();
  fs->Want("s");
  Run(seconds(1));
  auto published = fs->All<protocol::Published>();
  ASSERT_THAT(published, SizeIs(1));
  EXPECT_FALSE(published[0].fields[0].too_large);
  EXPECT_TRUE(published[0].fields[1].too_large);
  EXPECT_TRUE(published[0].fields[1].value.empty());
}

TEST_F(ServerTest, ASecretThatFitsInNoFrameIsTooLarge) {
  std::string megabyte(kMaxValueBytes, 'v');
  backend_.Put("s",
               {{"1", megabyte}, {"2", megabyte}, {"3", megabyte}, {"4", megabyte}, {"5", megabyte}, {"6", megabyte}});
  backend_.Put(
      "t",
      {{"1", megabyte}, {"2", megabyte}, {"3", megabyte}, {"4", megabyte}, {"5", megabyte}, {"6", megabyte + "v"}});
  backend_.Put("u", {{"1", megabyte},
                     {"2", megabyte},
                     {"3", megabyte},
                     {"4", megabyte},
                     {"5", megabyte},
                     {"6", megabyte},
                     {"7", "v"}});
  auto fs = Connected();
  for (const char* name : {"s", "t", "u"}) fs->Want(name);
  Run(seconds(1));
  EXPECT_EQ(fs->Count<protocol::Published>(), 2u);
  auto failed = fs->All<protocol::Failed>();
  ASSERT_THAT(failed, SizeIs(1));
  EXPECT_EQ(failed[0].path, "u");
  EXPECT_EQ(failed[0].kind, ErrorKind::kTooLarge);
}

TEST_F(ServerTest, WhatABackendMustNotGiveIsAnErrorOfTheBackend) {
  backend_.Put("twice", {{"k", "1"}, {"k", "2"}});
  backend_.Put("nul", {{std::string("k\0", 2), "1"}});
  auto fs = Connected();
  fs->Want("twice");
  fs->Want("nul");
  fs->Send(protocol::List{"nul"});
  Run(seconds(1));
  auto failed = fs->All<protocol::Failed>();
  ASSERT_THAT(failed, SizeIs(2));
  for (const auto& frame : failed) EXPECT_EQ(frame.kind, ErrorKind::kRemote);
  EXPECT_THAT(fs->All<protocol::Entries>()[0].entries, IsEmpty());
  EXPECT_FALSE(fs->closed());
}

TEST_F(ServerTest, ANewConnectionSharesTheReadThatTheOldOneAskedFor) {
  backend_.Put("s", {{"k", "v"}});
  auto old = Connected();
  old->Want("s");
  Run(milliseconds(50));
  auto fs = Connected(1);
  EXPECT_TRUE(old->closed());
  fs->Want("s");
  Run(seconds(1));
  EXPECT_EQ(backend_.reads["s"], 1);
  EXPECT_EQ(old->Count<protocol::Published>(), 0u);
  EXPECT_EQ(fs->Count<protocol::Published>(), 1u);
}

TEST_F(ServerTest, AReadThatNobodyWaitsForAnyMoreIsToldToNobody) {
  backend_.Put("s", {{"k", "v"}});
  auto old = Connected();
  old->Want("s");
  Run(milliseconds(50));
  auto fs = Connected(1);
  Run(seconds(1));
  EXPECT_EQ(fs->Count<protocol::Published>() + fs->Count<protocol::Unchanged>(), 0u);
  EXPECT_EQ(server_.figures().held, 0u);
}

TEST_F(ServerTest, SurvivesTheEndOfItsConnectionAndOfItself) {
  backend_.Put("s", {{"k", "v"}});
  auto server = std::make_unique<BackendServer>(loop_, backend_, ServerOptions{});
  auto fs = std::make_unique<FsPeer>(loop_, *server);
  fs->Hello();
  fs->Want("s");
  fs->Send(protocol::List{""});
  Run(milliseconds(50));
  bool called = false;
  server->RecordAct({.verb = "put", .path = "s"}, seconds(1), [&](bool) { called = true; });
  server.reset();
  backend_.Put("s", {{"k", "w"}});
  Run(seconds(5));
  EXPECT_TRUE(fs->closed());
  EXPECT_FALSE(called);
}

TEST_F(ServerTest, TellsWhenFsSaysStop) {
  std::optional<bool> revoke;
  server_.OnStop([&](bool value) { revoke = value; });
  auto fs = Connected();
  fs->Send(protocol::Stop{true});
  Run(seconds(1));
  EXPECT_EQ(revoke, true);
}

TEST_F(ServerTest, PassesHealthOn) {
  auto fs = Connected();
  ASSERT_EQ(fs->Count<protocol::Health>(), 1u);
  backend_.events().on_health(protocol::HealthState::kDown, "no route");
  backend_.events().on_health(protocol::HealthState::kDown, "no route");
  Run(seconds(1));
  auto health = fs->All<protocol::Health>();
  ASSERT_THAT(health, SizeIs(2));
  EXPECT_EQ(health[1].state, protocol::HealthState::kDown);
  EXPECT_EQ(health[1].message, "no route");
}

// ---- fs comes back ----

TEST_F(ServerTest, AnFsThatKnowsNothingIsToldThatEverythingChanged) {
  backend_.Put("s", {{"k", "v"}});
  auto welcome = Connected()->All<protocol::Welcome>();
  ASSERT_THAT(welcome, SizeIs(1));
  EXPECT_TRUE(welcome[0].everything_changed);
  EXPECT_EQ(welcome[0].generation, 1u);
}

TEST_F(ServerTest, AnFsThatIsUpToDateIsToldNothing) {
  backend_.Put("s", {{"k", "v"}});
  auto fs = Connected(1);
  Run(seconds(1));
  EXPECT_THAT(fs->Types(), ElementsAre(FrameType::kWelcome, FrameType::kHealth));
  EXPECT_FALSE(fs->All<protocol::Welcome>()[0].everything_changed);
}

TEST_F(ServerTest, WhatChangedMeanwhileIsToldNamesFirst) {
  backend_.Put("web/tls", {{"cert", "C"}});
  backend_.Put("old/one", {{"k", "v"}});
  backend_.Put("web/tls", {{"cert", "C"}, {"key", "K"}});
  backend_.Remove("old/one");
  auto fs = Connected(2);
  Run(seconds(1));
  EXPECT_THAT(Names(*fs), ElementsAre("-/old", "+/web", "-old/one", "+web/tls", "+web/tls/cert", "+web/tls/key"));
  EXPECT_THAT(ChangedSecrets(*fs), ElementsAre("old/one", "web/tls"));
  // Only the last frame says that all is told: if fs dies before, it is told again.
  for (const auto& frame : fs->All<protocol::Changed>()) EXPECT_EQ(frame.generation, 2u);
  EXPECT_EQ(fs->All<protocol::Health>().back().generation, 4u);
}

TEST_F(ServerTest, AChangeDuringTheCatchUpIsNotLost) {
  backend_.Put("a", {{"k", "v"}});
  backend_.Put("b", {{"k", "v"}});
  auto fs = Connected(1);
  Run(milliseconds(50));
  backend_.Put("c", {{"k", "v"}});
  Run(seconds(1));
  EXPECT_THAT(ChangedSecrets(*fs), Contains("b"));
  EXPECT_THAT(ChangedSecrets(*fs), Contains("c"));
  EXPECT_THAT(Names(*fs), Contains("+/c"));
  EXPECT_EQ(fs->All<protocol::Health>().back().generation, 3u);
}

TEST_F(ServerTest, WhenItIsTooLongAgoEverythingChanged) {
  for (int i = 0; i < 5; ++i) backend_.Put("s", {{"k", "v"}});
  backend_.forgotten = 4;
  auto fs = Connected(3);
  EXPECT_TRUE(fs->All<protocol::Welcome>()[0].everything_changed);
}

TEST_F(ServerTest, AGenerationFromTheFutureMeansThatEverythingChanged) {
  backend_.Put("s", {{"k", "v"}});
  EXPECT_TRUE(Connected(9)->All<protocol::Welcome>()[0].everything_changed);
}

TEST_F(ServerTest, HundredsOfChangesAreToldAsOne) {
  backend_.Put("first", {{"k", "v"}});
  for (int i = 0; i < 300; ++i) backend_.Put("s" + std::to_string(i), {{"k", "v"}});
  auto fs = Connected(1);
  EXPECT_TRUE(fs->All<protocol::Welcome>()[0].everything_changed);
  EXPECT_THAT(ChangedSecrets(*fs), IsEmpty());
}

TEST_F(ServerTest, AnFsThatHeldThingsIsToldOfEveryChange) {
  backend_.Put("s", {{"k", "v"}});
  auto fs = Connected(1);
  backend_.Put("s", {{"k", "w"}});
  backend_.Put("t", {{"k", "w"}});
  Run(seconds(1));
  EXPECT_THAT(ChangedSecrets(*fs), ElementsAre("s", "t"));
  EXPECT_THAT(Names(*fs), ElementsAre("+/t", "+t/k"));
}

TEST_F(ServerTest, ALockedStoreTellsWhatChangedOnceItIsOpen) {
  backend_.Put("s", {{"k", "v"}});
  backend_.Put("s", {{"k", "w"}});
  backend_.changed_since_fails = Error(ErrorKind::kLocked, "locked");
  auto fs = Connected(1);
  ASSERT_EQ(fs->Count<protocol::Welcome>(), 1u);
  EXPECT_FALSE(fs->All<protocol::Welcome>()[0].everything_changed);  // known values go on
  EXPECT_EQ(fs->All<protocol::Health>().back().generation, 1u);
  backend_.changed_since_fails.reset();
  backend_.events().on_everything_changed();
  Run(seconds(1));
  EXPECT_EQ(fs->Count<protocol::Welcome>(), 1u);
  EXPECT_THAT(ChangedSecrets(*fs), ElementsAre("s"));
  EXPECT_EQ(fs->All<protocol::Health>().back().generation, 2u);
}

TEST_F(ServerTest, EverythingChangedComesUnaskedAndRepeatsWhatIsUnderWay) {
  backend_.Put("s", {{"k", "v"}});
  auto fs = Connected(1);
  fs->Want("s");
  Run(milliseconds(50));
  backend_.events().on_everything_changed();
  Run(seconds(1));
  EXPECT_EQ(backend_.reads["s"], 2);
  EXPECT_TRUE(fs->All<protocol::Welcome>().back().everything_changed);
  EXPECT_EQ(fs->Count<protocol::Published>(), 1u);
}

}  // namespace
}  // namespace leasefs
