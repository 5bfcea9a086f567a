#include "tests/support/tls_server.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>

#include "fs/base/strings.h"

namespace leasefs::test {
namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

std::string LowerCase(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

}  // namespace

std::string Answer(int status, std::string_view body, std::string_view headers) {
  return StrCat("HTTP/1.1 ", status, " X\r\nContent-Length: ", body.size(), "\r\n", headers, "\r\n", body);
}

TlsServer::TlsServer(Options options, Script script) : options_(std::move(options)), script_(std::move(script)) {
  std::signal(SIGPIPE, SIG_IGN);
  if (!options_.files.certificate.empty()) {
    context_.reset(SSL_CTX_new(TLS_server_method()));
    SSL_CTX_set_options(context_.get(), SSL_OP_IGNORE_UNEXPECTED_EOF);
    if (options_.max_tls_version != 0) {
      SSL_CTX_set_security_level(context_.get(), 0);
      Require(SSL_CTX_set_min_proto_version(context_.get(), TLS1_VERSION) == 1);
      Require(SSL_CTX_set_max_proto_version(context_.get(), options_.max_tls_version) == 1);
    }
    Require(SSL_CTX_use_certificate_chain_file(context_.get(), options_.files.certificate.c_str()) == 1);
    Require(SSL_CTX_use_PrivateKey_file(context_.get(), options_.files.key.c_str(), SSL_FILETYPE_PEM) == 1);
    if (!options_.client_ca_file.empty()) {
      Require(SSL_CTX_load_verify_file(context_.get(), options_.client_ca_file.c_str()) == 1);
      SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    }
  }
  listener_ = UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  Require(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) == 0 && listen(listener_.get(), 64) == 0);
  Require(getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { Accept(); });
}

TlsServer::~TlsServer() {
  Stop();
}

void TlsServer::Stop() {
  if (stopping_.exchange(true)) return;
  shutdown(listener_.get(), SHUT_RDWR);
  acceptor_.join();
  listener_ = UniqueFd();
  {
    std::lock_guard lock(mutex_);
    for (Connection& connection : open_) shutdown(connection.fd_.get(), SHUT_RDWR);
  }
  for (std::thread& thread : threads_) thread.join();
  open_.clear();
}

std::string TlsServer::address() const {
  return StrCat(context_ ? "https" : "http", "://127.0.0.1:", port_);
}

std::vector<RecordedRequest> TlsServer::requests() const {
  std::lock_guard lock(mutex_);
  return requests_;
}

TlsServer::Script TlsServer::Answering(std::function<std::string(const RecordedRequest&)> answer) {
  return [answer = std::move(answer)](Connection& connection) {
    while (auto request = connection.Read()) {
      if (!connection.Write(answer(*request))) return;
    }
  };
}

void TlsServer::Accept() {
  while (!stopping_) {
    UniqueFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd) continue;
    const int one = 1;
    setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    std::lock_guard lock(mutex_);
    open_.push_back(Connection(*this, std::move(fd), ++connections_));
    threads_.emplace_back([this, &connection = open_.back()] { Serve(connection); });
  }
}

void TlsServer::Serve(Connection& connection) {
  if (context_) {
    connection.ssl_.reset(SSL_new(context_.get()));
    SSL_set_fd(connection.ssl_.get(), connection.fd_.get());
    if (SSL_accept(connection.ssl_.get()) != 1) {
      shutdown(connection.fd_.get(), SHUT_RDWR);
      return;
    }
  }
  script_(connection);
  if (connection.ssl_) SSL_shutdown(connection.ssl_.get());
  shutdown(connection.fd_.get(), SHUT_RDWR);
}

bool TlsServer::Connection::Fill() {
  char bytes[4096];
  const auto got = ssl_ ? SSL_read(ssl_.get(), bytes, sizeof bytes) : recv(fd_.get(), bytes, sizeof bytes, 0);
  if (got > 0) input_.append(bytes, static_cast<size_t>(got));
  return got > 0;
}

std::optional<RecordedRequest> TlsServer::Connection::Read() {
  size_t end = 0;
  while ((end = input_.find("\r\n\r\n")) == std::string::npos) {
    if (!Fill()) return std::nullopt;
  }
  RecordedRequest request;
  request.connection = number_;
  const auto lines = Split(input_.substr(0, end), '\n');
  const auto words = Split(lines[0], ' ');
  request.method = words.at(0);
  request.target = words.at(1);
  for (size_t i = 1; i < lines.size(); ++i) {
    const size_t colon = lines[i].find(": ");
    std::string value = lines[i].substr(colon + 2);
    if (value.ends_with('\r')) value.pop_back();
    request.headers[LowerCase(lines[i].substr(0, colon))] = value;
  }
  const auto length = request.headers.find("content-length");
  const size_t body = length == request.headers.end() ? 0 : std::stoul(length->second);
  while (input_.size() < end + 4 + body) {
    if (!Fill()) return std::nullopt;
  }
  request.body = input_.substr(end + 4, body);
  input_.erase(0, end + 4 + body);
  std::lock_guard lock(server_.mutex_);
  server_.requests_.push_back(request);
  return request;
}

bool TlsServer::Connection::Write(std::string_view bytes) {
  if (ssl_)
    return SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())) == static_cast<int>(bytes.size());
  return send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
}

bool TlsServer::Connection::Renegotiate() {
  const auto proof = [this] {  // of the last handshake, by the peer
    std::string bytes(64, '\0');
    bytes.resize(SSL_get_peer_finished(ssl_.get(), bytes.data(), bytes.size()));
    return bytes;
  };
  const std::string first = proof();
  if (SSL_renegotiate(ssl_.get()) != 1 || SSL_do_handshake(ssl_.get()) != 1) return false;  // asks, and goes on
  const int flags = fcntl(fd_.get(), F_GETFL);
  fcntl(fd_.get(), F_SETFL, flags | O_NONBLOCK);
  pollfd waiting{.fd = fd_.get(), .events = POLLIN, .revents = 0};
  char byte = 0;
  // Reading takes part in a handshake, and fails by an alert.
  while (proof() == first) {
    const int got = SSL_peek(ssl_.get(), &byte, 1);
    if (got <= 0 && SSL_get_error(ssl_.get(), got) != SSL_ERROR_WANT_READ) break;
    if (proof() == first && poll(&waiting, 1, 5000) != 1) break;
  }
  fcntl(fd_.get(), F_SETFL, flags);
  return proof() != first;
}

void TlsServer::Connection::Reset() {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  // The descriptor stays open, so that its number is not used again before Stop: a disconnect sends the RST.
  sockaddr unspecified{};
  unspecified.sa_family = AF_UNSPEC;
  connect(fd_.get(), &unspecified, sizeof unspecified);
  if (ssl_) SSL_set_quiet_shutdown(ssl_.get(), 1);
}

bool TlsServer::Connection::Wait(std::chrono::milliseconds time) {
  pollfd waiting{.fd = fd_.get(), .events = POLLRDHUP, .revents = 0};
  return poll(&waiting, 1, static_cast<int>(time.count())) == 0 && !server_.stopping_;
}

}  // namespace leasefs::test
