// ControlServer: fs's own socket, `control.sock`. Who may connect is PeerServer's business, what a verb needs stands in
// its row (verbs.h). Used on the loop's thread only.
#pragma once

#include <memory>

#include "fs/base/loop.h"
#include "fs/base/peer_server.h"
#include "fs/base/result.h"
#include "fs/base/unique_fd.h"
#include "fs/control/control_target.h"

namespace leasefs::control {

struct ServerOptions {
  gid_t group = 0;  // whose members may connect, beside root
  size_t max_connections = 64;
  Duration timeout = std::chrono::seconds(10);  // for one request to come, for one reply to be taken
};

class ControlServer {
 public:
  // `listener`: a listening AF_UNIX stream socket. `target` outlives the server; an answer that comes after the
  // server's end is dropped.
  static Result<std::unique_ptr<ControlServer>> Create(FdLoop& loop, UniqueFd listener, ControlTarget& target,
                                                       ServerOptions options);
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  PeerServer::Figures figures() const { return peers_->figures(); }

 private:
  ControlServer(FdLoop& loop, ControlTarget& target) : loop_(loop), target_(target) {}
  void OnRequest(const PeerCredentials& peer, uint16_t type, std::span<const std::byte> payload, PeerReply reply);
  FdLoop& loop_;
  ControlTarget& target_;
  std::unique_ptr<PeerServer> peers_;
};

}  // namespace leasefs::control
