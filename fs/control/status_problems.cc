#include "fs/control/status_problems.h"

#include <string_view>

#include "fs/base/strings.h"

namespace leasefs::control {
namespace {

std::string Said(std::string_view message) {
  return message.empty() ? std::string() : StrCat(" (", Printable(message, protocol::kMaxMessageBytes), ")");
}

void AddBackendProblem(const LinkReport& link, std::vector<std::string>& problems) {
  if (!link.connected) {
    problems.push_back(StrCat("backend ", link.name, " does not answer", Said(link.message),
                              ": values that are held go on; the journal says why it does not start"));
    return;
  }
  switch (link.health) {
    case protocol::HealthState::kUp:
      return;
    case protocol::HealthState::kLocked:
      // What to do depends on where its key is, so the store itself says it.
      problems.push_back(StrCat("backend ", link.name, " is locked",
                                link.message.empty() ? ": `leasefs store status` says why" : Said(link.message)));
      return;
    case protocol::HealthState::kDegraded:
      problems.push_back(StrCat("backend ", link.name, " is degraded", Said(link.message), ": the journal says more"));
      return;
    case protocol::HealthState::kDown:
      problems.push_back(StrCat("backend ", link.name, " is down", Said(link.message),
                                ": values are served until max_stale; the journal says more"));
      return;
  }
}

constexpr size_t kMaxLeaseProblems = 5;  // the report has them all

void AddToldProblems(const LinkReport& link, std::vector<std::string>& problems) {
  if (!link.report) return;
  auto add = [&](std::string_view what) {
    problems.push_back(StrCat("backend ", link.name, ": ", Printable(what, protocol::kMaxMessageBytes)));
  };
  for (const std::string& problem : link.report->problems) add(problem);
  for (const protocol::ReportIdentity& identity : link.report->identities) {
    if (identity.problem.empty()) continue;
    add(StrCat(identity.Title(), ": ", identity.problem));
  }
  size_t with_leases = 0;
  for (const protocol::ReportLease& lease : link.report->leases) {
    if (!lease.problem.empty() && with_leases++ < kMaxLeaseProblems) add(StrCat(lease.secret, ": ", lease.problem));
  }
  if (with_leases > kMaxLeaseProblems) add(StrCat(with_leases - kMaxLeaseProblems, " more leases have problems"));
  if (link.report->orphans > 0) {
    add(StrCat(link.report->orphans, link.report->orphans == 1 ? " lease" : " leases",
               " may have been minted whose answers never came: nobody has their ids; they end by themselves"));
  }
}

void AddAuditProblems(const AuditReport& audit, std::vector<std::string>& problems) {
  bool any_up = audit.sinks.empty();
  for (const AuditSinkReport& sink : audit.sinks) any_up = any_up || sink.up;
  for (const AuditSinkReport& sink : audit.sinks) {
    if (sink.up) continue;
    std::string_view effect = any_up           ? "another sink has its records meanwhile"
                              : audit.required ? "opens fail with EIO until it does"
                                               : "records are lost when the ring is full";
    problems.push_back(
        StrCat("audit ", sink.name, " ", sink.target, " takes no records", Said(sink.last_error), ": ", effect));
  }
  if (audit.sinks.empty()) {
    problems.push_back("opens are recorded nowhere: set audit.file or audit.syslog in the configuration");
  }
}

}  // namespace

std::string BackendState(const LinkReport& link) {
  if (!link.connected) return "disconnected";
  switch (link.health) {
    case protocol::HealthState::kUp:
      return "up";
    case protocol::HealthState::kDegraded:
      return "degraded";
    case protocol::HealthState::kLocked:
      return "locked";
    case protocol::HealthState::kDown:
      return "down";
  }
  return "unknown";
}

std::vector<std::string> ProblemsOf(const StatusReport& report) {
  std::vector<std::string> problems;
  for (const LinkReport& link : report.gate.links) {
    AddBackendProblem(link, problems);
    AddToldProblems(link, problems);
  }
  for (const TreeReport& tree : report.gate.trees) {
    if (!tree.problem.empty()) problems.push_back(StrCat("tree ", tree.path, Said(tree.problem)));
  }
  AddAuditProblems(report.audit, problems);
  if (!report.memory.arena_locked) {
    problems.push_back(
        "the memory for values is not locked, so it may be swapped: raise LimitMEMLOCK, or use encrypted swap");
  } else if (report.memory.arena_overflow > 0) {
    problems.push_back(
        StrCat(report.memory.arena_overflow, " bytes of values lie outside the locked memory: lower limits.memory"));
  }
  if (report.gate.names_not_shown > 0) {
    problems.push_back(StrCat(report.gate.names_not_shown,
                              " names are too long or too many to be shown: rename them, or raise limits.names"));
  }
  return problems;
}

}  // namespace leasefs::control
