#include "fs/cli/read_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "fs/base/strings.h"

namespace leasefs::cli {

Result<SecretBuffer> ReadToEnd(int fd, const std::string& name, size_t max_bytes) {
  constexpr size_t kStep = size_t{64} << 10;
  struct stat info {};
  size_t expected = 4096;
  if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) expected = static_cast<size_t>(info.st_size) + 1;
  SecretBuffer bytes;
  size_t size = 0;
  for (;;) {
    if (size == bytes.size()) {
      if (size > max_bytes) return Error(ErrorKind::kTooLarge, StrCat(name, " has more than ", max_bytes, " bytes"));
      const size_t step = size == 0 ? expected : std::max(size, kStep);
      bytes.Resize(std::min(size + step, max_bytes + 1));  // one more than allowed, to see that there is more
    }
    const ssize_t got = read(fd, bytes.ExposeMutable().data() + size, bytes.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoError(StrCat("reading ", name), errno, ErrorKind::kInvalid);
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  bytes.Resize(size);
  return bytes;
}

Result<SecretBuffer> ReadWholeFile(const std::string& path, size_t max_bytes, const std::string& shown) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!file)
    return ErrnoError(StrCat("opening ", shown), errno, errno == ENOENT ? ErrorKind::kNotFound : ErrorKind::kInvalid);
  return ReadToEnd(file.get(), shown, max_bytes);
}

Status WriteAndSync(int fd, std::span<const std::byte> bytes, const std::string& name) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoError(StrCat("writing ", name), errno);
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  if (fsync(fd) != 0) return ErrnoError(StrCat("syncing ", name), errno);
  return Ok();
}

Status SyncDirectory(const std::string& directory) {
  const UniqueFd fd(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return ErrnoError(StrCat("opening ", directory), errno);
  if (fsync(fd.get()) != 0 && errno != EINVAL) return ErrnoError(StrCat("syncing ", directory), errno);
  return Ok();
}

std::string ParentDirectory(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace leasefs::cli
