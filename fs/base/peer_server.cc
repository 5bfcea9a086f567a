#include "fs/base/peer_server.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <utility>

#include "fs/base/frame.h"
#include "fs/base/stream.h"

namespace leasefs {
namespace {

// What passes through a connection's stream, seen from outside; outlives it.
struct Traffic {
  Stream* stream = nullptr;  // null once the stream is gone
  uint64_t sent = 0;         // bytes
  size_t Queued() const { return stream == nullptr ? 0 : stream->queued(); }
  uint64_t Taken() const { return sent - Queued(); }
};

// A stream that keeps `traffic` up to date: FrameConnection owns the stream and does not show how much of it waits.
class MeteredStream : public Stream {
 public:
  MeteredStream(std::unique_ptr<Stream> inner, std::shared_ptr<Traffic> traffic)
      : inner_(std::move(inner)), traffic_(std::move(traffic)) {
    traffic_->stream = inner_.get();
  }
  ~MeteredStream() override { traffic_->stream = nullptr; }
  void Start(Events events) override { inner_->Start(std::move(events)); }
  void Send(SecretBuffer bytes) override {
    traffic_->sent += bytes.size();
    inner_->Send(std::move(bytes));
  }
  void Close(std::string why) override { inner_->Close(std::move(why)); }
  size_t queued() const override { return inner_->queued(); }

 private:
  std::unique_ptr<Stream> inner_;
  std::shared_ptr<Traffic> traffic_;
};

constexpr Duration kAcceptPause =
    std::chrono::milliseconds(100);  // when there is no descriptor or memory for another peer
constexpr Duration kDrainPoll = std::chrono::milliseconds(2);
constexpr int kAcceptsPerEvent = 16;  // then others get their turn

}  // namespace

bool PeerCredentials::InGroup(gid_t group) const {
  return gid == group || std::find(groups.begin(), groups.end(), group) != groups.end();
}

Result<PeerCredentials> ReadPeerCredentials(int socket) {
  ucred credentials{};
  socklen_t size = sizeof(credentials);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return ErrnoError("SO_PEERCRED", errno);
  PeerCredentials peer{credentials.uid, credentials.gid, credentials.pid, std::vector<gid_t>(64)};
  for (;;) {
    size = static_cast<socklen_t>(peer.groups.size() * sizeof(gid_t));
    if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, peer.groups.data(), &size) == 0) break;
    // ERANGE: `size` is what it takes; at most NGROUPS_MAX.
    if (errno != ERANGE || size / sizeof(gid_t) <= peer.groups.size()) return ErrnoError("SO_PEERGROUPS", errno);
    peer.groups.resize(size / sizeof(gid_t));
  }
  peer.groups.resize(size / sizeof(gid_t));
  return peer;
}

struct PeerServer::Connection {
  PeerCredentials peer;
  std::shared_ptr<Traffic> traffic = std::make_shared<Traffic>();
  uint64_t taken = 0;      // traffic->Taken() when the timer was last set
  bool answering = false;  // a request is with the handler
  Loop::TimerId timer = Loop::kNoTimer;
  Loop::TimerId drain = Loop::kNoTimer;
  std::unique_ptr<FrameConnection> frames;
};

struct PeerServer::Impl : std::enable_shared_from_this<PeerServer::Impl> {
  Impl(FdLoop& its_loop, UniqueFd its_listener, Options its_options, Handler its_handler)
      : loop(its_loop),
        listener(std::move(its_listener)),
        options(std::move(its_options)),
        handler(std::move(its_handler)) {}

