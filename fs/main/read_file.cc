#include "fs/main/read_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "backend/vault/credential_files.h"
#include "fs/base/strings.h"

namespace leasefs {

Result<SecretBuffer> ReadAtMost(const std::string& what, int fd, size_t max) {
  SecretBuffer text(max);
  size_t done = 0;
  while (done < text.size()) {
    ssize_t got = read(fd, text.ExposeMutable().data() + done, text.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoError(what, errno);
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  text.Resize(done);
  return text;
}

Result<SecretBuffer> ReadCredential(const std::string& name, int fd) {
  struct stat info {};
  if (fstat(fd, &info) != 0) return ErrnoError(name, errno);
  const size_t max = vault::CredentialFiles::kMaxBytes;
  if (info.st_size < 0 || static_cast<uint64_t>(info.st_size) > max) {
    return Error(ErrorKind::kTooLarge, StrCat(name, ": larger than ", max, " bytes: that is no credential"));
  }
  const auto size = static_cast<size_t>(info.st_size);
  LEASEFS_ASSIGN_OR_RETURN(text, ReadAtMost(name, fd, size + 1));  // one more, to see that it has not grown
  if (text.size() > size) return Error(ErrorKind::kUnreachable, StrCat(name, ": it was written while it was read"));
  return std::move(text);
}

}  // namespace leasefs
