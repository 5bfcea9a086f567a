// The schema of each report: every field, its type, and that nothing else is in it.
#include "fs/control/report_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "fs/control/explain_words.h"
#include "fs/control/status_problems.h"

namespace leasefs::control {
namespace {

using nlohmann::json;
using std::chrono::hours;
using std::chrono::seconds;

// 2026-11-24T06:52:00Z, ten hours after boot.
const Moment kNow{BootTime(hours(10)), WallTime(seconds(1'795'503'120))};

// "name:type" of every field, in order; "[]" and "{}" go deeper.
std::string Shape(const nlohmann::ordered_json& value) {
  if (value.is_object()) {
    std::string text = "{";
    for (const auto& [name, member] : value.items()) text += (text.size() > 1 ? "," : "") + name + ":" + Shape(member);
    return text + "}";
  }
  if (value.is_array()) return value.empty() ? "[]" : "[" + Shape(value.front()) + "]";
  if (value.is_string()) return "s";
  if (value.is_number()) return "n";
  return value.is_boolean() ? "b" : "null";
}
std::string ShapeOf(const std::string& text) {
  return Shape(nlohmann::ordered_json::parse(text));
}

StatusReport FullStatus() {
  StatusReport report;
  report.version = "0.1.0";
  report.pid = 42;
  report.mount = "/run/leasefs";
  report.started = BootTime(hours(9));
  report.backend_kinds = {{"local", "store"}};
  LinkReport link;
  link.name = "local";
  link.connected = true;
  link.health = protocol::HealthState::kUp;
  link.since = BootTime(hours(9));
  report.gate.links = {link};
  TreeReport tree;
  tree.path = "web";
  tree.backend = "local";
  tree.source = "apps/web";
  tree.files = 3;
  tree.held = 2;
  report.gate.trees = {tree};
  report.audit.sinks = {{.name = "file", .target = "/var/log/audit", .since = BootTime(hours(9)), .last_error = ""}};
  report.audit.oldest = kNow.boot - std::chrono::milliseconds(20);
  report.memory.arena_locked = true;
  report.warnings = {"a warning"};
  return report;
}

TEST(ReportJsonTest, StatusHasItsSchema) {
  EXPECT_EQ(
      ShapeOf(StatusJson(FullStatus(), kNow)),
      "{schema:n,state:s,problems:[],version:s,pid:n,mount:s,started:s,uptime_s:n,rules:{generation:n,count:n},"
      "backends:[{name:s,kind:s,state:s,message:s,since:s,connections:n,generation:n,held:n,report:null}],"
      "trees:[{path:s,backend:s,source:s,directories:n,files:n,held:n,stale:n,failed:n,leases:n,next_lease_end:null,"
      "last_change:null}],"
      "audit:{required:b,recorded:n,refused:n,dropped:n,voids:n,oldest_wait_ms:n,"
      "sinks:[{name:s,target:s,up:b,since:s,accepted:n,failed:n,lost:n,behind:n,last_error:s}]},"
      "memory:{arena_reserved:n,arena_used:n,arena_overflow:n,locked:b,state_bytes:n,sealed_bytes:n,values_limit:n},"
      "counters:{requests:n,opens:n,denied:n,failed:n,fetches:n,publications:n,reopened:n,waiting:n,handles:n,"
      "names:n,names_not_shown:n},warnings:[s]}");
}

protocol::Report FullReport() {
  protocol::Report told;
  told.identities = {{"", true, kNow.boot + hours(1), true, 2, ""}};
  told.leases = {{"db", kNow.boot - hours(1), kNow.boot + hours(1), true, true, ""}};
  told.mints = 2;
  return told;
}

TEST(ReportJsonTest, WhatABackendTellsOfItselfHasItsSchema) {
  StatusReport report = FullStatus();
  report.gate.links[0].report = FullReport();
  report.gate.links[0].report->problems = {"the policy may not revoke"};
  json status = json::parse(StatusJson(report, kNow));
  EXPECT_EQ(Shape(nlohmann::ordered_json::parse(StatusJson(report, kNow))["backends"][0]["report"]),
            "{identities:[{name:s,logged_in:b,token_ends:s,renewable:b,logins:n,problem:s}],"
            "leases:[{path:s,minted:s,ends:s,renewable:b,current:b,problem:s}],"
            "more_leases:n,mints:n,renewals:n,revocations:n,orphans:n,problems:[s],note:s}");
  EXPECT_EQ(status["backends"][0]["report"]["leases"][0]["ends"], "2026-11-24T07:52:00Z");
}

TEST(ReportJsonTest, StatusTellsTimesAndSums) {
  json status = json::parse(StatusJson(FullStatus(), kNow));
  EXPECT_EQ(status["schema"], 1);
  EXPECT_EQ(status["state"], "ok");
  EXPECT_EQ(status["uptime_s"], 3600);
  EXPECT_EQ(status["started"], "2026-11-24T05:52:00Z");
  EXPECT_EQ(status["backends"][0]["held"], 2);
  EXPECT_EQ(status["audit"]["oldest_wait_ms"], 20);
  StatusReport fresh;
  EXPECT_TRUE(json::parse(StatusJson(fresh, kNow))["audit"]["oldest_wait_ms"].is_null());
}

TEST(ReportJsonTest, EachProblemSaysWhatToDo) {
  EXPECT_TRUE(ProblemsOf(FullStatus()).empty());
  struct Case {
    std::function<void(StatusReport&)> spoil;
    std::string expected;
  };
  const std::vector<Case> cases = {
      {[](auto& r) { r.gate.links[0].connected = false; }, "backend local does not answer"},
      {[](auto& r) { r.gate.links[0].health = protocol::HealthState::kLocked; }, "leasefs store status"},
      {[](auto& r) {
         r.gate.links[0].health = protocol::HealthState::kLocked;
         r.gate.links[0].message = "key file /k: missing; `leasefs store init` makes it";
       },
       "backend local is locked (key file /k: missing; `leasefs store init` makes it)"},
      {[](auto& r) { r.gate.links[0].health = protocol::HealthState::kDown; }, "backend local is down"},
      {[](auto& r) { r.gate.links[0].health = protocol::HealthState::kDegraded; }, "backend local is degraded"},
      {[](auto& r) { r.audit.sinks[0].up = false; }, "opens fail with EIO until it does"},
      {[](auto& r) { r.audit.sinks[0].up = r.audit.required = false; }, "records are lost"},
      {[](auto& r) { r.audit.sinks.push_back({.name = "syslog", .target = "", .up = false, .last_error = ""}); },
       "another sink has its records"},
      {[](auto& r) { r.audit.sinks.clear(); }, "recorded nowhere"},
      {[](auto& r) { r.memory.arena_locked = false; }, "LimitMEMLOCK"},
      {[](auto& r) { r.memory.arena_overflow = 5; }, "lower limits.memory"},
      {[](auto& r) { r.gate.names_not_shown = 5; }, "raise limits.names"},
      {[](auto& r) {
         r.gate.links[0].report = FullReport();
         r.gate.links[0].report->problems = {"the policy may not revoke"};
       },
       "backend local: the policy may not revoke"},
      {[](auto& r) {
         r.gate.links[0].report = FullReport();
         r.gate.links[0].report->identities[0].problem = "permission denied";
       },
       "backend local: its login: permission denied"},
      {[](auto& r) {
         r.gate.links[0].report = FullReport();
         r.gate.links[0].report->leases[0].problem = "no such role";
       },
       "backend local: db: no such role"},
      {[](auto& r) {
         r.gate.links[0].report = FullReport();
         r.gate.links[0].report->orphans = 1;
       },
       "1 lease may have been minted"},
  };
  for (const Case& one : cases) {
    StatusReport report = FullStatus();
    one.spoil(report);
    json status = json::parse(StatusJson(report, kNow));
    EXPECT_EQ(status["state"], "degraded") << one.expected;
    ASSERT_EQ(status["problems"].size(), 1u) << one.expected;
    EXPECT_NE(status["problems"][0].get<std::string>().find(one.expected), std::string::npos) << status["problems"][0];
  }
}

TEST(ReportJsonTest, StatHasItsSchema) {
  PathReport file;
  file.path = "web/key";
  file.kind = "file";
  file.secret_version = 3;
  file.ownership = {33, 34, 0400};
  file.fetched = kNow.boot - seconds(10);
  file.fresh_until = kNow.boot + seconds(50);
  file.stale_until = kNow.boot + seconds(500);
  file.lease_end = kNever;
  EXPECT_EQ(ShapeOf(StatJson(file, kNow)),
            "{schema:n,path:s,kind:s,backend:s,source:s,minted:b,known:b,too_large:b,secret_version:n,version:n,size:n,"
            "owner:{uid:n,gid:n,mode:s},fetched:s,fresh_until:s,stale_until:s,lease_end:null,freshness:s,status:s,"
            "leases:[],open_handles:n}");
  json stat = json::parse(StatJson(file, kNow));
  EXPECT_EQ(stat["owner"]["mode"], "0400");
  EXPECT_EQ(stat["fetched"], "2026-11-24T06:51:50Z");
  EXPECT_EQ(stat["freshness"], "fresh");
  PathReport directory;
  directory.kind = "directory";
  EXPECT_TRUE(json::parse(StatJson(directory, kNow))["owner"].is_null());
}

TEST(ReportJsonTest, FreshnessFollowsTheClock) {
  PathReport file;
  file.kind = "file";
  auto freshness = [&](BootTime now) { return json::parse(StatJson(file, {now, kNow.wall}))["freshness"]; };
  EXPECT_EQ(freshness(kNow.boot), "unknown");
  file.secret_version = 1;
  file.fresh_until = BootTime(hours(1));
  file.stale_until = BootTime(hours(2));
  file.lease_end = kNever;
  EXPECT_EQ(freshness(BootTime(hours(1)) - seconds(1)), "fresh");
  EXPECT_EQ(freshness(BootTime(hours(1))), "stale");
  EXPECT_EQ(freshness(BootTime(hours(2))), "expired");
  file.lease_end = BootTime(seconds(10));
  EXPECT_EQ(freshness(BootTime(seconds(11))), "expired") << "S14: never after its lease";
}

AllowRule Rule(std::string path, std::vector<RuleUser> users, std::vector<RuleGroup> groups) {
  AllowRule rule;
  rule.path = std::move(path);
  rule.users = std::move(users);
  rule.groups = std::move(groups);
  rule.where = {"/etc/leasefs/leasefs.toml", 12, 1};
  return rule;
}

ExplainReport FullExplain() {
  ExplainReport report;
  report.path = "web/key";
  report.exists = true;
  report.rules = {Rule("db/**", {{70, 70, "postgres"}}, {}), Rule("web/**", {{33, 33, "www-data"}}, {}),
                  Rule("web/*", {}, {{44, "tls"}}), Rule("**", {}, {{44, "tls"}})};
  report.covers_path = {false, true, true, true};
  report.decision = {Decision::Outcome::kAllow, 2};
  report.ownership = {0, 44, 0440};
  return report;
}

TEST(ReportJsonTest, ExplainHasItsSchemaAndAReasonForEachRule) {
  ExplainQuestion question{.uid = 1000, .gid = 1000, .groups = {44}, .path = "web/key"};
  std::string text = ExplainJson(FullExplain(), question);
  EXPECT_EQ(ShapeOf(text),
            "{schema:n,path:s,exists:b,caller:{uid:n,gid:n,groups:[n]},allowed:b,words:s,rule:n,generation:n,"
            "owner:{uid:n,gid:n,mode:s},rules:[{index:n,text:s,location:s,covers:b,covers_directory:b,matches:b,"
            "decides:b,why:s}]}");
  json explain = json::parse(text);
  EXPECT_EQ(explain["words"],
            "uid 1000, gid 1000 may open web/key by the rule at /etc/leasefs/leasefs.toml:12:1: path = \"web/*\", "
            "group = [\"tls\"]");
  EXPECT_EQ(explain["rules"][0]["why"], "its path does not cover this one");
  EXPECT_EQ(explain["rules"][1]["why"], "uid 1000 is not \"www-data\"");
  EXPECT_EQ(explain["rules"][2]["why"], "decides");
  EXPECT_EQ(explain["rules"][3]["why"], "matches too; an earlier rule decides");
  EXPECT_EQ(explain["rules"][2]["decides"], true);
}

TEST(ReportJsonTest, ARefusalSaysWhy) {
  ExplainReport report = FullExplain();
  report.decision = {};
  ExplainQuestion question{.uid = 1000, .gid = 1000, .groups = {}, .path = "web/key"};
  json explain = json::parse(ExplainJson(report, question));
  EXPECT_EQ(explain["allowed"], false);
  EXPECT_TRUE(explain["rule"].is_null());
  EXPECT_EQ(explain["words"],
            "uid 1000, gid 1000 may not open web/key: no rule that covers it names this caller; an [[allow]] entry "
            "would let them in");
  EXPECT_EQ(explain["rules"][2]["why"], "the caller is in no group of \"tls\"");
  report.covers_path.assign(4, false);
  report.covers_directory = {true, false, false, false};
  EXPECT_NE(ExplainJson(report, question).find("write \\\"" + report.rules[0].path + "/*\\\""), std::string::npos);
  EXPECT_NE(ExplainJson(report, question).find("no rule covers it"), std::string::npos);
}

TEST(ReportJsonTest, SmallReportsHaveTheirSchema) {
  EXPECT_EQ(RefreshJson({"web", 3, 2}), R"({"schema":1,"path":"web","asked":3,"minted":2})");
  EXPECT_EQ(ReloadJson({7, {"w"}}), R"({"schema":1,"generation":7,"warnings":["w"]})");
  EXPECT_EQ(VersionJson("0.1.0"), R"({"schema":1,"version":"0.1.0"})");
}

TEST(ReportJsonTest, NamesThatAreNotUtf8StillGiveJson) {
  PathReport file;
  file.path = "web/\xff\xfe";
  EXPECT_TRUE(json::accept(StatJson(file, kNow)));
}

}  // namespace
}  // namespace leasefs::control