  Status Listen() {
    return loop.Watch(listener.get(), EPOLLIN, [this](uint32_t) { Accept(); });
  }
  void ListenLater() {
    accept_timer = loop.After(kAcceptPause, [this] {
      if (!Listen().ok()) ListenLater();
    });
  }
  void Accept();
  void Admit(UniqueFd fd);
  void OnFrame(uint64_t id, uint16_t type, std::span<const std::byte> payload);
  void OnOverBudget(uint64_t id);
  void Close(uint64_t id, bool fault);
  void SetTimer(uint64_t id, Connection& connection);
  void OnTimer(uint64_t id);
  void PollDrain(uint64_t id, size_t low, Loop::Callback next);
  Connection* Find(uint64_t id) {
    auto found = connections.find(id);
    return found == connections.end() ? nullptr : &found->second;
  }
  void Shut();

  FdLoop& loop;
  UniqueFd listener;
  const Options options;
  Handler handler;
  std::map<uint64_t, Connection> connections;
  const std::shared_ptr<FrameBudget> incoming =
      std::make_shared<FrameBudget>(FrameBudget{options.max_incoming + options.max_payload});
  uint64_t next_id = 1;
  Loop::TimerId accept_timer = Loop::kNoTimer;
  Figures figures;
};

// One request at the handler's.
struct PeerReply::Ticket {
  std::weak_ptr<PeerServer::Impl> server;
  uint64_t connection = 0;
  bool finished = false;

  ~Ticket() {
    auto alive = server.lock();
    if (alive && !finished) alive->Close(connection, false);
  }
};

void PeerReply::Send(uint16_t type, SecretBuffer payload) const {
  auto server = ticket_->server.lock();
  PeerServer::Connection* connection = server && !ticket_->finished ? server->Find(ticket_->connection) : nullptr;
  if (connection != nullptr) connection->frames->Send(type, std::move(payload));
}

void PeerReply::Finish(uint16_t type, SecretBuffer payload) const {
  Send(type, std::move(payload));
  if (std::exchange(ticket_->finished, true)) return;
  auto server = ticket_->server.lock();
  PeerServer::Connection* connection = server ? server->Find(ticket_->connection) : nullptr;
  if (connection == nullptr) return;
  connection->answering = false;
  connection->frames->ReleaseIncoming();
  server->SetTimer(ticket_->connection, *connection);
}

bool PeerReply::connected() const {
  auto server = ticket_->server.lock();
  return server && server->Find(ticket_->connection) != nullptr;
}

void PeerReply::WhenDrained(size_t low, Loop::Callback next) const {
  auto server = ticket_->server.lock();
  if (!server || ticket_->finished) return;
  // `next` holds the ticket as a rule, so it must go with the connection: the timer is cancelled in Close.
  server->PollDrain(ticket_->connection, low, std::move(next));
}

void PeerServer::Impl::PollDrain(uint64_t id, size_t low, Loop::Callback next) {
  Connection* connection = Find(id);
  if (connection == nullptr) return;
  bool drained = connection->traffic->Queued() <= low;
  loop.Cancel(connection->drain);
  connection->drain = loop.After(drained ? Duration(0) : kDrainPoll,
                                 [weak = weak_from_this(), id, low, drained, next = std::move(next)]() mutable {
                                   if (drained) return next();
                                   if (auto self = weak.lock()) self->PollDrain(id, low, std::move(next));
                                 });
}

