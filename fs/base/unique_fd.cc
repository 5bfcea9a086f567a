#include "fs/base/unique_fd.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace leasefs {

void UniqueFd::Reset(int fd) {
  int old = std::exchange(fd_, fd);
  if (old < 0) return;
  int saved = errno;  // the caller may be about to report it
  // EBADF means that somebody else closed a descriptor that was ours, and might next close one that is not theirs.
  if (close(old) != 0 && errno == EBADF) std::abort();
  errno = saved;
}

}  // namespace leasefs
