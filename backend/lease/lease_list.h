// LeaseList: which leases there are, on a disk, for the day on which even surviving memory is lost. After a power cut
// the next start finds there what nobody holds any more, and revokes it.
//
// Only what an earlier boot left is revoked: when the daemon alone was stopped and started, programs still live on what
// they read, and their leases run out by themselves.
//
// Used on the loop's thread only.
#pragma once

#include <string>
#include <vector>

#include "fs/base/time.h"

namespace leasefs::lease {

struct ListedLease {
  std::string identity;
  std::string id;  // SECURITY: never logged
  WallTime ends = WallTime::max();
};

class LeaseList {
 public:
  virtual ~LeaseList() = default;

  // What there is of this secret from now on; replaces what was said of it before.
  virtual void Set(const std::string& secret, std::vector<ListedLease> leases) = 0;
  // Of an earlier boot, and not dropped yet.
  virtual std::vector<ListedLease> Left() const = 0;
  virtual void Drop(const std::string& lease_id) = 0;
  // What is wrong with it just now, with what to do; "" when nothing is.
  virtual std::string problem() const = 0;
};

}  // namespace leasefs::lease
