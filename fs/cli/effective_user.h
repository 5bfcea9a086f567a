// Acting as another user for a while. One at a time; the process has one thread.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "fs/base/result.h"
#include "fs/cli/failure.h"

namespace leasefs::cli {

struct Account {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
};
Outcome<Account> FindAccount(const std::string& name);

// Files are made and opened as `account` while it lives; then root's rights come back.
class EffectiveUser {
 public:
  static Result<EffectiveUser> Become(const Account& account);
  EffectiveUser(EffectiveUser&& other) noexcept
      : active_(std::exchange(other.active_, false)), groups_(std::move(other.groups_)) {}
  EffectiveUser& operator=(EffectiveUser&&) = delete;
  ~EffectiveUser();

 private:
  explicit EffectiveUser(std::vector<gid_t> groups) : groups_(std::move(groups)) {}
  bool active_ = true;
  std::vector<gid_t> groups_;
};

}  // namespace leasefs::cli
