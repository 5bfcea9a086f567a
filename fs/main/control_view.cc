#include "fs/main/control_view.h"

#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "fs/base/secret_arena.h"
#include "fs/keeper/child_wire.h"

namespace leasefs {

ControlView::ControlView(Parts parts) : parts_(std::move(parts)), started_(parts_.loop.Now()) {}

control::StatusReport ControlView::Status() const {
  control::StatusReport report;
  report.version = LEASEFS_VERSION;
  report.pid = getpid();
  report.mount = parts_.config.mount;
  report.started = started_;
  for (const FuseSession::OperationCounts& operation : parts_.session.counters().operations) {
    report.requests += operation.count;
  }
  for (const BackendOptions& backend : parts_.config.backends) 
    report.backend_kinds[backend.name] = backend.type == BackendType::kStore ? "store" : "vault";
  report.gate = parts_.gate.Report();
  report.audit = Audit();
  report.memory = Memory();
  report.warnings = parts_.config.warnings;
  return report;
}

std::vector<TreeReport> ControlView::Trees() const {
  std::vector<TreeReport> trees;
  for (const TreeOptions& tree : parts_.config.trees) trees.push_back({tree.path, tree.backend, tree.source, 0, 0, 0});
  return trees;
}

control::AuditReport ControlView::Audit() const {
  AuditRing::Figures figures = parts_.ring.figures();
  control::AuditReport report;
  report.required = parts_.config.audit.required;
  report.recorded = figures.appended;
  report.refused = figures.refused;
  report.dropped = figures.dropped;
  report.voids = figures.voids;
  report.oldest = parts_.ring.oldest();
  for (const AuditWriter::SinkFigures& sink : parts_.audit.figures()) {
    report.sinks.push_back({sink.name, sink.target, sink.up, sink.since, sink.accepted, sink.failed, sink.lost,
                            sink.behind, sink.last_error});
  }
  return report;
}

control::MemoryReport ControlView::Memory() const {
  SecretArenaFigures arena = SecretArena::Process().Figures();
  control::MemoryReport report;
  report.arena_reserved = arena.reserved_bytes;
  report.arena_used = arena.used_bytes;
  report.arena_overflow = arena.overflow_bytes;
  report.arena_locked = arena.locked;
  struct stat state;
  if (fstat(kStateMemory, &state) == 0) report.state_bytes = static_cast<uint64_t>(state.st_blocks) * 512;
  report.values_limit = parts_.config.limits.memory_bytes;
  return report;
}

ExplainReport ControlView::Explain(const control::ExplainQuestion& question) const {
  const Caller caller{question.uid, question.gid, 1};  // a thread that the kernel could name
  return parts_.gate.Explain(caller, question.groups, question.path);
}

void ControlView::Refresh(const std::string& path, control::Answer<control::RefreshReport> done) {
  parts_.gate.Refresh(path, [path, done = std::move(done)](Result<RefreshCounts> asked) {
    if (!asked.ok()) return done(std::move(asked).error());
    done(control::RefreshReport{path, asked->asked, asked->minted});
  });
}

void ControlView::Reload(control::Answer<control::ReloadReport> done) {
  uint64_t number = ++last_reload_;
  reloads_.emplace(number, std::move(done));
  parts_.request_reload(number);
}

void ControlView::OnReloadResult(uint64_t number, const std::string& error, uint64_t generation) {
  auto waiting = reloads_.extract(number);
  if (waiting.empty()) return;
  if (!error.empty()) return waiting.mapped()(Error(ErrorKind::kInvalid, error));
  waiting.mapped()(control::ReloadReport{generation, parts_.config.warnings});
}

}  // namespace leasefs
