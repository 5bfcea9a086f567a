#include "fs/main/confine.h"

#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "fs/base/strings.h"

namespace leasefs {
namespace {

constexpr int kMaxCapability = 63;  // two 32-bit words

Status DropBoundingSet() {
  for (int capability = 0; capability <= kMaxCapability; ++capability) {
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) {
      if (errno == EINVAL) return Ok();  // this kernel's last one was before
      return ErrnoError(StrCat("dropping capability ", capability), errno);
    }
  }
  return Ok();
}

Status DropCapabilities() {
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0)
    return ErrnoError("clearing ambient capabilities", errno);
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> none{};
  if (syscall(SYS_capset, &header, none.data()) != 0) return ErrnoError("capset", errno);
  return Ok();
}

// SECURITY: trust no return value alone; ask for what was given up.
Status CheckGivenUp(uid_t uid, gid_t gid) {
  uid_t real_uid = 0, effective_uid = 0, saved_uid = 0;
  gid_t real_gid = 0, effective_gid = 0, saved_gid = 0;
  getresuid(&real_uid, &effective_uid, &saved_uid);
  getresgid(&real_gid, &effective_gid, &saved_gid);
  bool changed = real_uid == uid && effective_uid == uid && saved_uid == uid && real_gid == gid &&
                 effective_gid == gid && saved_gid == gid && getgroups(0, nullptr) == 0;
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> held{};
  bool none = syscall(SYS_capget, &header, held.data()) == 0;
  for (const auto& word : held) none = none && word.effective == 0 && word.permitted == 0 && word.inheritable == 0;
  if (!changed || !none || setuid(0) == 0) return Error(ErrorKind::kInternal, "root's rights could not be given up");
  return Ok();
}

}  // namespace

Status Confine(uid_t uid, gid_t gid, Network network) {
  if (uid == 0 || gid == 0) return Error(ErrorKind::kInternal, "a child must not run as root or in root's group");
  rlimit none{0, 0};
  if (setrlimit(RLIMIT_CORE, &none) != 0) return ErrnoError("RLIMIT_CORE", errno);
  if (network == Network::kNone && unshare(CLONE_NEWNET) != 0) {
    return ErrnoError("a network namespace of its own (is CAP_SYS_ADMIN there?)", errno);
  }
  LEASEFS_RETURN_IF_ERROR(DropBoundingSet());
  if (setgroups(0, nullptr) != 0) return ErrnoError("setgroups", errno);
  if (setresgid(gid, gid, gid) != 0) return ErrnoError("setresgid", errno);
  if (setresuid(uid, uid, uid) != 0) return ErrnoError("setresuid", errno);
  LEASEFS_RETURN_IF_ERROR(DropCapabilities());
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return ErrnoError("no_new_privs", errno);
  // After the change of user, which sets it by fs.suid_dumpable.
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return ErrnoError("PR_SET_DUMPABLE", errno);
  return CheckGivenUp(uid, gid);
}

}  // namespace leasefs