void PeerServer::Impl::Accept() {
  for (int i = 0; i < kAcceptsPerEvent; ++i) {
    UniqueFd fd(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (fd.valid()) {
      Admit(std::move(fd));
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno == EAGAIN) return;
    // Out of descriptors or memory: the listener stays readable, so look away for a while instead of spinning.
    loop.Unwatch(listener.get());
    return ListenLater();
  }
}

void PeerServer::Impl::Admit(UniqueFd fd) {
  auto peer = ReadPeerCredentials(fd.get());
  // SECURITY: nothing is read from a peer that is neither root nor in the group.
  bool known = peer.ok() && (peer->IsRoot() || peer->InGroup(options.group));
  size_t reserve = known && peer->IsRoot() ? 0 : std::min(kReservedForRoot, options.max_connections / 2);
  if (!known || connections.size() + reserve >= options.max_connections) {
    ++figures.refused;
    return;
  }
  ++figures.accepted;
  uint64_t id = next_id++;
  Connection& connection = connections[id];
  connection.peer = std::move(*peer);
  auto stream = std::make_unique<MeteredStream>(MakeFdStream(loop, std::move(fd)), connection.traffic);
  connection.frames = std::make_unique<FrameConnection>(
      std::move(stream),
      FrameConnection::Options{.max_payload = options.max_payload,
                               .max_queued = options.max_queued,
                               .budget = incoming,
                               .leaves = connection.peer.IsRoot() ? 0 : options.max_payload},
      FrameConnection::Events{
          .on_frame = [this, id](uint16_t type, std::span<const std::byte> payload) { OnFrame(id, type, payload); },
          .on_closed = [this, id](const std::string&) { Close(id, false); },
          .on_over_budget = [this, id] { OnOverBudget(id); }});
  SetTimer(id, connection);
}

void PeerServer::Impl::OnFrame(uint64_t id, uint16_t type, std::span<const std::byte> payload) {
  Connection* connection = Find(id);
  if (connection == nullptr) return;
  if (connection->answering) return Close(id, true);
  auto self = shared_from_this();  // the handler may destroy the server
  connection->answering = true;
  ++figures.requests;
  SetTimer(id, *connection);
  auto ticket = std::make_shared<PeerReply::Ticket>();
  ticket->server = self;
  ticket->connection = id;
  PeerCredentials peer = connection->peer;  // the connection may end within the call
  handler(peer, type, payload, PeerReply(std::move(ticket)));
}

void PeerServer::Impl::OnOverBudget(uint64_t id) {
  ++figures.dropped;
  Connection* connection = Find(id);
  if (connection != nullptr && options.too_much_type != 0)
    connection->frames->Send(options.too_much_type, options.too_much());
}

void PeerServer::Impl::Close(uint64_t id, bool fault) {
  auto node = connections.extract(id);
  if (node.empty()) return;
  if (fault) ++figures.dropped;
  loop.Cancel(node.mapped().timer);
  loop.Cancel(node.mapped().drain);
}

void PeerServer::Impl::SetTimer(uint64_t id, Connection& connection) {
  loop.Cancel(connection.timer);
  connection.taken = connection.traffic->Taken();
  connection.timer = loop.After(options.timeout, [this, id] { OnTimer(id); });
}

void PeerServer::Impl::OnTimer(uint64_t id) {
  Connection* connection = Find(id);
  if (connection == nullptr) return;
  bool moved = connection->traffic->Taken() != connection->taken;
  bool waits_for_handler = connection->answering && connection->traffic->Queued() == 0;
  if (moved || waits_for_handler) return SetTimer(id, *connection);
  Close(id, true);
}

void PeerServer::Impl::Shut() {
  loop.Unwatch(listener.get());
  loop.Cancel(accept_timer);
  while (!connections.empty()) Close(connections.begin()->first, false);
}

Result<std::unique_ptr<PeerServer>> PeerServer::Create(FdLoop& loop, UniqueFd listener, Options options,
                                                       Handler handler) {
  int flags = fcntl(listener.get(), F_GETFL);
  if (flags < 0 || fcntl(listener.get(), F_SETFL, flags | O_NONBLOCK) != 0) return ErrnoError("control socket", errno);
  auto impl = std::make_shared<Impl>(loop, std::move(listener), std::move(options), std::move(handler));
  LEASEFS_RETURN_IF_ERROR(impl->Listen());
  return std::unique_ptr<PeerServer>(new PeerServer(std::move(impl)));
}

PeerServer::PeerServer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
PeerServer::~PeerServer() {
  impl_->Shut();
}
PeerServer::Figures PeerServer::figures() const {
  Figures figures = impl_->figures;
  figures.connections = impl_->connections.size();
  return figures;
}

}  // namespace leasefs
