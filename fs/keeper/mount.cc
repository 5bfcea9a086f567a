#include "fs/keeper/mount.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "fs/base/log.h"
#include "fs/base/strings.h"
#include "fs/keeper/mount_table.h"

// <sys/mount.h> of glibc 2.36 does not go together with <linux/mount.h>.
extern "C" int umount2(const char* target, int flags) noexcept;

namespace leasefs {
namespace {

constexpr int kUmountForce = 1;     // MNT_FORCE
constexpr int kUmountDetach = 2;    // MNT_DETACH
constexpr int kUmountNoFollow = 8;  // UMOUNT_NOFOLLOW
constexpr unsigned kMountAttributes =
    MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;  // S3
constexpr char kType[] = "fuse.leasefs";
constexpr int kMaxStale = 16;

int FsOpen(const char* type) {
  return static_cast<int>(syscall(SYS_fsopen, type, FSOPEN_CLOEXEC));
}
int FsMount(int context, unsigned attributes) {
  return static_cast<int>(syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, attributes));
}
// The mount at `path` without what is mounted in it. Asks a filesystem that is mounted at `path` nothing.
int CloneTree(const char* path) {
  return static_cast<int>(syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
}
bool SetText(int context, const char* key, const char* value) {
  return syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, key, value, 0) == 0;
}
bool SetFlag(int context, const char* key) {
  return syscall(SYS_fsconfig, context, FSCONFIG_SET_FLAG, key, nullptr, 0) == 0;
}
bool CreateSuperblock(int context) {
  return syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == 0;
}

// Whoever serves a mount point has the directory below the mount locked for as long as it lives, so that nobody takes a
// mount for a dead one's that is not. Null: the directory cannot be opened or locked, and whoever needs it will say so.
Result<UniqueFd> LockMountPoint(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string parent = slash == 0 ? "/" : path.substr(0, slash);
  const UniqueFd above(CloneTree(parent.c_str()));
  if (!above) return UniqueFd();
  UniqueFd below(
      openat(above.get(), path.c_str() + slash + 1, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (!below) return UniqueFd();
  if (flock(below.get(), LOCK_EX | LOCK_NB) == 0) return below;
  if (errno != EWOULDBLOCK) return UniqueFd();
  return Error(ErrorKind::kInvalid, StrCat("mount point ", path,
                                           ": another leasefsd is serving it: stop that one, or set another `mount`"));
}

// The parent without symbolic links, and the last component as it is: it may be a dead mount, on which nothing may be
// asked.
Result<std::string> RealMountPath(const std::string& path) {
  std::string trimmed = path;
  while (trimmed.size() > 1 && trimmed.back() == '/') trimmed.pop_back();
  size_t slash = trimmed.rfind('/');
  if (trimmed.empty() || trimmed.front() != '/' || trimmed.size() == 1) {
    return Error(ErrorKind::kInvalid, StrCat("mount = \"", Printable(path), "\": give an absolute path other than /"));
  }
  std::string parent = slash == 0 ? "/" : trimmed.substr(0, slash);
  char real[PATH_MAX];
  if (realpath(parent.c_str(), real) == nullptr)
    return ErrnoError(StrCat("mount point ", path), errno, ErrorKind::kInvalid);
  std::string base = real;
  if (base != "/") base += '/';
  return base + trimmed.substr(slash + 1);
}

Status CheckEmpty(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) {
    return Error(ErrorKind::kInvalid, StrCat("mount point ", path, ": ", std::strerror(errno),
                                             ": it must be an empty directory; make it, or set another `mount`"));
  }
  DIR* directory = fdopendir(fd.get());
  if (directory == nullptr) return ErrnoError(StrCat("mount point ", path), errno);
  (void)fd.Release();
  bool empty = true;
  while (const dirent* entry = readdir(directory)) {
    if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0) empty = false;
  }
  closedir(directory);
  if (empty) return Ok();
  return Error(ErrorKind::kInvalid, StrCat("mount point ", path,
                                           ": the directory is not empty; what is in it would be hidden: "
                                           "empty it, or set another `mount`"));
}

Status MakeMountPoint(const std::string& path) {
  if (path.starts_with("/run/") && mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) {
    return ErrnoError(StrCat("making the mount point ", path), errno, ErrorKind::kInvalid);
  }
  return Ok();
}

Status PrepareMountPoint(const std::string& path) {
  LEASEFS_RETURN_IF_ERROR(MakeMountPoint(path));
  return CheckEmpty(path);
}

Result<std::string> DeviceNumber(const std::string& path) {
  LEASEFS_ASSIGN_OR_RETURN(table, ReadMountTable());
  auto top = TopMountAt(table, path);
  if (!top || top->type != kType) return Error(ErrorKind::kInternal, StrCat("the new mount is not at ", path));
  return top->device;
}

Status DetachMounts(const std::string& real) {
  for (int i = 0; i < kMaxStale; ++i) {
    LEASEFS_ASSIGN_OR_RETURN(table, ReadMountTable());
    auto top = TopMountAt(table, real);
    if (!top || (top->type != kType && !top->type.starts_with("fuse"))) return Ok();
    if (top->type != kType) {
      return Error(ErrorKind::kInvalid, StrCat("mount point ", real, ": a ", top->type,
                                               " is mounted there: unmount it, or set another `mount`"));
    }
    if (umount2(real.c_str(), kUmountDetach | kUmountNoFollow) != 0)
      return ErrnoError(StrCat("unmounting ", real), errno);
    LogInfo(StrCat("detached the mount that an earlier leasefsd left at ", real));
  }
  return Error(ErrorKind::kInternal, StrCat("mount point ", real, ": too many mounts on top of each other"));
}

}  // namespace

