// Redirects by hand. SECURITY: a request carries a token, so it may follow only to a server that the configuration
// names.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "backend/http/message.h"
#include "fs/base/address.h"

namespace leasefs::http {

inline bool IsRedirect(int status) {
  return status >= 300 && status < 400;
}

struct RedirectTarget {
  size_t address = 0;  // index in `configured`
  std::string path;
};

// Where the answer of configured[from] to a request for `path` leads: 307 and 308 to an https address in `configured`,
// another path or another address. Everything else is kRemote and says what happened.
Result<RedirectTarget> FollowRedirect(const Response& response, const std::vector<Address>& configured, size_t from,
                                      std::string_view path);

}  // namespace leasefs::http
