// What the gate tells of itself.
#include "fs/base/strings.h"
#include "fs/secrets/secret_gate.h"

namespace leasefs {
namespace {

// An outage that nobody ran into for so long may be over: no problem that is known. A locked store says when it opens.
constexpr Duration kOldNews = std::chrono::minutes(5);

bool IsOld(const GateFailure& failure, BootTime now) {
  return IsOutage(failure.error.kind()) && failure.retry_at != BootTime{} && now - failure.retry_at > kOldNews;
}

}  // namespace

void SecretGate::AddSecretLocked(uint32_t directory, TreeReport& row) const {
  const NodeRecord& record = nodes_[directory];
  ++row.directories;
  row.failed += failures_.contains(directory) ? 1 : 0;
  for (const auto* failures : {&failures_, &listing_failures_}) {
    auto failure = failures->find(directory);
    if (failure == failures->end()) continue;
    if (failure->second.error.kind() == ErrorKind::kNotFound && !trees_.IsRoot(directory)) continue;
    if (IsOld(failure->second, loop_.Now())) continue;
    if (row.problem.empty()) row.problem = failure->second.error.message();
  }
  if (SecretVersionLocked(directory) == 0) return;
  if (BootTimeFromNanoseconds(record.fresh_until_ns) <= loop_.Now()) ++row.stale;
  BootTime end = BootTimeFromNanoseconds(record.lease_end_ns);
  if (end == kNever) return;
  ++row.leases;
  row.next_lease_end = std::min(row.next_lease_end, end);
}

GateReport SecretGate::Report() const {
  MutexLock lock(mutex_);
  GateReport report;
  for (const auto& link : links_) {
    report.links.push_back({link->link.name(), link->connected, link->health, link->message, link->since,
                            link->record.generation, link->connections, link->report});
  }
  std::map<const Tree*, size_t> place;
  for (const Tree& tree : trees_.trees()) {
    place[&tree] = report.trees.size();
    report.trees.push_back({tree.options.path, tree.options.backend, tree.options.source});
  }
  for (uint32_t node = 0; node < nodes_.count(); ++node) {
    const Tree* tree = trees_.Of(node);
    if (tree == nullptr || nodes_[node].present == 0 || instances_.Contains(nodes_[node].parent)) continue;
    TreeReport& row = report.trees[place.at(tree)];
    if (nodes_.IsDirectory(node)) {
      report.names_not_shown += nodes_[node].not_shown;
      AddSecretLocked(node, row);
    } else {
      ++row.files;
      row.held += versions_.CurrentSlot(node) != kNoSlot ? 1 : 0;
      if (nodes_[node].version != 0)
        row.last_change = std::max(row.last_change, WallTime(Duration(nodes_[node].changed_ns)));
    }
  }
  const StateCounters& counters = state_.header().counters;
  report.rules_generation = policy_->generation();
  report.rules = policy_->rules().size();
  report.opens = counters.opens;
  report.denied = counters.denied;
  report.failed = counters.failed;
  report.fetches = counters.fetches;
  report.publications = counters.publications;
  report.reopened = counters.reopened;
  report.waiting = waits_.waiting();
  report.handles = handles_.count();
  report.names = nodes_.count();
  report.sealed_bytes = versions_.sealed_bytes();
  return report;
}

std::vector<std::string> SecretGate::LostBackends(Duration since) const {
  MutexLock lock(mutex_);
  std::vector<std::string> lost;
  for (const auto& link : links_) {
    if (!link->connected && link->connections != 0 && loop_.Now() - link->since >= since)
      lost.push_back(link->link.name());
  }
  return lost;
}

Result<PathReport> SecretGate::Stat(const std::string& path) const {
  MutexLock lock(mutex_);
  uint32_t node = nodes_.Walk(kRootNode, path);
  if (node == kNoNode) {
    return Error(ErrorKind::kNotFound,
                 "there is no such path on the mount; names appear when their directory is first listed or opened");
  }
  PathReport report;
  report.path = nodes_.Path(node);
  bool directory = nodes_.IsDirectory(node);
  report.kind = directory ? "directory" : "file";
  uint32_t secret = directory ? node : nodes_[node].parent;
  const Tree* tree = trees_.Of(node);
  if (tree == nullptr && !derived_.Is(node)) return report;
  if (derived_.IsFile(node)) {
    for (uint32_t part : derived_.SecretsOf(node)) {
      report.source += StrCat(report.source.empty() ? "" : ", ", nodes_.Path(part));
      secret = part;
    }
  } else {
    report.backend = tree->options.backend;
    report.source = trees_.SourcePath(secret);
  }
  report.secret_version = SecretVersionLocked(secret);
  report.status = StatusTextLocked(node);
  const NodeRecord& record = nodes_[secret];
  report.minted = record.minted != 0;
  report.lease_end = BootTimeFromNanoseconds(record.lease_end_ns);
  if (report.secret_version != 0) {
    report.fetched = BootTimeFromNanoseconds(record.fetched_ns);
    report.fresh_until = BootTimeFromNanoseconds(record.fresh_until_ns);
    report.stale_until = BootTimeFromNanoseconds(record.stale_until_ns);
  }
  Link* link = FindLinkLocked(report.backend);
  if (link != nullptr && link->report) {
    const std::string backend_path = trees_.BackendPath(secret);
    for (const protocol::ReportLease& lease : link->report->leases) {
      if (lease.secret == backend_path) report.leases.push_back(lease);
    }
  }
  if (directory) return report;
  uint32_t slot = versions_.CurrentSlot(node);
  report.known = slot != kNoSlot;
  report.too_large = slot != kNoSlot && versions_.TooLarge(slot);
  report.file_version = nodes_[node].version;
  report.size = nodes_[node].size;
  report.ownership = OwnershipLocked(node);
  report.handles = handles_.CountForNode(node);
  return report;
}

// SECURITY: by the code that enforces; nothing is decided twice in two ways.
ExplainReport SecretGate::Explain(const Caller& caller, const std::vector<gid_t>& groups,
                                  const std::string& path) const {
  MutexLock lock(mutex_);
  ExplainReport report;
  report.path = path;
  uint32_t node = nodes_.Walk(kRootNode, path);
  report.exists = node != kNoNode;
  report.generation = policy_->generation();
  report.rules = policy_->rules();
  const std::string directory = path.substr(0, std::min(path.size(), path.rfind('/')));
  for (const AllowRule& rule : report.rules) {
    const bool covers = MatchesPattern(rule.path, path);
    report.covers_path.push_back(covers);
    report.covers_directory.push_back(!covers && MatchesPattern(rule.path, directory));
  }
  RuleSetId rules = policy_->RulesFor(path);
  report.decision = policy_->Decide(rules, caller, &groups);
  report.ownership = report.exists && !nodes_.IsDirectory(node) ? OwnershipLocked(node) : policy_->OwnershipFor(rules);
  return report;
}

}  // namespace leasefs
