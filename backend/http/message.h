// What goes to a server and what comes back. Values of headers and bodies are secret and lie in SecretBuffer only.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fs/base/result.h"
#include "fs/base/secret_buffer.h"
#include "fs/base/time.h"

namespace leasefs::http {

enum class Method { kGet, kPost, kPut, kPatch, kDelete };
std::string_view MethodName(Method method);  // "GET", …

// The value may be a token. It is sent as it is: printable ASCII, no space at either end.
struct RequestHeader {
  std::string name;
  SecretBuffer value;
};

// Move-only; constant once it is sent.
struct Request {
  Method method = Method::kGet;
  std::string path;  // with its query, already escaped (backend/http/path_escape.h): "/v1/secret/data/web?version=2"
  std::vector<RequestHeader> headers;
  SecretBuffer body;  // none for kGet. Sent as application/json unless there is a Content-Type among the headers
  BootTime deadline = kNever;  // of everything: waiting, every attempt, the redirect. At kNever, Options::total_timeout
  Duration patience = Duration::max();  // when every address rests for longer, it fails at once
  // May it reach a server twice? False for whatever mints, logs in or changes something, a GET of a credential too:
  // then it is sent again only if it certainly was not sent, and a connection that ends before the answer is an error.
  bool repeatable = false;
  // Those of one lane ("": none) have a share of the places (backend/http/lanes.h): they may hang together, since the
  // server asks something behind it.
  std::string lane = {};
  // When one of a group ("": none) hangs, so may the others: backend/http/in_flight.h.
  std::string group = {};
};

struct ResponseHeader {
  std::string name;  // lower case
  std::string value;
};

struct Response {
  int status = 0;
  // Those of location, retry-after, date, content-type, x-vault-index and x-vault-namespace that came.
  std::vector<ResponseHeader> headers;
  SecretBuffer body;
  std::string address;  // who answered: "https://vault-1:8200"
  BootTime sent_at;  // when the attempt that was answered began: a lease in the answer counts from here at the earliest
  BootTime received_at;
  // From Retry-After, if it can be read: not negative, at most Options::max_retry_after.
  std::optional<Duration> retry_after;

  // "" if it did not come. `name` in lower case.
  std::string_view Header(std::string_view name) const;
};

// kInvalid, naming the header or the part, when it could not be sent as it is (no values are quoted).
Status CheckRequest(const Request& request);

}  // namespace leasefs::http
