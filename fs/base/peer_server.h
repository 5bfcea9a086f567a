// PeerServer: the server's side of a control socket: accepts, checks who connected, frames, bounds, times out.
//
// SECURITY: root and the members of one group get in, by what the kernel says of the peer (SO_PEERCRED, SO_PEERGROUPS),
// whatever the mode of the socket's file is; anybody else is closed without being read. A request is one frame; the
// next may come when the last one was answered. A peer that speaks before its turn, sends garbage or more than it may,
// takes longer than `timeout` for one request, or stops reading its reply, is closed. What a verb needs beyond that is
// the handler's business. Used on the loop's thread only.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "fs/base/loop.h"
#include "fs/base/result.h"
#include "fs/base/secret_buffer.h"
#include "fs/base/unique_fd.h"

namespace leasefs {

struct PeerCredentials {
  uid_t uid = static_cast<uid_t>(-1);  // effective, when it connected
  gid_t gid = static_cast<gid_t>(-1);
  pid_t pid = 0;              // for words only: it may be another process by now
  std::vector<gid_t> groups;  // supplementary
  bool IsRoot() const { return uid == 0; }
  bool InGroup(gid_t group) const;  // effective or supplementary
};
// Of the peer of a connected AF_UNIX socket.
Result<PeerCredentials> ReadPeerCredentials(int socket);

// The way back to the peer of one request. Copies are the same one. When the last copy goes and Finish was not called,
// the connection is closed, so that nobody waits for ever. After the peer has gone every call does nothing.
class PeerReply {
 public:
  void Send(uint16_t type, SecretBuffer payload) const;    // a part; more follows
  void Finish(uint16_t type, SecretBuffer payload) const;  // the last frame: the peer may ask again
  bool connected() const;
  // Runs `next` on the loop once at most `low` bytes wait for the peer: for replies larger than Options::max_queued.
  // One at a time. Never runs when the peer has gone.
  void WhenDrained(size_t low, Loop::Callback next) const;

 private:
  friend class PeerServer;
  struct Ticket;
  explicit PeerReply(std::shared_ptr<Ticket> ticket) : ticket_(std::move(ticket)) {}
  std::shared_ptr<Ticket> ticket_;
};

class PeerServer {
 public:
  static constexpr size_t kReservedForRoot = 8;

  struct Options {
    gid_t group = 0;                              // whose members may connect, beside root
    size_t max_connections = 64;                  // over it new ones are closed; the last kReservedForRoot are root's
    Duration timeout = std::chrono::seconds(10);  // for a whole request to come; for a waiting reply to move
    size_t max_payload = size_t{1} << 20;         // of one frame, both directions
    size_t max_queued = size_t{64} << 20;         // of replies that the peer has not read
    // Of all requests that are arriving or not answered yet, but for small ones. Root may take max_payload more.
    size_t max_incoming = size_t{64} << 20;
    // What a peer is told, by a frame of this type, before it is closed for that.
    uint16_t too_much_type = 0;  // 0: nothing
    std::function<SecretBuffer()> too_much{};
  };
  struct Figures {
    size_t connections = 0;  // now
    uint64_t accepted = 0;
    uint64_t refused = 0;  // wrong peer, or too many
    uint64_t dropped = 0;  // spoke out of turn, or too slow
    uint64_t requests = 0;
  };
  // `payload` is valid during the call. `reply` may be kept and answered later.
  using Handler = std::function<void(const PeerCredentials& peer, uint16_t type, std::span<const std::byte> payload,
                                     PeerReply reply)>;

  // `listener` is a listening AF_UNIX stream socket; it is made non-blocking.
  static Result<std::unique_ptr<PeerServer>> Create(FdLoop& loop, UniqueFd listener, Options options, Handler handler);
  ~PeerServer();  // closes all; the owner may destroy it inside the handler
  PeerServer(const PeerServer&) = delete;
  PeerServer& operator=(const PeerServer&) = delete;

  Figures figures() const;

 private:
  friend class PeerReply;
  struct Connection;
  struct Impl;
  explicit PeerServer(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace leasefs
