#include "backend/store/store_create.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "fs/base/strings.h"
#include "fs/base/unique_fd.h"

namespace leasefs::store {
namespace {

Error Exists(const std::string& path) {
  return {ErrorKind::kInvalid,
          StrCat(path, " exists already and is left as it is: name another file, or move it away")};
}

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Status SyncDirectory(const std::string& directory) {
  const UniqueFd fd(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid() || fsync(fd.get()) != 0) return ErrnoError(StrCat("sync ", directory), errno);
  return Ok();
}

}  // namespace

Status MakeWhole(const std::string& path, const std::function<Status(const std::string&)>& fill) {
  struct stat info {};
  if (lstat(path.c_str(), &info) == 0) return Exists(path);
  std::string unfinished = StrCat(path, ".unfinished-XXXXXX");
  UniqueFd fd(mkostemp(unfinished.data(), O_CLOEXEC));
  if (!fd.valid()) return ErrnoError(StrCat("create ", path), errno);
  fd.Reset();  // before SQLite opens it: closing any descriptor of a file gives up the process's locks on it

  Status status = fill(unfinished);
  if (status.ok() && renameat2(AT_FDCWD, unfinished.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) != 0) {
    status = errno == EEXIST ? Exists(path) : ErrnoError(StrCat("rename to ", path), errno);
  }
  if (!status.ok()) {
    unlink(unfinished.c_str());
    unlink(StrCat(unfinished, "-wal").c_str());
    unlink(StrCat(unfinished, "-journal").c_str());
    return std::move(status).error().Context("making a store file");
  }
  return SyncDirectory(DirectoryOf(path));
}

Status CheckFile(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) {
    if (errno == ENOENT)
      return Error(ErrorKind::kNotFound, StrCat(path, " does not exist: `leasefs store init` makes a store"));
    return ErrnoError(StrCat("open ", path), errno);
  }
  if (!S_ISREG(info.st_mode)) return Error(ErrorKind::kInvalid, StrCat(path, " is not a file: not a leasefs store"));
  if (info.st_size == 0) return Error(ErrorKind::kInvalid, StrCat(path, " is empty: not a leasefs store"));
  return Ok();
}

}  // namespace leasefs::store
