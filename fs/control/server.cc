#include "fs/control/server.h"

#include <utility>

#include "fs/base/strings.h"
#include "fs/control/verbs.h"
#include "fs/control/wire.h"

namespace leasefs::control {
namespace {

constexpr size_t kReplyOverhead = 16;  // of the wire, beside the document

void Finish(const PeerReply& reply, Result<std::string> json) {
  ControlReply message;
  if (json.ok() && json->size() + kReplyOverhead > kMaxControlPayload) {
    json = Error(ErrorKind::kTooLarge, StrCat("the answer has ", json->size(), " bytes, more than the socket carries"));
  }
  if (json.ok()) {
    message.json = std::move(*json);
  } else {
    message.error = std::move(json).error();
  }
  reply.Finish(kReplyFrame, message.Encode());
}

}  // namespace

void ControlServer::OnRequest(const PeerCredentials& peer, uint16_t type, std::span<const std::byte> payload,
                              PeerReply reply) {
  if (type != kRequestFrame) return;  // unanswered, so its connection is closed; garbage likewise
  auto request = ControlRequest::Decode(payload);
  if (!request.ok()) return;
  RunVerb(target_, loop_, peer, *request, [reply](Result<std::string> json) { Finish(reply, std::move(json)); });
}

Result<std::unique_ptr<ControlServer>> ControlServer::Create(FdLoop& loop, UniqueFd listener, ControlTarget& target,
                                                             ServerOptions options) {
  std::unique_ptr<ControlServer> server(new ControlServer(loop, target));
  PeerServer::Options peer_options;
  peer_options.group = options.group;
  peer_options.max_connections = options.max_connections;
  peer_options.timeout = options.timeout;
  peer_options.max_payload = kMaxControlPayload;
  auto on_request = [raw = server.get()](const PeerCredentials& peer, uint16_t type, std::span<const std::byte> payload,
                                         PeerReply reply) { raw->OnRequest(peer, type, payload, std::move(reply)); };
  LEASEFS_ASSIGN_OR_RETURN(peers, PeerServer::Create(loop, std::move(listener), peer_options, on_request));
  server->peers_ = std::move(peers);
  return server;
}

}  // namespace leasefs::control
