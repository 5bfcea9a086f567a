// Where a server is: a scheme, a host and a port, and nothing else.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "fs/base/result.h"

namespace leasefs {

enum class PlainHttp { kRefused, kToLoopback };

struct Address {
  bool tls = true;
  std::string host;  // lower case; a name, an IPv4 address, or an IPv6 address without its brackets
  uint16_t port = 0;

  bool operator==(const Address&) const = default;

  bool IsIpv6() const { return host.find(':') != std::string::npos; }
  std::string HostAndPort() const;  // "vault-1:8200", "[::1]:8200"
  std::string Text() const;         // "https://vault-1:8200"
};

// "https://HOST[:PORT][/]"; "http://…" only to 127.0.0.0/8, [::1] and localhost, and only if allowed. Without a port,
// 443 or 80. Errors are kInvalid and say what is wrong or what to write instead, without the text itself.
Result<Address> ParseAddress(std::string_view text, PlainHttp plain);

}  // namespace leasefs
