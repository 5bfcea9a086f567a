// AuditFeed: the AuditWriter, its thread and its sinks, made anew when the configuration asks for other sinks. What the
// ring holds is not touched by that: each sink goes on where its mark is. On the loop's thread, which waits for no
// sink: a new writer begins when the old one, which a disk may hold up, has ended.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "fs/audit/audit_ring.h"
#include "fs/audit/audit_writer.h"
#include "fs/base/loop.h"
#include "fs/base/unique_fd.h"
#include "fs/config/options.h"

namespace leasefs {

class AuditFeed {
 public:
  // `file`: none without a file sink. `paths`: on the writer's thread.
  AuditFeed(const Loop& clock, AuditRing& ring, AuditFormatter::PathFunction paths, AuditOptions options,
            UniqueFd file);
  ~AuditFeed() { Stop(std::chrono::milliseconds(500)); }
  AuditFeed(const AuditFeed&) = delete;
  AuditFeed& operator=(const AuditFeed&) = delete;

  void Configure(const AuditOptions& options);
  void UseFile(UniqueFd file);  // opened anew, or another one
  // Until the sinks have what is in the ring, or `bound` is over. Blocks, and for longer when a disk hangs: for the end
  // of the process.
  void Stop(Duration bound);
  std::vector<AuditWriter::SinkFigures> figures() const;

 private:
  void Start();
  void Restart();

  const Loop& clock_;
  AuditRing& ring_;
  const AuditFormatter::PathFunction paths_;
  AuditOptions options_;
  UniqueFd file_;          // the feed's own; the sink has a copy
  std::string file_path_;  // what file_ is
  std::unique_ptr<AuditWriter> writer_;
  std::thread thread_;
};

}  // namespace leasefs
