#include "fs/base/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "fs/base/strings.h"

namespace leasefs {
namespace {

constexpr size_t kMaxHostBytes = 253;  // RFC 1035, section 2.3.4, without the last dot

Error Wrong(std::string_view what) { return {ErrorKind::kInvalid, std::string(what)}; }

bool IsIpv6Literal(const std::string& host) {
  in6_addr parsed{};
  const bool whole = host.find('\0') == std::string::npos;  // inet_pton would stop there
  return whole && inet_pton(AF_INET6, host.c_str(), &parsed) == 1;
}

bool IsNameOrIpv4(std::string_view host) {
  const auto is_name_character = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
  };
  return !host.empty() && host.size() <= kMaxHostBytes && std::ranges::all_of(host, is_name_character) &&
         host.front() != '-' && host.front() != '.';
}

bool IsLoopback(const Address& address) {
  in_addr parsed{};
  if (inet_pton(AF_INET, address.host.c_str(), &parsed) == 1) return ntohl(parsed.s_addr) >> 24 == 127;
  return address.host == "localhost" || address.host == "::1";
}

Result<uint16_t> ParsePort(std::string_view digits) {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || end != digits.data() + digits.size() || port == 0) {
    return Wrong("the port is a number from 1 to 65535");
  }
  return port;
}

}  // namespace

std::string Address::HostAndPort() const {
  return IsIpv6() ? StrCat("[", host, "]:", port) : StrCat(host, ":", port);
}

std::string Address::Text() const {
  return StrCat(tls ? "https://" : "http://", HostAndPort());
}

Result<Address> ParseAddress(std::string_view text, PlainHttp plain) {
  Address address;
  std::string_view rest = text;
  if (rest.starts_with("https://")) {
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
    address.tls = false;
  } else {
    return Wrong("write https://HOST:PORT");
  }
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.find_first_of("/?#") != std::string_view::npos)
    return Wrong("it ends after the port: write https://HOST:PORT");
  if (rest.find('@') != std::string_view::npos) return Wrong("a user name or password has no place here");

  size_t host_end = rest.find(':');
  if (rest.starts_with('[')) {
    host_end = rest.find(']');
    if (host_end == std::string_view::npos) return Wrong("']' is missing after the IPv6 address");
    address.host = rest.substr(1, host_end - 1);
    if (!IsIpv6Literal(address.host)) return Wrong("between the brackets is no IPv6 address");
    ++host_end;
  } else {
    if (std::ranges::count(rest, ':') > 1) return Wrong("write an IPv6 address in brackets: https://[::1]:8200");
    address.host = rest.substr(0, host_end);
  }
  std::ranges::transform(address.host, address.host.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  if (!address.IsIpv6() && !IsNameOrIpv4(address.host)) return Wrong("this is no host name");

  rest = host_end >= rest.size() ? std::string_view() : rest.substr(host_end);
  address.port = address.tls ? 443 : 80;
  if (!rest.empty()) {
    if (rest.front() != ':') return Wrong("behind the host comes \":PORT\"");
    LEASEFS_ASSIGN_OR_RETURN(port, ParsePort(rest.substr(1)));
    address.port = port;
  }
  if (address.tls) return address;
  // SECURITY: without TLS anybody on the way reads the token.
  if (plain == PlainHttp::kRefused) return Wrong("write https: plain http is not allowed here");
  if (!IsLoopback(address)) {
    return Wrong("write https: over plain http, which is allowed to loopback addresses only, "
                 "others could read tokens and secrets");
  }
  return address;
}

}  // namespace leasefs
