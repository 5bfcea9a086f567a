// Leftovers: leases that an earlier boot left on the list. One after the other, by id, they are revoked, and what has
// ended is dropped. Nobody waits for it; what the server does not let us revoke is told once and runs out.
#pragma once

#include <functional>
#include <string>
#include <vector>

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
  std::string last_;  // lease id that was tried last
  Backoff backoff_;
  bool told_ = false;
  Lifetime lifetime_;
};

}  // namespace leasefs::lease
