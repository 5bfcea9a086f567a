// status, stat, explain, refresh, reload and version, against answers that the daemon's own code makes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "fs/control/report_json.h"
#include "fs/control/wire.h"
#include "tests/cli/run_cli.h"
#include "tests/cli/scripted_peer.h"

namespace leasefs::cli {
namespace {

using control::ControlReply;
using control::ControlRequest;
using testing::ElementsAre;
using testing::HasSubstr;

class DaemonVerbsTest : public testing::Test {
 protected:
  DaemonVerbsTest()
      : peer_(run_ / "control.sock", [this](PeerConnection& connection) {
          const SecretBuffer payload = connection.ReadFrame();
          auto request = ControlRequest::Decode(payload.Expose());
          if (!request.ok()) return;
          requests_.push_back(std::move(request).value());
          connection.WriteFrame(control::kReplyFrame, reply_.Encode());
        }) {}
  CliResult Run(std::vector<std::string> words) {
    words.insert(words.begin(), {"--socket-dir", run_.path()});
    return RunCli(words);
  }

  const control::Moment now_{BootTime(std::chrono::seconds(10'000)), WallTime(std::chrono::seconds(1'795'503'672))};
  TempDirectory run_;
  ControlReply reply_;
  std::vector<ControlRequest> requests_;
  ScriptedPeer peer_;
};

control::StatusReport SomeStatus(size_t backends, size_t trees) {
  control::StatusReport report;
  report.version = "0.1.0";
  report.pid = 42;
  report.mount = "/run/leasefs";
  report.started = BootTime(std::chrono::seconds(2'500));
  report.audit.recorded = 7;
  report.audit.sinks.push_back({.name = "file", .target = "/var/log/leasefs/audit.jsonl", .last_error = ""});
  report.memory.arena_locked = true;
  for (size_t i = 0; i < backends; ++i) {
    LinkReport link;
    link.name = "local" + std::to_string(i);
    link.connected = true;
    link.health = protocol::HealthState::kUp;
    report.gate.links.push_back(link);
    report.backend_kinds[link.name] = "store";
  }
  for (size_t i = 0; i < trees; ++i) report.gate.trees.push_back({"web" + std::to_string(i), "local0", "web", 1, 2, 1});
  report.gate.rules = 3;
  report.gate.opens = 11;
  report.gate.denied = 2;
  return report;
}

TEST_F(DaemonVerbsTest, StatusFitsOneScreen) {
  reply_.json = control::StatusJson(SomeStatus(1, 1), now_);
  CliResult result = Run({"status"});
  EXPECT_EQ(result.exit, 0);
  EXPECT_THAT(result.out, HasSubstr("leasefsd 0.1.0  ok  pid 42  up 2h 5m\n"));
  EXPECT_THAT(result.out, HasSubstr("mount     /run/leasefs\n"));
  EXPECT_THAT(result.out, HasSubstr("backend   local0  store  up"));
  EXPECT_THAT(result.out, HasSubstr("tree      web0  from local0:web  2 files seen, 1 held\n"));
  EXPECT_THAT(result.out, HasSubstr("opens     11 allowed, 2 denied, 0 failed"));
  EXPECT_THAT(result.out, HasSubstr("audit     7 records  file /var/log/leasefs/audit.jsonl up\n"));
  EXPECT_THAT(result.out, testing::Not(HasSubstr("problems")));
  reply_.json = control::StatusJson(SomeStatus(50, 500), now_);
  result = Run({"status"});
  EXPECT_LE(std::count(result.out.begin(), result.out.end(), '\n'), 20);
  EXPECT_THAT(result.out, HasSubstr("and 495 more"));
}

TEST_F(DaemonVerbsTest, ADegradedDaemonIsShownWithItsProblemsAndIsNoFailure) {
  control::StatusReport report = SomeStatus(1, 1);
  report.gate.links[0].health = protocol::HealthState::kLocked;
  reply_.json = control::StatusJson(report, now_);
  const CliResult result = Run({"status"});
  EXPECT_EQ(result.exit, 0);
  EXPECT_THAT(result.out, HasSubstr("leasefsd 0.1.0  degraded"));
  EXPECT_THAT(result.out, HasSubstr("problems\n  ! backend local0 is locked"));
}

TEST_F(DaemonVerbsTest, JsonIsThatOfTheDaemon) {
  reply_.json = control::StatusJson(SomeStatus(1, 1), now_);
  EXPECT_EQ(Run({"status", "-o", "json"}).out, reply_.json + "\n");
}

TEST_F(DaemonVerbsTest, StatSaysWhatIsKnown) {
  PathReport report;
  report.path = "web/key";
  report.kind = "file";
  report.backend = "local";
  report.source = "web";
  reply_.json = control::StatJson(report, now_);
  CliResult result = Run({"stat", "/run/leasefs/web/key"});
  EXPECT_THAT(result.out, HasSubstr("source      local:web\n"));
  EXPECT_THAT(result.out, HasSubstr("size        not known yet"));
  EXPECT_THAT(requests_[0].arguments, ElementsAre("/run/leasefs/web/key"));
  report.known = true;
  report.secret_version = 3;
  report.file_version = 2;
  report.size = 1704;
  report.ownership = {33, 33, 0400};
  report.fetched = BootTime(std::chrono::seconds(9'999));
  report.fresh_until = kNever;
  report.stale_until = kNever;
  report.lease_end = kNever;
  reply_.json = control::StatJson(report, now_);
  result = Run({"stat", "web/key"});
  EXPECT_EQ(result.out,
            "path        web/key\n"
            "kind        file\n"
            "source      local:web\n"
            "version     2 of the file, 3 of the secret\n"
            "size        1.7 KiB\n"
            "owner       33:33  mode 0400\n"
            "fetched     2026-11-24T07:01:11Z\n"
            "freshness   fresh\n"
            "open        0 handles\n");
}

TEST_F(DaemonVerbsTest, ExplainAsksForTheUserAsTheDatabaseKnowsThem) {
  ExplainReport report;
  report.path = "web/key";
  report.exists = true;
  report.decision = {Decision::Outcome::kAllow, 1};
  report.rules.push_back(
      {.path = "db/**", .users = {{5, 5, "db"}}, .groups = {}, .where = {"/etc/leasefs/leasefs.toml", 20, 1}});
  report.rules.push_back(
      {.path = "web/**", .users = {{0, 0, "root"}}, .groups = {}, .where = {"/etc/leasefs/leasefs.toml", 30, 1}});
  report.covers_path = {false, true};
  reply_.json = control::ExplainJson(report, {.uid = 0, .gid = 0, .groups = {0}, .path = "web/key"});
  const CliResult result = Run({"explain", "--user", "root", "web/key"});
  EXPECT_EQ(result.exit, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("allowed  "));
  EXPECT_THAT(result.out, HasSubstr("/etc/leasefs/leasefs.toml:30:1"));
  EXPECT_THAT(result.out, testing::Not(HasSubstr("db/**")));
  ASSERT_GE(requests_[0].arguments.size(), 4u);
  EXPECT_EQ(requests_[0].arguments[0], "web/key");
  EXPECT_EQ(requests_[0].arguments[1], "0");
  EXPECT_EQ(requests_[0].arguments[2], "0");
}

TEST_F(DaemonVerbsTest, ExplainTakesNumbersAndMoreGroups) {
  reply_.json = "{}";
  EXPECT_EQ(Run({"explain", "-u", "3999999", "-g", "77", "--group", "root", "x"}).exit, 0);
  EXPECT_THAT(requests_[0].arguments, ElementsAre("x", "3999999", "3999999", "3999999,77,0"));
}

TEST_F(DaemonVerbsTest, ExplainRefusesWhomNobodyKnows) {
  EXPECT_THAT(Run({"explain", "x"}).err, HasSubstr("say --user"));
  EXPECT_THAT(Run({"explain", "-u", "no-such-user", "x"}).err, HasSubstr("there is no user 'no-such-user'"));
  EXPECT_THAT(Run({"explain", "-u", "root", "-g", "no-such-group", "x"}).err, HasSubstr("there is no group"));
  EXPECT_EQ(Run({"explain", "-u", "4294967295", "x"}).exit, 1);
  EXPECT_TRUE(requests_.empty());
}

TEST_F(DaemonVerbsTest, RefreshAndReloadSayWhatHappened) {
  reply_.json = control::RefreshJson({"web", 1});
  EXPECT_EQ(Run({"refresh", "web"}).err, "asked for 1 secret again\n");
  reply_.json = control::ReloadJson({4, {"rule 2 can never match"}});
  CliResult result = Run({"reload"});
  EXPECT_EQ(result.exit, 0);
  EXPECT_THAT(result.err, HasSubstr("warning: rule 2 can never match\n"));
  EXPECT_THAT(result.err, HasSubstr("generation 4"));
  reply_.error = Error(ErrorKind::kInvalid, "leasefs.toml:3:1: unknown key 'moutn': did you mean mount?");
  result = Run({"reload"});
  EXPECT_EQ(result.exit, 2);
  EXPECT_THAT(result.err, HasSubstr("leasefs.toml:3:1"));
}

TEST_F(DaemonVerbsTest, RefreshSaysWhichLeasesItLeftAlone) {
  reply_.json = control::RefreshJson({"", 2, 1});
  EXPECT_EQ(Run({"refresh"}).err, "asked for 2 secrets again, left 1 lease as it is\n");
}

TEST_F(DaemonVerbsTest, StopRevokesOnlyWhenAsked) {
  reply_.json = control::StopJson(false);
  EXPECT_THAT(Run({"stop"}).err, HasSubstr("leases stay"));
  reply_.json = control::StopJson(true);
  EXPECT_THAT(Run({"stop", "--revoke"}).err, HasSubstr("leases are revoked"));
  ASSERT_EQ(requests_.size(), 2u);
  EXPECT_TRUE(requests_[0].arguments.empty());
  EXPECT_THAT(requests_[1].arguments, ElementsAre("revoke"));
}

TEST_F(DaemonVerbsTest, StatusAndStatShowLoginsAndLeases) {
  control::StatusReport status;
  protocol::Report told;
  told.identities = {{"app", true, now_.boot + std::chrono::hours(1), true, 1, ""},
                     {"ci", false, kNever, false, 0, ""},
                     {"web", false, kNever, false, 0, "the server refuses the login"}};
  told.leases = {{"db", now_.boot, now_.boot + std::chrono::hours(1), false, true, "no such role"}};
  told.mints = 7;
  LinkReport link;
  link.name = "vault";
  link.report = told;
  status.gate.links = {link};
  reply_.json = control::StatusJson(status, now_);
  std::string out = Run({"status"}).out;
  EXPECT_THAT(out, HasSubstr("app: logged in, token until "));
  EXPECT_THAT(out, HasSubstr("ci: not logged in"));
  EXPECT_THAT(out, HasSubstr("web: NOT LOGGED IN"));
  EXPECT_THAT(out, HasSubstr("1 lease; 7 minted"));
  EXPECT_THAT(out, HasSubstr("  not renewable"));
  EXPECT_THAT(out, HasSubstr("backend vault: db: no such role"));
  PathReport stat;
  stat.path = "db/password";
  stat.kind = "file";
  stat.minted = true;
  stat.leases = told.leases;
  reply_.json = control::StatJson(stat, now_);
  out = Run({"stat", "db/password"}).out;
  EXPECT_THAT(out, HasSubstr("not known before an open"));
  EXPECT_THAT(out, HasSubstr("current, minted "));
  EXPECT_THAT(out, HasSubstr("not renewable: no such role"));
}

TEST_F(DaemonVerbsTest, VersionNamesBothAndWarnsOfADifference) {
  reply_.json = control::VersionJson("9.9.9");
  CliResult result = Run({"version"});
  EXPECT_EQ(result.exit, 0);
  EXPECT_THAT(result.out, HasSubstr("leasefs " LEASEFS_VERSION "\nleasefsd 9.9.9\n"));
  EXPECT_THAT(result.err, HasSubstr("not of one version"));
  result = RunCli({"--version", "--socket-dir", "/nonexistent", "-ojson"});
  EXPECT_EQ(result.exit, 0);
  EXPECT_EQ(result.out, "{\"version\":\"" LEASEFS_VERSION "\"}\n");
}

TEST_F(DaemonVerbsTest, WithoutADaemonTheStatusIsTwoAndTheHintStartsIt) {
  const CliResult result = RunCli({"status", "--socket-dir", "/nonexistent"});
  EXPECT_EQ(result.exit, 2);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, HasSubstr("systemctl start leasefs"));
}

TEST_F(DaemonVerbsTest, AnAnswerThatIsNoJsonIsSaidSo) {
  reply_.json = "{\"state\":";
  EXPECT_EQ(Run({"status"}).exit, 2);
}

TEST(CheckConfigTest, SaysGoodOrEverythingThatIsWrong) {
  TempDirectory directory;
  const std::string good = directory.Write("good.toml", "mount = \"/run/x\"\n", 0644);
  CliResult result = RunCli({"check-config", good});
  EXPECT_EQ(result.exit, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("good: 0 backends, 0 trees, 0 rules"));
  EXPECT_THAT(RunCli({"--config", good, "check-config", "-ojson"}).out, HasSubstr("\"ok\":true,\"backends\":0"));
  const std::string bad = directory.Write("bad.toml", "moutn = \"/run/x\"\n[limits]\ndedline = \"5s\"\n", 0644);
  result = RunCli({"check-config", bad});
  EXPECT_EQ(result.exit, 78);
  EXPECT_THAT(result.err, HasSubstr("bad.toml:1:"));
  EXPECT_THAT(result.err, HasSubstr("bad.toml:3:"));
  EXPECT_THAT(RunCli({"check-config", bad, "-ojson"}).err, HasSubstr("{\"error\":{\"code\":\"configuration\""));
  EXPECT_EQ(RunCli({"check-config", directory / "absent.toml"}).exit, 78);
}

}  // namespace
}  // namespace leasefs::cli