Status DetachStaleMounts(const std::string& path) {
  LEASEFS_ASSIGN_OR_RETURN(real, RealMountPath(path));
  const Result<UniqueFd> lock = LockMountPoint(real);  // for as long as it takes
  if (!lock.ok()) return lock.error();
  return DetachMounts(real);
}

Result<std::unique_ptr<FuseMount>> FuseMount::Create(const std::string& path) {
  LEASEFS_ASSIGN_OR_RETURN(real, RealMountPath(path));
  LEASEFS_RETURN_IF_ERROR(MakeMountPoint(real));
  LEASEFS_ASSIGN_OR_RETURN(lock, LockMountPoint(real));
  LEASEFS_RETURN_IF_ERROR(DetachMounts(real));
  LEASEFS_RETURN_IF_ERROR(CheckEmpty(real));
  std::unique_ptr<FuseMount> mount(new FuseMount(real, std::move(lock)));
  LEASEFS_RETURN_IF_ERROR(mount->MakeFilesystem());
  return mount;
}

FuseMount::~FuseMount() {
  Detach();
}

Status FuseMount::MakeFilesystem() {
  device_.Reset(open("/dev/fuse", O_RDWR | O_CLOEXEC));
  if (!device_) {
    return Error(ErrorKind::kInternal, StrCat("open /dev/fuse: ", std::strerror(errno),
                                              ": is the module loaded (modprobe fuse), "
                                              "and may this service use the device?"));
  }
  UniqueFd context(FsOpen("fuse"));
  if (!context) return ErrnoError("fsopen fuse", errno);
  std::string device = std::to_string(device_.get());
  // No default_permissions: the kernel's own denials would reach no audit and turn EROFS into EACCES (S21).
  bool set = SetText(context.get(), "source", "leasefs") && SetText(context.get(), "subtype", "leasefs") &&
             SetText(context.get(), "fd", device.c_str()) && SetText(context.get(), "rootmode", "40000") &&
             SetText(context.get(), "user_id", "0") && SetText(context.get(), "group_id", "0") &&
             SetFlag(context.get(), "allow_other") && CreateSuperblock(context.get());
  if (!set) return ErrnoError("mounting a fuse filesystem (is CAP_SYS_ADMIN there?)", errno);
  UniqueFd mount(FsMount(context.get(), kMountAttributes));
  if (!mount) return ErrnoError("fsmount", errno);
  LEASEFS_RETURN_IF_ERROR(Attach(mount.get()));
  LEASEFS_ASSIGN_OR_RETURN(number, DeviceNumber(path_));
  number_ = number;
  return Ok();
}

Status FuseMount::Attach(int mount) {
  if (syscall(SYS_move_mount, mount, "", AT_FDCWD, path_.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0) {
    return ErrnoError(StrCat("mounting at ", path_), errno);
  }
  spare_.Reset(CloneTree(path_.c_str()));  // walks to the root of the mount, which asks the filesystem nothing
  if (!spare_)
    LogWarning(StrCat("open_tree: ", std::strerror(errno), ": a mount that somebody unmounts cannot be mended"));
  return Ok();
}

bool FuseMount::Lost() const {
  pollfd device{device_.get(), 0, 0};
  return poll(&device, 1, 0) == 1 && (device.revents & POLLERR) != 0;
}

Result<bool> FuseMount::Mend() {
  LEASEFS_ASSIGN_OR_RETURN(table, ReadMountTable());
  bool there = std::any_of(table.begin(), table.end(),
                           [this](const MountEntry& entry) { return entry.path == path_ && entry.device == number_; });
  if (there) return false;
  auto top = TopMountAt(table, path_);
  if (top && top->type.starts_with("fuse")) {
    return Error(ErrorKind::kInvalid, StrCat("a ", top->type, " was mounted over ", path_, ": unmount it"));
  }
  if (!spare_) return Error(ErrorKind::kInternal, StrCat(path_, " was unmounted: restart leasefsd"));
  LEASEFS_RETURN_IF_ERROR(PrepareMountPoint(path_));
  UniqueFd spare = std::move(spare_);
  Status attached = Attach(spare.get());
  if (!attached.ok()) {
    spare_ = std::move(spare);
    return std::move(attached).error();
  }
  return true;
}

void FuseMount::Detach() {
  spare_.Reset();
  for (int i = 0; i < kMaxStale; ++i) {
    auto table = ReadMountTable();
    if (!table.ok()) return;
    auto top = TopMountAt(*table, path_);
    if (!top || top->device != number_) return;
    if (umount2(path_.c_str(), kUmountForce | kUmountDetach | kUmountNoFollow) != 0) {
      LogError(StrCat("unmounting ", path_, ": ", std::strerror(errno)));
      return;
    }
  }
}

Result<UniqueFd> OpenCallerProcfs() {
  UniqueFd context(FsOpen("proc"));
  if (context && SetText(context.get(), "hidepid", "0") && SetText(context.get(), "subset", "pid") &&
      CreateSuperblock(context.get())) {
    UniqueFd mount(
        FsMount(context.get(), MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
    // fsmount gives an O_PATH descriptor, and fs is to open files below it without a right on anything else.
    if (mount) return UniqueFd(openat(mount.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  int error_number = errno;
  UniqueFd host(open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!host) return ErrnoError("open /proc", errno);
  LogWarning(StrCat("a procfs of one's own: ", std::strerror(error_number),
                    ": the host's /proc is used; if it hides processes, rules with groups deny"));
  return host;
}

}  // namespace leasefs
