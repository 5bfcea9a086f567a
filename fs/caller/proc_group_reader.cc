#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "fs/base/strings.h"
#include "fs/base/unique_fd.h"
#include "fs/caller/caller.h"

namespace leasefs {
namespace {

// A status is about 1.5 KiB and up to 11 bytes for each group. The kernel makes the whole text at the first read, so
// that reading it in pieces is still one moment's state; and it allows 65536 groups.
constexpr size_t kFirstReadBytes = size_t{64} << 10;
constexpr size_t kMaxStatusBytes = size_t{1} << 20;

ssize_t ReadOnce(int fd, char* data, size_t size) {
  for (;;) {
    ssize_t count = read(fd, data, size);
    if (count >= 0 || errno != EINTR) return count;
  }
}

// Reads on behind the `size` bytes that are there, until the file ends or `text` is full. All bytes, or -1 with errno.
ssize_t ReadOn(int fd, std::string& text, size_t size) {
  while (size < text.size()) {
    ssize_t count = ReadOnce(fd, text.data() + size, text.size() - size);
    if (count < 0) return -1;
    if (count == 0) break;
    size += static_cast<size_t>(count);
  }
  return static_cast<ssize_t>(size);
}

// A thread that ended between open and read is ESRCH.
Error ReadError(int error_number) {
  bool gone = error_number == ENOENT || error_number == ESRCH;
  return ErrnoError("looking at the calling thread", error_number, gone ? ErrorKind::kDenied : ErrorKind::kInternal);
}

}  // namespace

Result<std::vector<gid_t>> ProcGroupReader::Groups(const Caller& caller) const {
  if (!caller.known()) return Error(ErrorKind::kDenied, "the kernel does not say who calls");
  const std::string path = StrCat(caller.tid, "/status");
  UniqueFd file(openat(procfs_, path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return ReadError(errno);
  // Requests come fast, and a growing string would be cleared each time: one buffer for each thread that asks.
  thread_local std::string text;
  text.resize(kFirstReadBytes);
  ssize_t size = ReadOnce(file.get(), text.data(), text.size());
  if (size < 0) return ReadError(errno);
  if (static_cast<size_t>(size) == kFirstReadBytes) {
    text.resize(kMaxStatusBytes);
    size = ReadOn(file.get(), text, static_cast<size_t>(size));
    if (size < 0) return ReadError(errno);
  }
  auto groups = ParseStatusGroups(std::string_view(text).substr(0, static_cast<size_t>(size)), caller);
  if (text.size() > kFirstReadBytes) text = std::string();
  return groups;
}

}  // namespace leasefs
