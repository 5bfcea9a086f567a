// FileSink: JSON lines at the end of a file (a pipe or a device will do too).
//
// Every line is in the file once and whole, whatever happens: a write that ends half way is continued at the byte where
// it ended, also by the successor of a killed process, which learns that byte from the file's size and the mark in the
// ring.
#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>

#include "fs/audit/audit_sink.h"
#include "fs/base/mutex.h"
#include "fs/base/unique_fd.h"

namespace leasefs {

class FileSink : public AuditSink {
 public:
  // `file` is open for writing; O_APPEND is set here, and O_NONBLOCK unless it is a regular file. Nobody else writes to
  // it. When it can be read too, what a predecessor wrote is compared before it is relied upon.
  FileSink(UniqueFd file, std::string path);

  // From now on into `file`: the old one was renamed by whoever rotates logs. Any thread; takes effect at the next
  // Write.
  void Replace(UniqueFd file) EXCLUDES(mutex_);

  SinkId id() const override { return SinkId::kFile; }
  std::string_view name() const override { return "file"; }
  std::string target() const override { return path_; }
  Taken Write(AuditRing& ring, uint64_t position, std::span<const AuditLine> lines) override;

 private:
  void Prepare();
  void AdoptReplacement() EXCLUDES(mutex_);
  void DropPartialLine();
  size_t WrittenByPredecessor(const SinkMark& mark, uint64_t position, std::string_view text,
                              const struct stat& now) const;

  const std::string path_;
  UniqueFd file_;
  bool regular_ = false;
  bool recovered_ = false;      // the mark of a predecessor has been looked at
  uint64_t next_position_ = 0;  // whose line partial_ belongs to
  size_t partial_ = 0;          // bytes of the next line that are in the file already

  Mutex mutex_;  // rank: leaf; taken alone
  std::optional<UniqueFd> replacement_ GUARDED_BY(mutex_);
};

}  // namespace leasefs
