// Leftovers: leases that an earlier boot left on the list. One after the other they are revoked, and what has ended for
// the server is dropped. Nobody waits for it; what the server does not let us revoke is told once and runs out.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "backend/lease/backoff.h"
#include "backend/lease/context.h"
#include "backend/lease/lifetime.h"
#include "backend/lease/session.h"

namespace leasefs::lease {

class Leftovers {
 public:
  Leftovers(Context& context, std::function<Session&(const std::string& identity)> session_of,
            std::function<void(std::string problem)> report);
  void Begin();

 private:
  void Next();
  void OnRevoked(const std::string& id, const Answer<Done>& answer);

  Context& context_;
  const std::function<Session&(const std::string& identity)> session_of_;
  const std::function<void(std::string problem)> report_;
  std::pair<bool, std::string> last_;  // the place of what was tried last: ended by the wall clock, lease id
  Backoff backoff_;
  bool told_ = false;
  Lifetime lifetime_;
};

}  // namespace leasefs::lease
