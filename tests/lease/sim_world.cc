#include "tests/lease/sim_world.h"

#include <algorithm>

namespace leasefs::lease {

void Told::Grant(BootTime asked_at, Duration for_life, bool can_renew) {
  granted = asked_at;
  life = for_life;
  capped = for_life < longest / 100 * 95;
  longest = std::max(longest, for_life);
  renewable = can_renew;
  end = for_life > Duration::zero() ? asked_at + for_life : kNever;
}

bool SimWorld::TokenAlive(const std::string& token) const {
  auto found = tokens.find(token);
  return found != tokens.end() && !found->second.revoked && loop.Now() < found->second.ends;
}

bool SimWorld::LeaseAlive(const SimLease& lease) const {
  if (lease.revoked || loop.Now() >= lease.ends) return false;
  return lease.token.empty() || TokenAlive(lease.token);
}

BootTime SimWorld::EndOf(const SimLease& lease) const {
  if (lease.token.empty()) return lease.ends;
  return std::min(lease.ends, tokens.at(lease.token).ends);
}

}  // namespace leasefs::lease
