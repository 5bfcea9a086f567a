#include "fs/cli/client.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "fs/base/frame.h"
#include "fs/base/strings.h"

namespace leasefs::cli {
namespace {

constexpr std::string_view kStartIt =
    "start it: `systemctl start leasefs`, or `leasefsd` in the foreground to see why it stops";

// For somebody whom the daemon does not listen to.
std::string JoinHint() {
  if (geteuid() == 0) return "`journalctl -u leasefs` says why; is it the socket of a leasefsd?";
  return "become root, or a member of the group that the configuration names (leasefs)";
}

Failure Unreachable(std::string message, std::string_view hint) {
  return {Exit::kDaemon, "daemon_unreachable", std::move(message), std::string(hint)};
}

timeval ToTimeval(std::chrono::milliseconds time) {
  return {.tv_sec = static_cast<time_t>(time.count() / 1000),
          .tv_usec = static_cast<suseconds_t>(time.count() % 1000 * 1000)};
}

void SetTimeout(int socket, int option, std::chrono::milliseconds time) {
  const timeval value = ToTimeval(time);
  setsockopt(socket, SOL_SOCKET, option, &value, sizeof value);
}

Failure NotConnected(const std::string& path, int error_number) {
  const std::string message = StrCat("the daemon cannot be reached at ", path, ": ");
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
      return Unreachable(message + "there is no such socket", kStartIt);
    case ECONNREFUSED:
      return Unreachable(message + "nobody listens", kStartIt);
    case EACCES:
    case EPERM:
      return Unreachable(message + "not allowed", JoinHint());
    case EAGAIN:
      return Unreachable(message + "it takes no more connections",
                         "wait a moment; if that lasts, `systemctl restart leasefs`");
    default:
      return Unreachable(message + std::strerror(error_number), kStartIt);
  }
}

}  // namespace

Outcome<Client> Client::Connect(const std::string& socket_path, const ClientTimes& times) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof address.sun_path) {
    return UsageFailure(StrCat(socket_path, " is too long for a socket"),
                        "choose a shorter run_directory: at most 80 bytes");
  }
  std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return LocalFailure(ErrnoError("making a socket", errno), "is the limit of open files reached?");
  // connect(2) on a socket of this family waits for room in the backlog as long as a send may take.
  SetTimeout(socket.get(), SO_SNDTIMEO, times.connect);
  if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return NotConnected(socket_path, errno);
  }
  SetTimeout(socket.get(), SO_SNDTIMEO, times.silence);
  SetTimeout(socket.get(), SO_RCVTIMEO, times.silence);
  return Client(std::move(socket), socket_path, times);
}

Failure Client::Lost(std::string_view what) const {
  return Unreachable(StrCat("the daemon at ", path_, ' ', what),
                     "see why: `journalctl -u leasefs`; whether a change took place: `leasefs history`");
}

Finished Client::Send(uint16_t type, const SecretBuffer& payload) {
  const SecretBuffer frame = EncodeFrame(type, payload);
  std::span<const std::byte> rest = frame.Expose();
  while (!rest.empty()) {
    const ssize_t sent = send(socket_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) return Lost(StrCat("takes nothing for ", times_.silence.count() / 1000, " s"));
    if (sent < 0) break;  // closed: perhaps it has said why
    rest = rest.subspan(static_cast<size_t>(sent));
  }
  return Finish();
}

Finished Client::ReadAll(std::span<std::byte> bytes, bool first) {
  const size_t wanted = bytes.size();
  while (!bytes.empty()) {
    const ssize_t got = recv(socket_.get(), bytes.data(), bytes.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return Lost(StrCat("does not answer for ", times_.silence.count() / 1000, " s"));
    if (got > 0) {
      bytes = bytes.subspan(static_cast<size_t>(got));
      continue;
    }
    if (first && bytes.size() == wanted && (got == 0 || errno == ECONNRESET)) {
      return Unreachable(
          StrCat("the daemon at ", path_, " closed the connection without an answer"),
          geteuid() == 0 ? JoinHint() : StrCat(JoinHint(), "; if you are, `journalctl -u leasefs` says why"));
    }
    return Lost("stopped in the middle of its answer");
  }
  return Finish();
}

Outcome<Client::Frame> Client::Receive(size_t max_payload) {
  std::array<std::byte, FrameConnection::kHeaderBytes> header{};
  LEASEFS_RETURN_IF_ERROR(ReadAll(header, true));
  const auto at = [&](size_t i) { return std::to_integer<uint32_t>(header[i]); };
  const uint32_t size = at(0) | at(1) << 8 | at(2) << 16 | at(3) << 24;
  const auto type = static_cast<uint16_t>(at(4) | at(5) << 8);
  if (type == 0 || at(6) != 0 || at(7) != 0) return Lost("answers what is not an answer (is it leasefsd?)");
  if (size > max_payload)
    return Lost(StrCat("announces an answer of ", size, " bytes, more than the ", max_payload, " that are allowed"));
  Frame frame{type, SecretBuffer(size)};
  if (size > 0) LEASEFS_RETURN_IF_ERROR(ReadAll(frame.payload.ExposeMutable(), false));
  return frame;
}

Outcome<std::string> AskControl(const std::string& socket_path, const control::ControlRequest& request,
                                const ClientTimes& times) {
  LEASEFS_ASSIGN_OR_RETURN(client, Client::Connect(socket_path, times));
  LEASEFS_RETURN_IF_ERROR(client.Send(control::kRequestFrame, request.Encode()));
  LEASEFS_ASSIGN_OR_RETURN(frame, client.Receive(control::kMaxControlPayload));
  auto reply = control::ControlReply::Decode(frame.payload.Expose());
  if (frame.type != control::kReplyFrame || !reply.ok()) {
    return Failure{
        Exit::kDaemon, "remote", "the daemon's answer cannot be read",
        "are leasefs and leasefsd of one version? `leasefs version` tells; restart the daemon after an upgrade"};
  }
  if (reply->error) return FromDaemon(*reply->error);
  return std::move(reply->json);
}

Outcome<store_admin::AdminReply> AskStore(const std::string& socket_path, const store_admin::AdminRequest& request,
                                          const ClientTimes& times, const OnData& on_data) {
  LEASEFS_ASSIGN_OR_RETURN(client, Client::Connect(socket_path, times));
  LEASEFS_RETURN_IF_ERROR(client.Send(store_admin::kRequestFrame, request.Encode()));
  for (;;) {
    LEASEFS_ASSIGN_OR_RETURN(frame, client.Receive(store_admin::kMaxAdminPayload));
    if (frame.type == store_admin::kDataFrame && on_data) {
      LEASEFS_RETURN_IF_ERROR(on_data(frame.payload.Expose()));
      continue;
    }
    auto reply = store_admin::AdminReply::Decode(frame.payload.Expose());
    if (frame.type != store_admin::kReplyFrame || !reply.ok()) {
      return Failure{
          Exit::kDaemon, "remote", "the store's answer cannot be read",
          "are leasefs and leasefsd of one version? `leasefs version` tells; restart the daemon after an upgrade"};
    }
    if (reply->error) return FromDaemon(*reply->error);
    return std::move(reply).value();
  }
}

}  // namespace leasefs::cli
