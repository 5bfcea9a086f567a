#include "fs/keeper/memory_files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "fs/base/strings.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U  // Linux 6.3
#endif

namespace leasefs {
namespace {

Result<UniqueFd> MakeMemory(const std::string& name) {
  constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  int fd = memfd_create(name.c_str(), kFlags | MFD_NOEXEC_SEAL);
  if (fd < 0 && errno == EINVAL) fd = memfd_create(name.c_str(), kFlags);
  if (fd < 0) return ErrnoError(StrCat("memfd_create ", name), errno);
  return UniqueFd(fd);
}

Status WriteAll(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return ErrnoError("write", errno);
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return Ok();
}

}  // namespace

Result<UniqueFd> MakeStateMemory(const std::string& name, size_t bytes) {
  LEASEFS_ASSIGN_OR_RETURN(fd, MakeMemory(name));
  if (ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0) return ErrnoError(StrCat("ftruncate ", name), errno);
  if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return ErrnoError(StrCat("sealing ", name), errno);
  }
  return std::move(fd);
}

Result<UniqueFd> MakeSealedMemory(const std::string& name, std::span<const std::byte> bytes) {
  LEASEFS_ASSIGN_OR_RETURN(fd, MakeMemory(name));
  LEASEFS_RETURN_IF_ERROR(WriteAll(fd.get(), bytes));
  if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0) {
    return ErrnoError(StrCat("sealing ", name), errno);
  }
  return std::move(fd);
}

Result<SecretBuffer> ReadSealedMemory(int fd, size_t max) {
  constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  struct stat info;
  if (fstat(fd, &info) != 0) return ErrnoError("a sealed memory", errno);
  int seals = fcntl(fd, F_GET_SEALS);
  if (seals < 0 || (seals & kSeals) != kSeals || static_cast<uint64_t>(info.st_size) > max) {
    return Error(ErrorKind::kInvalid, "what was handed over is not a sealed memory of a legal size");
  }
  SecretBuffer bytes(static_cast<size_t>(info.st_size));
  for (size_t done = 0; done < bytes.size();) {
    ssize_t got = pread(fd, bytes.ExposeMutable().data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return ErrnoError("reading a sealed memory", got < 0 ? errno : EIO);
    done += static_cast<size_t>(got);
  }
  return bytes;
}

Result<UniqueFd> MakeKeyPipe(const SecretBuffer& key) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoError("pipe", errno);
  UniqueFd reader(ends[0]), writer(ends[1]);
  LEASEFS_RETURN_IF_ERROR(WriteAll(writer.get(), key.Expose()));  // fits into an empty pipe
  return reader;
}

Result<SecretBuffer> ReadKeyPipe(int fd, size_t size) {
  SecretBuffer key(size + 1);
  size_t done = 0;
  while (done < key.size()) {
    ssize_t got = read(fd, key.ExposeMutable().data() + done, key.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoError("reading a key", errno);
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  if (done != size) return Error(ErrorKind::kInvalid, "the key that was handed over has a wrong length");
  key.Resize(size);
  return key;
}

}  // namespace leasefs
