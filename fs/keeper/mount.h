// FuseMount: the mount and the /dev/fuse behind it. Owned by the keeper; used by one thread.
//
// After Create it makes no system call that could ask the filesystem anything: its own children serve it, and a process
// that waits for them could never be reaped (fuse_dev_release). What is mounted where is read from mountinfo.
#pragma once

#include <memory>
#include <string>

#include "fs/base/result.h"
#include "fs/base/unique_fd.h"

namespace leasefs {

class FuseMount {
 public:
  // `path` is absolute. Below /run it is made when it is missing (0755 root); it must be an empty directory. A mount of
  // ours that a dead keeper left there is detached first. kInvalid: the path will not do, or another keeper serves it.
  // Nobody answers the kernel's INIT yet.
  static Result<std::unique_ptr<FuseMount>> Create(const std::string& path);
  ~FuseMount();  // Detach
  FuseMount(const FuseMount&) = delete;
  FuseMount& operator=(const FuseMount&) = delete;

  int device() const { return device_.get(); }       // /dev/fuse
  const std::string& path() const { return path_; }  // without symbolic links

  // The kernel has ended the connection (umount -f, abort): nothing brings it back.
  bool Lost() const;
  // Somebody unmounted it: attach the same filesystem again, with all that is open on it. True: it was gone. kInvalid:
  // something else is mounted there now.
  Result<bool> Mend();
  // Unmounts it, and ends the connection: who waits for an answer gets ECONNABORTED, also when a process that is held
  // up in the kernel has /dev/fuse still open.
  void Detach();

 private:
  FuseMount(std::string path, UniqueFd lock) : path_(std::move(path)), lock_(std::move(lock)) {}
  Status MakeFilesystem();
  Status Attach(int mount);

  const std::string path_;
  const UniqueFd lock_;  // of the directory below the mount
  UniqueFd device_;
  UniqueFd spare_;      // a second, detached mount: keeps the filesystem alive when the visible one is unmounted
  std::string number_;  // "major:minor" of the filesystem
};

// Detaches mounts of ours at `path`, as a dead keeper leaves them. kInvalid: the topmost mount is another FUSE
// filesystem, or a keeper that lives serves it.
Status DetachStaleMounts(const std::string& path);

// A procfs of its own that hides no process, whatever the host's /proc does: a descriptor of its root, for fs to look
// at callers. The host's /proc when the kernel refuses.
Result<UniqueFd> OpenCallerProcfs();

}  // namespace leasefs
