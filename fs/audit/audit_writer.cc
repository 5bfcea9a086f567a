#include "fs/audit/audit_writer.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>

#include "fs/base/log.h"
#include "fs/base/strings.h"

namespace leasefs {

AuditWriter::AuditWriter(const Loop& clock, AuditRing& ring, AuditFormatter::PathFunction paths,
                         std::vector<std::unique_ptr<AuditSink>> sinks)
    : clock_(clock), ring_(ring), formatter_(std::move(paths)), events_(kBatch) {
  {
    MutexLock lock(mutex_);
    for (auto& sink : sinks) {
      if (sink->id() == SinkId::kFile) file_ = static_cast<FileSink*>(sink.get());
      SinkFigures& figures = figures_.emplace_back();
      figures.name = sink->name();
      figures.target = sink->target();
      figures.since = clock_.Now();
      outlets_.push_back({.sink = std::move(sink)});
    }
  }
  GoToMarks();
}

void AuditWriter::GoToMarks() {
  AuditRing::Figures at = ring_.figures();
  MutexLock lock(mutex_);
  for (size_t i = 0; i < outlets_.size(); ++i) {
    outlets_[i].position = std::clamp(ring_.mark(outlets_[i].sink->id()).position, at.released, at.appended);
    figures_[i].position = outlets_[i].position;
  }
}

AuditWriter::~AuditWriter() = default;

void AuditWriter::ReplaceFile(UniqueFd file) {
  if (file_ == nullptr) return;
  file_->Replace(std::move(file));
  retry_now_.store(true);
  ring_.Wake();
}

void AuditWriter::Stop(Duration bound) {
  stop_by_.store(ToNanoseconds(clock_.Now() + bound));
  stopping_.store(true);
  retry_now_.store(true);
  ring_.Wake();
}

void AuditWriter::Run() {
  sigset_t broken_pipe;  // of an audit "file" that is a pipe: write(2) says EPIPE too
  sigemptyset(&broken_pipe);
  sigaddset(&broken_pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
  GoToMarks();
  for (;;) {
    Round round = RunRound();
    if (Finished(round)) break;
    Rest(round);
  }
  ring_.SetWriterState(WriterState::kAbsent, clock_.Now());
}

bool AuditWriter::Finished(const Round& round) const {
  if (!stopping_.load()) return false;
  if (ToNanoseconds(clock_.Now()) >= stop_by_.load()) return true;
  AuditRing::Figures at = ring_.figures();
  return !round.more && at.accepted == at.appended;
}

void AuditWriter::Rest(const Round& round) {
  if (round.more) return;
  BootTime retry_at = kNever;
  bool all_down = !outlets_.empty();
  uint64_t next = ring_.figures().accepted;
  for (const Outlet& outlet : outlets_) {
    all_down = all_down && !outlet.up;
    if (outlet.position < next || !outlet.up) retry_at = std::min(retry_at, outlet.retry_at);
  }
  Duration until_retry = retry_at == kNever ? Duration::max() : std::max(retry_at - clock_.Now(), Duration(0));
  if (stopping_.load()) {
    ring_.Linger(std::min(until_retry, kRest));
  } else if (all_down) {
    ring_.Linger(until_retry);
  } else if (round.taken > 0) {
    ring_.Linger(kRest);
  } else {
    ring_.WaitForRecord(next, until_retry);
  }
}

AuditWriter::Round AuditWriter::RunRound() {
  Round round;
  if (outlets_.empty()) {
    round.taken = TakeUnseen();
    round.more = round.taken == kBatch;
    ring_.SetWriterState(WriterState::kBetween, clock_.Now());
    return round;
  }
  BootTime now = clock_.Now();
  bool retry_now = retry_now_.exchange(false);
  for (size_t i = 0; i < outlets_.size(); ++i) {
    if (now < outlets_[i].retry_at && !retry_now) continue;
    size_t taken = Offer(i, now);
    round.taken = std::max(round.taken, taken);
    round.more = round.more || taken == kBatch;
    ring_.Accept(outlets_[i].position);  // at once, not after the other sinks: what one sink has is recorded
  }
  GiveUpOldest();
  uint64_t released = outlets_.front().position;
  for (const Outlet& outlet : outlets_) released = std::min(released, outlet.position);
  ring_.Release(released);
  ring_.SetWriterState(AnyUp() ? WriterState::kBetween : WriterState::kFailing, clock_.Now());
  return round;
}

bool AuditWriter::AnyUp() const {
  return std::any_of(outlets_.begin(), outlets_.end(), [](const Outlet& outlet) { return outlet.up; });
}

size_t AuditWriter::TakeUnseen() {
  uint64_t position = ring_.figures().released;
  size_t count = ring_.Peek(position, events_);
  ring_.Accept(position + count);
  ring_.Release(position + count);
  return count;
}

void AuditWriter::Format(uint64_t position) {
  if (!batch_.lines.empty() && batch_.position == position) return;
  batch_.position = position;
  batch_.text.clear();
  batch_.lines.clear();
  size_t count = ring_.Peek(position, events_);
  std::vector<size_t>& ends = line_ends_;
  ends.clear();
  for (size_t i = 0; i < count; ++i) {
    const AuditEvent& event = events_[i];
    std::string admin_path = event.kind == AuditEvent::Kind::kAdmin ? ring_.Text(position + i, event) : std::string();
    formatter_.AppendLine(position + i + 1, event, admin_path, batch_.text);
    ends.push_back(batch_.text.size());
  }
  size_t begin = 0;
  for (size_t i = 0; i < count; ++i) {
    batch_.lines.push_back({std::string_view(batch_.text).substr(begin, ends[i] - begin), events_[i].error != 0});
    begin = ends[i];
  }
}

size_t AuditWriter::Offer(size_t index, BootTime now) {
  Outlet& outlet = outlets_[index];
  Format(outlet.position);
  if (batch_.lines.empty()) return 0;
  // A retry does not look like progress to those who judge late records.
  if (AnyUp()) ring_.SetWriterState(WriterState::kInSink, now);
  AuditSink::Taken taken = outlet.sink->Write(ring_, outlet.position, batch_.lines);
  outlet.position += taken.lines;
  if (taken.error.empty()) {
    outlet.retry = Duration(0);
    outlet.retry_at = BootTime{};
  } else if (taken.lines > 0) {
    outlet.retry = Duration(0);
    outlet.retry_at = now + kRest;
  } else {
    outlet.retry = std::clamp(outlet.retry * 2, kFirstRetry, kLastRetry);
    outlet.retry_at = now + outlet.retry;
  }
  Note(index, taken, now);
  return taken.lines;
}

void AuditWriter::Note(size_t index, const AuditSink::Taken& taken, BootTime now) {
  Outlet& outlet = outlets_[index];
  bool up = taken.error.empty() || taken.lines > 0;
  bool turned = outlet.up != up;
  outlet.up = up;
  std::string target = outlet.sink->target();
  if (turned && up) LogInfo(StrCat("audit: ", outlet.sink->name(), " ", target, " takes records again"));
  if (turned && !up)
    LogWarning(StrCat("audit: ", outlet.sink->name(), " ", target, " takes no records: ", taken.error));
  MutexLock lock(mutex_);
  SinkFigures& figures = figures_[index];
  figures.target = std::move(target);
  figures.position = outlet.position;
  figures.up = up;
  if (turned) figures.since = now;
  figures.accepted += taken.lines - taken.lost;
  figures.lost += taken.lost;
  if (!taken.error.empty()) {
    ++figures.failed;
    figures.last_error = taken.error;
  }
}

void AuditWriter::GiveUpOldest() {
  AuditRing::Figures at = ring_.figures();
  if (at.appended < AuditRing::kRecords / 2) return;
  uint64_t limit = std::min(at.accepted, at.appended - AuditRing::kRecords / 2);
  for (size_t i = 0; i < outlets_.size(); ++i) {
    Outlet& outlet = outlets_[i];
    if (outlet.position >= limit) continue;
    MutexLock lock(mutex_);
    figures_[i].lost += limit - outlet.position;
    figures_[i].position = limit;
    outlet.position = limit;
  }
}

std::vector<AuditWriter::SinkFigures> AuditWriter::figures() const {
  uint64_t appended = ring_.figures().appended;
  MutexLock lock(mutex_);
  std::vector<SinkFigures> figures = figures_;
  for (SinkFigures& sink : figures) sink.behind = appended - std::min(appended, sink.position);
  return figures;
}

}  // namespace leasefs
