#include "fs/control/report_json.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "fs/control/explain_words.h"
#include "fs/control/status_problems.h"

namespace leasefs::control {
namespace {

using Json = nlohmann::ordered_json;

std::string Text(const Json& document) {
  return document.dump(-1, ' ', false, Json::error_handler_t::replace);
}

int64_t Seconds(Duration duration) {
  return std::chrono::duration_cast<std::chrono::seconds>(duration).count();
}

// Zero is "never was", kNever is "never will be".
Json Time(BootTime time, const Moment& now) {
  if (time == BootTime{} || time == kNever) return nullptr;
  auto wall = std::chrono::floor<std::chrono::seconds>(now.wall + (time - now.boot));
  auto day = std::chrono::floor<std::chrono::days>(wall);
  std::chrono::year_month_day date(day);
  std::chrono::hh_mm_ss clock(wall - day);
  char text[48];
  std::snprintf(text, sizeof(text), "%04d-%02u-%02uT%02d:%02d:%02dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return text;
}

Json Lease(const protocol::ReportLease& lease, const Moment& now) {
  return {{"path", lease.secret},          {"minted", Time(lease.minted_at, now)},
          {"ends", Time(lease.ends, now)}, {"renewable", lease.renewable},
          {"current", lease.current},      {"problem", lease.problem}};
}

Json Leases(const std::vector<protocol::ReportLease>& leases, const Moment& now) {
  Json list = Json::array();
  for (const protocol::ReportLease& lease : leases) list.push_back(Lease(lease, now));
  return list;
}

Json Told(const std::optional<protocol::Report>& report, const Moment& now) {
  if (!report) return nullptr;
  Json identities = Json::array();
  for (const protocol::ReportIdentity& identity : report->identities) {
    identities.push_back({{"name", identity.name},
                          {"logged_in", identity.logged_in},
                          {"token_ends", Time(identity.token_ends, now)},
                          {"renewable", identity.renewable},
                          {"logins", identity.logins},
                          {"problem", identity.problem}});
  }
  return {{"identities", std::move(identities)}, {"leases", Leases(report->leases, now)},
          {"more_leases", report->more_leases},  {"mints", report->mints},
          {"renewals", report->renewals},        {"revocations", report->revocations},
          {"orphans", report->orphans},          {"problems", report->problems},
          {"note", report->note}};
}

Json Owner(const Ownership& owner) {
  char mode[16];
  std::snprintf(mode, sizeof(mode), "%04o", static_cast<unsigned>(owner.mode & 07777));
  return {{"uid", owner.uid}, {"gid", owner.gid}, {"mode", mode}};
}

Json Backends(const StatusReport& report, const Moment& now) {
  Json backends = Json::array();
  for (const LinkReport& link : report.gate.links) {
    uint64_t held = 0;
    for (const TreeReport& tree : report.gate.trees) held += tree.backend == link.name ? tree.held : 0;
    auto kind = report.backend_kinds.find(link.name);
    backends.push_back({{"name", link.name},
                        {"kind", kind == report.backend_kinds.end() ? Json(nullptr) : Json(kind->second)},
                        {"state", BackendState(link)},
                        {"message", link.message},
                        {"since", Time(link.since, now)},
                        {"connections", link.connections},
                        {"generation", link.generation},
                        {"held", held},
                        {"report", Told(link.report, now)}});
  }
  return backends;
}

Json Trees(const GateReport& gate, const Moment& now) {
  Json trees = Json::array();
  for (const TreeReport& tree : gate.trees) {
    trees.push_back(
        {{"path", tree.path},
         {"backend", tree.backend},
         {"source", tree.source},
         {"directories", tree.directories},
         {"files", tree.files},
         {"held", tree.held},
         {"stale", tree.stale},
         {"failed", tree.failed},
         {"leases", tree.leases},
         {"next_lease_end", Time(tree.next_lease_end, now)},
         {"last_change",
          tree.last_change == WallTime{} ? Json(nullptr) : Time(now.boot - (now.wall - tree.last_change), now)}});
  }
  return trees;
}

Json Audit(const AuditReport& audit, const Moment& now) {
  Json sinks = Json::array();
  for (const AuditSinkReport& sink : audit.sinks) {
    sinks.push_back({{"name", sink.name},
                     {"target", sink.target},
                     {"up", sink.up},
                     {"since", Time(sink.since, now)},
                     {"accepted", sink.accepted},
                     {"failed", sink.failed},
                     {"lost", sink.lost},
                     {"behind", sink.behind},
                     {"last_error", sink.last_error}});
  }
  Json oldest = nullptr;
  if (audit.oldest != kNever) {
    oldest =
        std::max<int64_t>(0, std::chrono::duration_cast<std::chrono::milliseconds>(now.boot - audit.oldest).count());
  }
  return {{"required", audit.required}, {"recorded", audit.recorded}, {"refused", audit.refused},
          {"dropped", audit.dropped},   {"voids", audit.voids},       {"oldest_wait_ms", oldest},
          {"sinks", std::move(sinks)}};
}

Json Memory(const StatusReport& report) {
  const MemoryReport& memory = report.memory;
  return {{"arena_reserved", memory.arena_reserved}, {"arena_used", memory.arena_used},
          {"arena_overflow", memory.arena_overflow}, {"locked", memory.arena_locked},
          {"state_bytes", memory.state_bytes},       {"sealed_bytes", report.gate.sealed_bytes},
          {"values_limit", memory.values_limit}};
}

Json Counters(const StatusReport& report) {
  const GateReport& gate = report.gate;
  return {{"requests", report.requests},
          {"opens", gate.opens},
          {"denied", gate.denied},
          {"failed", gate.failed},
          {"fetches", gate.fetches},
          {"publications", gate.publications},
          {"reopened", gate.reopened},
          {"waiting", gate.waiting},
          {"handles", gate.handles},
          {"names", gate.names},
          {"names_not_shown", gate.names_not_shown}};
}

const char* Freshness(const PathReport& report, BootTime now) {
  if (report.lease_end != BootTime{} && now >= report.lease_end) return "expired";
  if (report.secret_version == 0) return "unknown";
  if (now < report.fresh_until) return "fresh";
  return now < report.stale_until ? "stale" : "expired";
}

}  // namespace

std::string StatusJson(const StatusReport& report, const Moment& now) {
  std::vector<std::string> problems = ProblemsOf(report);
  return Text({{"schema", kReportSchema},
               {"state", problems.empty() ? "ok" : "degraded"},
               {"problems", problems},
               {"version", report.version},
               {"pid", report.pid},
               {"mount", report.mount},
               {"started", Time(report.started, now)},
               {"uptime_s", Seconds(now.boot - report.started)},
               {"rules", {{"generation", report.gate.rules_generation}, {"count", report.gate.rules}}},
               {"backends", Backends(report, now)},
               {"trees", Trees(report.gate, now)},
               {"audit", Audit(report.audit, now)},
               {"memory", Memory(report)},
               {"counters", Counters(report)},
               {"warnings", report.warnings}});
}

std::string StatJson(const PathReport& report, const Moment& now) {
  bool file = report.kind == "file";
  return Text({{"schema", kReportSchema},
               {"path", report.path},
               {"kind", report.kind},
               {"backend", report.backend},
               {"source", report.source},
               {"minted", report.minted},
               {"known", report.known},
               {"too_large", report.too_large},
               {"secret_version", report.secret_version},
               {"version", report.file_version},
               {"size", report.size},
               {"owner", file ? Owner(report.ownership) : Json(nullptr)},
               {"fetched", Time(report.fetched, now)},
               {"fresh_until", Time(report.fresh_until, now)},
               {"stale_until", Time(report.stale_until, now)},
               {"lease_end", Time(report.lease_end, now)},
               {"freshness", Freshness(report, now.boot)},
               {"status", report.status},
               {"leases", Leases(report.leases, now)},
               {"open_handles", report.handles}});
}

std::string ExplainJson(const ExplainReport& report, const ExplainQuestion& question) {
  Json rules = Json::array();
  for (size_t i = 0; i < report.rules.size(); ++i) {
    RuleVerdict verdict = JudgeRule(report, question, i);
    rules.push_back({{"index", i},
                     {"text", RuleText(report.rules[i])},
                     {"location", RuleLocation(report.rules[i])},
                     {"covers", static_cast<bool>(report.covers_path[i])},
                     {"covers_directory", CoversDirectory(report, i)},
                     {"matches", verdict.matches},
                     {"decides", report.decision.rule == static_cast<int32_t>(i)},
                     {"why", verdict.why}});
  }
  return Text({{"schema", kReportSchema},
               {"path", report.path},
               {"exists", report.exists},
               {"caller", {{"uid", question.uid}, {"gid", question.gid}, {"groups", question.groups}}},
               {"allowed", report.decision.outcome == Decision::Outcome::kAllow},
               {"words", DecisionText(report, question)},
               {"rule", report.decision.rule < 0 ? Json(nullptr) : Json(report.decision.rule)},
               {"generation", report.generation},
               {"owner", Owner(report.ownership)},
               {"rules", std::move(rules)}});
}

std::string TreesJson(const std::vector<TreeReport>& trees) {
  Json list = Json::array();
  for (const TreeReport& tree : trees)
    list.push_back({{"path", tree.path}, {"backend", tree.backend}, {"source", tree.source}});
  return Text({{"schema", kReportSchema}, {"trees", std::move(list)}});
}

std::string RefreshJson(const RefreshReport& report) {
  return Text({{"schema", kReportSchema}, {"path", report.path}, {"asked", report.asked}, {"minted", report.minted}});
}

std::string ReloadJson(const ReloadReport& report) {
  return Text({{"schema", kReportSchema}, {"generation", report.generation}, {"warnings", report.warnings}});
}

std::string StopJson(bool revoke) {
  return Text({{"schema", kReportSchema}, {"revoke", revoke}});
}

std::string VersionJson(const std::string& version) {
  return Text({{"schema", kReportSchema}, {"version", version}});
}

}  // namespace leasefs::control
