// A scripted HTTPS server on a loopback port: it answers as a test wants, wrongly above all, and records what it got.
#pragma once

#include <netinet/in.h>
#include <openssl/ssl.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "fs/base/unique_fd.h"
#include "tests/support/test_certificates.h"

namespace leasefs::test {

struct RecordedRequest {
  std::string method;
  std::string target;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  int connection = 0;  // which, from 1
};

// "HTTP/1.1 200 OK" with a length and these headers ("Name: value\r\n…").
std::string Answer(int status, std::string_view body, std::string_view headers = "");

// Each connection has a thread, in which the script runs. Everything public may be called from any thread.
class TlsServer {
 public:
  class Connection {
   public:
    // Blocks. Nothing: the peer ended it, or the server is being stopped. Records the request.
    std::optional<RecordedRequest> Read();
    bool Write(std::string_view bytes);         // false: the peer is gone
    bool Renegotiate();                         // asks for another handshake (TLS 1.2); true: the peer takes part
    void Reset();                               // ends the connection by RST
    bool Wait(std::chrono::milliseconds time);  // false: the server is being stopped, or the peer ended it
    int number() const { return number_; }

   private:
    friend class TlsServer;
    Connection(TlsServer& server, UniqueFd fd, int number) : server_(server), fd_(std::move(fd)), number_(number) {}
    bool Fill();

    TlsServer& server_;
    UniqueFd fd_;
    const int number_;
    std::unique_ptr<SSL, void (*)(SSL*)> ssl_{nullptr, SSL_free};
    std::string input_;
  };
  using Script = std::function<void(Connection&)>;

  struct Options {
    CertificateFiles files = {};      // none: plain HTTP
    std::string client_ca_file = {};  // a client certificate is required
    int max_tls_version = 0;
  };

  TlsServer(Options options, Script script);
  ~TlsServer();
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;

  // A script that gives each request of a connection the answer of `answer`.
  static Script Answering(std::function<std::string(const RecordedRequest&)> answer);

  void Stop();  // ends all connections and refuses new ones
  uint16_t port() const { return port_; }
  std::string address() const;  // "https://127.0.0.1:PORT"
  int connections() const { return connections_; }
  std::vector<RecordedRequest> requests() const;

 private:
  void Accept();
  void Serve(Connection& connection);

  const Options options_;
  const Script script_;
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_{nullptr, SSL_CTX_free};
  UniqueFd listener_;
  uint16_t port_ = 0;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> connections_ = 0;
  std::thread acceptor_;

  mutable std::mutex mutex_;
  std::vector<RecordedRequest> requests_;
  std::list<Connection> open_;  // to the end, so that Stop can shut them down
  std::list<std::thread> threads_;
};

}  // namespace leasefs::test
