#include "fs/audit/syslog_sink.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "fs/base/strings.h"

namespace leasefs {
namespace {

constexpr char kJournalSocket[] = "/run/systemd/journal/socket";
constexpr char kSyslogSocket[] = "/dev/log";
constexpr Duration kPatience = std::chrono::milliseconds(20);  // for one Write, with a receiver that is slow

// Facility authpriv (10); informational (6) or notice (5). RFC 3164, 4.1.1; the time is left to the receiver.
constexpr std::string_view kSyslogHeader[] = {"<86>leasefs-audit: ", "<85>leasefs-audit: "};
// https://systemd.io/JOURNAL_NATIVE_PROTOCOL
constexpr std::string_view kJournalHeader[] = {
    "SYSLOG_IDENTIFIER=leasefs-audit\nSYSLOG_FACILITY=10\nPRIORITY=6\nMESSAGE=",
    "SYSLOG_IDENTIFIER=leasefs-audit\nSYSLOG_FACILITY=10\nPRIORITY=5\nMESSAGE="};

iovec Piece(std::string_view text) {
  return {const_cast<char*>(text.data()), text.size()};
}

bool Full(int error_number) {
  return error_number == EAGAIN || error_number == ENOBUFS;
}

}  // namespace

bool SyslogSink::SpeaksJournal(std::string_view path) {
  constexpr std::string_view kEnd = "/socket";
  if (!path.ends_with(kEnd)) return false;
  path.remove_suffix(kEnd.size());
  std::string_view folder = path.substr(path.rfind('/') + 1);
  return folder == "journal" || folder.starts_with("journal.");
}

std::string SyslogSink::target() const {
  if (!configured_.empty()) return configured_;
  return access(kJournalSocket, F_OK) == 0 ? kJournalSocket : kSyslogSocket;
}

int SyslogSink::Connect() {
  path_ = target();
  journal_ = SpeaksJournal(path_);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path_.size() >= sizeof(address.sun_path)) return ENAMETOOLONG;
  std::memcpy(address.sun_path, path_.data(), path_.size());
  UniqueFd fresh(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fresh) return errno;
  if (connect(fresh.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) return errno;
  socket_ = std::move(fresh);
  return 0;
}

int SyslogSink::SendOnce(const AuditLine& line) const {
  std::string_view header = journal_ ? kJournalHeader[line.notable] : kSyslogHeader[line.notable];
  std::string_view body = line.text;
  if (!journal_) body.remove_suffix(1);  // the journal's fields end with a newline
  iovec pieces[2] = {Piece(header), Piece(body)};
  msghdr message{};
  message.msg_iov = pieces;
  message.msg_iovlen = 2;
  for (;;) {
    if (sendmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return 0;
    if (errno != EINTR) return errno;
  }
}

bool SyslogSink::WaitUntilWritable(BootTime until) const {
  auto left = std::chrono::ceil<std::chrono::milliseconds>(until - clock_.Now()).count();
  if (left <= 0) return false;
  pollfd writable{socket_.get(), POLLOUT, 0};
  return poll(&writable, 1, static_cast<int>(left)) > 0;
}

int SyslogSink::Send(const AuditLine& line, BootTime until) {
  bool fresh = false;
  for (;;) {
    if (!socket_) {
      if (int error_number = Connect(); error_number != 0) return error_number;
      fresh = true;
    }
    int error_number = SendOnce(line);
    if (error_number == 0 || error_number == EMSGSIZE) return error_number;
    if (Full(error_number)) {
      if (!WaitUntilWritable(until)) return error_number;
      continue;
    }
    socket_.Reset();  // the receiver was restarted: its socket is another one now
    if (fresh) return error_number;
  }
}

AuditSink::Taken SyslogSink::Write(AuditRing& ring, uint64_t position, std::span<const AuditLine> lines) {
  Taken taken;
  BootTime until = clock_.Now() + kPatience;
  for (const AuditLine& line : lines) {
    int error_number = Send(line, until);
    if (error_number == EMSGSIZE) {
      ++taken.lost;
    } else if (error_number != 0) {
      taken.error = ErrnoError(Full(error_number) ? "the receiver is slow" : "send", error_number).message();
      break;
    }
    ++taken.lines;
    ring.SetMark(id(), {.position = position + taken.lines});
  }
  return taken;
}

}  // namespace leasefs
