#include "fs/cli/key_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "backend/store/store.h"
#include "fs/base/strings.h"
#include "fs/cli/read_file.h"

namespace leasefs::cli {
namespace {

constexpr size_t kMaxKeyFile = 4096;

}  // namespace

bool Exists(const std::string& path) {
  struct stat info {};
  return lstat(path.c_str(), &info) == 0;
}

Status MakeDirectories(const std::string& directory) {
  if (Exists(directory)) return Ok();
  const std::string parent = ParentDirectory(directory);
  if (parent != directory && parent != ".") LEASEFS_RETURN_IF_ERROR(MakeDirectories(parent));
  if (mkdir(directory.c_str(), 0755) != 0 && errno != EEXIST)
    return ErrnoError(StrCat("making the directory ", directory), errno);
  return Ok();
}

Outcome<SecretBuffer> MakeKeyFileAt(const std::string& path, Random& random) {
  const std::string parent = ParentDirectory(path);
  LEASEFS_RETURN_IF_ERROR(Local(MakeDirectories(parent), "become root, or name another file with --key-file"));
  const UniqueFd file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0400));
  if (!file) {
    return LocalFailure(
        ErrnoError(StrCat("making the key file ", path), errno),
        errno == EEXIST ? "it is there already, and nothing is overwritten" : "become root, or name another file");
  }
  const SecretBuffer text = MakeKeyFile(random);
  Status written = WriteAndSync(file.get(), text.Expose(), path);
  if (written.ok()) written = SyncDirectory(parent);
  if (!written.ok()) {
    unlink(path.c_str());
    return LocalFailure(written.error(), "is the disk full? nothing was changed");
  }
  return Local(ParseKeyFile(text), "this is a fault of leasefs: report it");
}

Outcome<SecretBuffer> ReadKeyFile(const std::string& path) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!file)
    return LocalFailure(ErrnoError(StrCat("opening the key file ", path), errno), "become root, or name another file");
  struct stat info {};
  if (fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    return UsageFailure(StrCat(path, " is not a file"), "name the key file");
  }
  if ((info.st_mode & 077) != 0) {
    return Failure{Exit::kLocal, "denied", StrCat("the key file ", path, " can be read by others"),
                   StrCat("chmod 0400 ", path, "; if anybody may have read it, `leasefs store rekey` afterwards")};
  }
  LEASEFS_ASSIGN_OR_RETURN(text, Local(ReadToEnd(file.get(), path, kMaxKeyFile), "name the key file"));
  Result<SecretBuffer> key = ParseKeyFile(text);
  if (key.ok()) return std::move(key).value();
  return LocalFailure(std::move(key).error().Context(path), "name a file that `leasefs store init` made");
}

}  // namespace leasefs::cli
