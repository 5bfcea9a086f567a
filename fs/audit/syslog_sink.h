// SyslogSink: one datagram for each line, to the journal in its own protocol where there is one, else to /dev/log.
//
// Never blocks: a socket that is full is asked again for a moment, then the rest is offered again later. At most one
// line is sent twice when fs is killed; the sequence number in it tells.
#pragma once

#include <string>

#include "fs/audit/audit_sink.h"
#include "fs/base/loop.h"
#include "fs/base/unique_fd.h"

namespace leasefs {

class SyslogSink : public AuditSink {
 public:
  // `path`: a datagram socket; "" is found at each connect. A path that ends in "journal/socket" or
  // "journal.NAME/socket" speaks the journal's protocol, any other RFC 3164's local form. `clock` is asked for the time
  // only.
  SyslogSink(const Loop& clock, std::string path) : clock_(clock), configured_(std::move(path)) {}

  SinkId id() const override { return SinkId::kSyslog; }
  std::string_view name() const override { return "syslog"; }
  std::string target() const override;
  Taken Write(AuditRing& ring, uint64_t position, std::span<const AuditLine> lines) override;

  static bool SpeaksJournal(std::string_view path);

 private:
  int Connect();  // 0 or an errno
  int Send(const AuditLine& line, BootTime until);
  int SendOnce(const AuditLine& line) const;
  bool WaitUntilWritable(BootTime until) const;

  const Loop& clock_;
  const std::string configured_;
  std::string path_;  // connected to
  bool journal_ = false;
  UniqueFd socket_;
};

}  // namespace leasefs
