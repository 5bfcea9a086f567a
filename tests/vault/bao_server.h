// A real OpenBao server for a test: in memory, unsealed, TLS on a loopback port. Its program is what
// packaging/install-openbao.sh installs (LEASEFS_BAO names another one).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace leasefs::test {

class BaoServer {
 public:
  static std::string Program();
  static bool IsInstalled();

  BaoServer();  // starts it, and waits until it listens
  ~BaoServer();
  BaoServer(const BaoServer&) = delete;
  BaoServer& operator=(const BaoServer&) = delete;

  std::string address() const;  // "https://127.0.0.1:PORT"
  std::string ca_file() const { return directory_ + "/vault-ca.pem"; }
  static std::string root_token() { return "root-token-of-the-test"; }
  std::string log() const;

 private:
  void Start();
  bool Listens();

  std::string directory_;
  uint16_t port_ = 0;
  pid_t process_ = -1;
};

}  // namespace leasefs::test
