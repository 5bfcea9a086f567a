// A TCP port for a server of a test.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <random>

#include "fs/base/unique_fd.h"

namespace leasefs::test {

// One of loopback that nothing listens on now, below those that the kernel gives to clients and to port 0. Whoever
// listens on it may still find it taken, and then asks for another one.
inline uint16_t FreePort() {
  std::random_device random;
  std::uniform_int_distribution<uint16_t> ports(20000, 31999);
  for (;;) {
    const uint16_t port = ports(random);
    const UniqueFd probe(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    if (bind(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return port;
  }
}

}  // namespace leasefs::test
