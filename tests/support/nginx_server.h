// A real nginx on a loopback port, over TLS with HTTP/2, in the foreground of a child process.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/test_certificates.h"

namespace leasefs::test {

class NginxServer {
 public:
  static bool IsInstalled();

  // `directory` is an existing one of the test's, for its files; `locations` goes into the server's block. It listens
  // after this.
  NginxServer(std::string directory, const CertificateFiles& files, const std::string& locations);
  ~NginxServer() { Kill(9); }
  NginxServer(const NginxServer&) = delete;
  NginxServer& operator=(const NginxServer&) = delete;

  void Kill(int signal);  // and waits for its end
  std::string address() const { return "https://127.0.0.1:" + std::to_string(port_); }
  std::string Errors() const;
  // Ends it, and gives the words of each request's line: protocol, number of the connection, URI, X-Vault-Token.
  std::vector<std::vector<std::string>> Log();

 private:
  void Start(const CertificateFiles& files, const std::string& locations);
  bool Listens();
  std::string Read(const std::string& name) const;

  const std::string directory_;
  uint16_t port_ = 0;
  pid_t child_ = 0;
};

}  // namespace leasefs::test
