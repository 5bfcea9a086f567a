// The sockets that curl has open, made by us, so that each can be looked at before a request is trusted to it.
#pragma once

#include <curl/curl.h>

#include <set>

namespace leasefs::http {

// Must outlive the multi handle whose connections it opens and closes. On the loop's thread.
class CurlSockets {
 public:
  // To `easy`, whose connections will be opened here.
  bool Install(CURL* easy);

  // Has the peer ended the connection between these two ports? curl itself looks only once a second, and finds out by
  // sending the request, after which nobody knows whether it arrived.
  bool HasEnded(int local_port, int peer_port) const;

 private:
  static curl_socket_t OnOpen(void* self, curlsocktype purpose, curl_sockaddr* address) noexcept;
  static int OnClose(void* self, curl_socket_t fd) noexcept;

  std::set<curl_socket_t> open_;
};

}  // namespace leasefs::http
