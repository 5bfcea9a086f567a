// Rotations: when static roles rotated as far as we saw, since what a server says of the next time can run ahead of
// what it has done (with a rotation schedule, `ttl` starts anew before the password has changed).
#pragma once

#include <map>
#include <string>

#include "backend/lease/source.h"

namespace leasefs::vault {

class Rotations {
 public:
  static constexpr size_t kMaxKnown = 4096;
  static constexpr Duration kLookAgain = std::chrono::seconds(2);

  // Cuts `changes_in` short where the rotation that was due has not shown yet.
  void Correct(const std::string& place, lease::Grant& grant);

 private:
  struct Seen {
    std::string rotated;  // last_vault_rotation, as it stood there
    BootTime due;
    int looks = 0;  // in vain since then
  };
  std::map<std::string, Seen> seen_;
};

}  // namespace leasefs::vault
