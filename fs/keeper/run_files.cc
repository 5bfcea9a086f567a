#include "fs/keeper/run_files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

#include "fs/base/strings.h"

namespace leasefs {
namespace {

constexpr int kBacklog = 128;

Error Invalid(std::string message) {
  return Error(ErrorKind::kInvalid, std::move(message));
}

Result<std::pair<UniqueFd, UniqueFd>> MakePair(int type) {
  int ends[2];
  if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) != 0) return ErrnoError("socketpair", errno);
  return std::pair(UniqueFd(ends[0]), UniqueFd(ends[1]));
}

Status RemoveStaleSocket(const std::string& path) {
  struct stat info;
  if (lstat(path.c_str(), &info) != 0) return errno == ENOENT ? Ok() : Status(ErrnoError(path, errno));
  if (!S_ISSOCK(info.st_mode)) return Invalid(StrCat(path, ": there is something else than a socket: remove it"));
  if (unlink(path.c_str()) != 0) return ErrnoError(StrCat("removing ", path), errno);
  return Ok();
}

Result<UniqueFd> OpenFile(const std::string& path, int flags, std::initializer_list<mode_t> types) {
  // O_NONBLOCK: a FIFO must not keep the keeper waiting until it is found to be one.
  UniqueFd fd(open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0640));
  if (!fd) return ErrnoError(path, errno, ErrorKind::kInvalid);
  struct stat info;
  if (fstat(fd.get(), &info) != 0) return ErrnoError(path, errno);
  if (std::find(types.begin(), types.end(), info.st_mode & S_IFMT) == types.end()) {
    return Invalid(StrCat(path, ": not a file of the right type"));
  }
  return fd;
}

}  // namespace

Status PrepareRunDirectory(const std::string& path) {
  if (mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) {
    return ErrnoError(StrCat("making run_directory ", path), errno, ErrorKind::kInvalid);
  }
  struct stat info;
  if (lstat(path.c_str(), &info) != 0) return ErrnoError(StrCat("run_directory ", path), errno);
  if (!S_ISDIR(info.st_mode)) return Invalid(StrCat("run_directory ", path, ": not a directory"));
  if (info.st_uid != 0 || (info.st_mode & 022) != 0) {
    return Invalid(StrCat("run_directory ", path, ": others than root may write there: chown root and chmod 755 it"));
  }
  return Ok();
}

Result<UniqueFd> LockRunDirectory(const std::string& path) {
  std::string lock = path + "/leasefsd.lock";
  UniqueFd fd(open(lock.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return ErrnoError(lock, errno);
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return ErrnoError(lock, errno);
    return Error(ErrorKind::kBusy, StrCat("another leasefsd is running with run_directory ", path,
                                          ": stop it, or give this one another run_directory and mount"));
  }
  return fd;
}

Result<UniqueFd> ListenAt(const std::string& path, gid_t group) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return Invalid(StrCat(path, ": too long for a socket's path: shorten run_directory"));
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  LEASEFS_RETURN_IF_ERROR(RemoveStaleSocket(path));
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return ErrnoError("socket", errno);
  mode_t before = umask(0177);  // SECURITY: nobody but root connects until the group is set
  int bound = bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  int error_number = errno;
  umask(before);
  if (bound != 0) return ErrnoError(StrCat("binding ", path), error_number);
  if (lchown(path.c_str(), 0, group) != 0 || chmod(path.c_str(), 0660) != 0) return ErrnoError(path, errno);
  if (listen(fd.get(), kBacklog) != 0) return ErrnoError(StrCat("listening at ", path), errno);
  return fd;
}

Result<std::pair<UniqueFd, UniqueFd>> MakeStreamPair() {
  return MakePair(SOCK_STREAM | SOCK_NONBLOCK);
}
Result<std::pair<UniqueFd, UniqueFd>> MakeMessagePair() {
  return MakePair(SOCK_SEQPACKET);
}

Result<UniqueFd> OpenAuditFile(const std::string& path) {
  size_t slash = path.rfind('/');
  if (slash != std::string::npos && slash > 0) (void)mkdir(path.substr(0, slash).c_str(), 0750);
  // Readable, so that a successor of a killed fs can compare what it finds at the end.
  auto fd = OpenFile(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, {S_IFREG, S_IFIFO, S_IFCHR});
  if (!fd.ok()) return std::move(fd).error().Context("audit.file");
  return fd;
}

Result<UniqueFd> OpenCredential(const KeySource& source) {
  if (source.kind == KeySource::Kind::kPassphrase) return Invalid("a passphrase is no file");
  if (source.kind == KeySource::Kind::kFile) return OpenFile(source.name, O_RDONLY, {S_IFREG});
  const char* directory = std::getenv("CREDENTIALS_DIRECTORY");
  if (directory == nullptr) {
    return Invalid(StrCat("no credential ", source.name, ": add LoadCredentialEncrypted=", source.name,
                          ":FILE to the unit (systemctl edit leasefs)"));
  }
  return OpenFile(StrCat(directory, "/", source.name), O_RDONLY, {S_IFREG});
}

Result<UniqueFd> OpenKeyFile(const KeySource& source) {
  const std::string& path = source.name;
  if (source.kind == KeySource::Kind::kPassphrase) return UniqueFd();
  // systemd vouches for a credential, and gives it modes of its own (an ACL shows as group bits).
  if (source.kind == KeySource::Kind::kCredential) return OpenCredential(source);
  auto fd = OpenFile(path, O_RDONLY, {S_IFREG});
  if (!fd.ok()) {
    const bool missing = access(path.c_str(), F_OK) != 0 && errno == ENOENT;
    return Error(ErrorKind::kInvalid, StrCat("key file ", fd.error().message(),
                                             missing ? "; for a store, `leasefs store init` makes it" : ""));
  }
  struct stat info;
  if (fstat(fd->get(), &info) != 0) return ErrnoError(path, errno);
  if (info.st_uid != 0) return Invalid(StrCat("key file ", path, ": not owned by root: chown root:root it"));
  if ((info.st_mode & 077) != 0) {
    return Invalid(StrCat("key file ", path,
                          ": others than root may read or write it: chmod 400 it, and think about who has read it"));
  }
  return fd;
}

}  // namespace leasefs
