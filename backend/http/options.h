// What an HttpClient is told. Constant once the client is made.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backend/http/address_health.h"
#include "fs/base/address.h"
#include "fs/base/result.h"
#include "fs/base/secret_buffer.h"
#include "fs/base/time.h"

namespace leasefs::http {

// What the files of TlsOptions hold, for a process that may not open them. PEM; constant once it is shared.
struct TlsPem {
  SecretBuffer authorities;         // empty: as ca_file and ca_directory say
  SecretBuffer client_certificate;  // and those that lead to its authority; empty: as the files say
  SecretBuffer client_key;          // not encrypted
};

struct TlsOptions {
  // PEM. At most one of the two; with neither, the system's authorities count. With one, only those in it.
  std::string ca_file;
  std::string ca_directory;  // hashed names, as `openssl rehash` makes them
  // PEM, both or none; read again for each new connection, so that a renewed certificate needs no restart.
  std::string client_certificate_file;
  std::string client_key_file;        // not encrypted
  std::shared_ptr<const TlsPem> pem;  // comes before the files; see also HttpClient::UsePem
  std::string server_name;            // asked for (SNI) and verified in place of the host of the address, if not empty
};

struct TransportOptions {
  TlsOptions tls;
  // Over TLS, where the server speaks it. What it keeps of a token in memory: backend/http/curl_library.h.
  bool http2 = true;
  Duration connect_timeout = std::chrono::seconds(3);      // name, TCP and TLS together, per attempt
  Duration max_connection_age = std::chrono::minutes(10);  // then a new one: a load balancer may know better servers
  size_t max_header_bytes = size_t{64} << 10;              // all headers of an answer together
  size_t max_body_bytes = size_t{16} << 20;
};

struct ClientOptions {
  std::vector<Address> addresses;                       // 1 to 16, different; the first is preferred at first
  size_t max_in_flight = 16;                            // requests; the others wait in order, each lane in its own
  size_t max_waiting = 32768;                           // requests; more are refused at once
  Duration total_timeout = std::chrono::seconds(60);    // of requests that have no deadline of their own
  Duration max_retry_after = std::chrono::seconds(60);  // the longest Retry-After that is believed
  HealthOptions health;
};

struct Options {
  ClientOptions client;
  TransportOptions transport;
};

// kInvalid, in words, for what cannot work: no or equal addresses, a file that cannot be read, half a client
// certificate, an authority file without a certificate. Reads the files named; blocks on them.
Status CheckOptions(const Options& options);
// kInvalid: no certificate in it, half a client certificate, or a key that does not belong to it.
Status CheckPem(const TlsPem& pem);

}  // namespace leasefs::http
