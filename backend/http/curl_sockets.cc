#include "backend/http/curl_sockets.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

namespace leasefs::http {
namespace {

using NameFunction = int (*)(int, sockaddr*, socklen_t*);

// -1: it has none.
int PortOf(int fd, NameFunction name) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (name(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return -1;
  if (address.ss_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
  if (address.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port);
  return -1;
}

}  // namespace

bool CurlSockets::Install(CURL* easy) {
  return curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, &CurlSockets::OnOpen) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, static_cast<void*>(this)) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, &CurlSockets::OnClose) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, static_cast<void*>(this)) == CURLE_OK;
}

bool CurlSockets::HasEnded(int local_port, int peer_port) const {
  const auto socket = std::ranges::find_if(open_, [&](curl_socket_t fd) {
    return PortOf(fd, getsockname) == local_port && PortOf(fd, getpeername) == peer_port;
  });
  if (socket == open_.end()) return false;
  pollfd peer{.fd = *socket, .events = POLLRDHUP, .revents = 0};
  return poll(&peer, 1, 0) > 0;
}

curl_socket_t CurlSockets::OnOpen(void* self, curlsocktype /*purpose*/, curl_sockaddr* address) noexcept {
  const int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  if (fd < 0) return CURL_SOCKET_BAD;
  // A kept connection whose packets vanish (a firewall forgot it) ends after ten seconds, not a quarter of an hour:
  // over HTTP/2, curl would take it for every request until then.
  const unsigned int milliseconds = 10'000;
  setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &milliseconds, sizeof milliseconds);
  static_cast<CurlSockets*>(self)->open_.insert(fd);
  return fd;
}

int CurlSockets::OnClose(void* self, curl_socket_t fd) noexcept {
  static_cast<CurlSockets*>(self)->open_.erase(fd);
  return close(fd);
}

}  // namespace leasefs::http
