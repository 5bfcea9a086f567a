#include "fs/cli/effective_user.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>

#include "fs/base/strings.h"

namespace leasefs::cli {

Outcome<Account> FindAccount(const std::string& name) {
  std::array<char, 16384> memory{};
  passwd entry{};
  passwd* found = nullptr;
  getpwnam_r(name.c_str(), &entry, memory.data(), memory.size(), &found);
  if (found != nullptr) return Account{name, found->pw_uid, found->pw_gid};
  return Failure{Exit::kLocal, "not_found", StrCat("there is no user '", Printable(name, 60), '\''),
                 "systemd-sysusers makes it (the package's sysusers file), or adduser --system; or set backend_user in "
                 "the configuration"};
}

Result<EffectiveUser> EffectiveUser::Become(const Account& account) {
  const int count = getgroups(0, nullptr);
  std::vector<gid_t> groups(count > 0 ? static_cast<size_t>(count) : 0);
  if (count < 0 || getgroups(count, groups.data()) < 0) return ErrnoError("getgroups", errno);
  EffectiveUser guard(std::move(groups));
  if (setgroups(0, nullptr) != 0 || setegid(account.gid) != 0 || seteuid(account.uid) != 0) {
    return ErrnoError(StrCat("becoming ", account.name), errno, ErrorKind::kDenied);
  }
  return guard;
}

EffectiveUser::~EffectiveUser() {
  if (!active_) return;
  if (seteuid(getuid()) != 0 || setegid(getgid()) != 0) std::abort();
  if (setgroups(groups_.size(), groups_.data()) != 0 && geteuid() == 0) std::abort();
}

}  // namespace leasefs::cli
