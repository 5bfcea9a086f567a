#include "fs/main/audit_feed.h"

#include <fcntl.h>

#include <utility>

#include "fs/audit/file_sink.h"
#include "fs/audit/syslog_sink.h"
#include "fs/base/log.h"

namespace leasefs {
namespace {

constexpr Duration kChangeBound = std::chrono::milliseconds(200);

UniqueFd Copy(const UniqueFd& fd) {
  return UniqueFd(fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
}

}  // namespace

AuditFeed::AuditFeed(const Loop& clock, AuditRing& ring, AuditFormatter::PathFunction paths, AuditOptions options,
                     UniqueFd file)
    : clock_(clock),
      ring_(ring),
      paths_(std::move(paths)),
      options_(std::move(options)),
      file_(std::move(file)),
      file_path_(options_.file) {
  Start();
}

void AuditFeed::Configure(const AuditOptions& options) {
  bool other_syslog = options.syslog != options_.syslog || options.syslog_socket != options_.syslog_socket;
  bool file_dropped = options.file.empty() && file_;
  options_ = options;
  if (file_dropped) file_.Reset();
  if (other_syslog || file_dropped) Restart();
  // Another file comes by UseFile.
}

void AuditFeed::UseFile(UniqueFd file) {
  bool same_path = file_ && file_path_ == options_.file;
  file_ = std::move(file);
  file_path_ = options_.file;
  if (!same_path) return Restart();
  writer_->ReplaceFile(Copy(file_));
}

void AuditFeed::Stop(Duration bound) {
  if (!thread_.joinable()) return;
  writer_->Stop(bound);
  thread_.join();
}

std::vector<AuditWriter::SinkFigures> AuditFeed::figures() const {
  return writer_->figures();
}

void AuditFeed::Start() {
  std::vector<std::unique_ptr<AuditSink>> sinks;
  if (file_) sinks.push_back(std::make_unique<FileSink>(Copy(file_), file_path_));
  if (options_.syslog) sinks.push_back(std::make_unique<SyslogSink>(clock_, options_.syslog_socket));
  if (sinks.empty()) LogWarning("neither audit.file nor audit.syslog: opens are recorded nowhere");
  auto next = std::make_unique<AuditWriter>(clock_, ring_, paths_, std::move(sinks));
  thread_ = std::thread([writer = next.get(), before = std::move(writer_), its_thread = std::move(thread_)]() mutable {
    if (its_thread.joinable()) its_thread.join();
    before.reset();
    writer->Run();
  });
  writer_ = std::move(next);
}

void AuditFeed::Restart() {
  writer_->Stop(kChangeBound);
  Start();
}

}  // namespace leasefs
