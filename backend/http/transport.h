// One request, to one address, once. The edge to the network: HttpClient stands on this, so that everything it decides
// also runs in simulated time (SimLoop and a scripted Transport).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "backend/http/message.h"
#include "backend/http/options.h"
#include "fs/base/address.h"

namespace leasefs::http {

struct Attempt {
  Address address;
  std::string path;  // in place of request->path, after a redirect
  std::shared_ptr<const Request> request;
  bool fresh_connection = false;  // not one that was kept
};

struct Outcome {
  // An error: kUnreachable (no connection, or lost), kRemote (TLS, not HTTP, nonsense), kTooLarge, kInternal. It names
  // the host and what to do.
  Result<Response> response;
  // For errors:
  bool sent = false;              // the server may have the request
  bool stale_connection = false;  // on a connection that was kept and that the server ended before it began to answer
  bool address_failed = false;    // it says something of the address, not of this answer alone
};

class Transport {
 public:
  using CallId = uint64_t;  // never 0
  using Callback = std::function<void(Outcome)>;

  virtual ~Transport() = default;

  // On the loop's thread only. `done` runs once, on that thread, never within Start; not at all after Abort or the
  // destruction of the transport, either of which it may cause. There is no deadline: whoever starts a call ends it.
  virtual CallId Start(const Attempt& attempt, Callback done) = 0;
  // Unknown and finished are no error. True: the server may have the request.
  virtual bool Abort(CallId call) = 0;
  // For connections from now on, in place of TlsOptions::pem. It has been checked.
  virtual void UsePem(std::shared_ptr<const TlsPem> pem) = 0;
};

}  // namespace leasefs::http
