#include "fs/base/errno_map.h"

#include <cerrno>
#include <cstdlib>

namespace leasefs {

int ErrnoOf(ErrorKind kind, bool posix) {
  switch (kind) {
    case ErrorKind::kDenied:
      return EACCES;
    case ErrorKind::kNotFound:
      return ENOENT;
    case ErrorKind::kReadOnly:
      return EROFS;
    case ErrorKind::kUnreachable:
      return posix ? EIO : ETIMEDOUT;
    case ErrorKind::kRemote:
      return posix ? EIO : EREMOTEIO;
    case ErrorKind::kExpired:
      return posix ? EACCES : EKEYEXPIRED;
    case ErrorKind::kRevoked:
      return posix ? EACCES : EKEYREVOKED;
    case ErrorKind::kLoginRefused:
      return posix ? EACCES : EKEYREJECTED;
    case ErrorKind::kLocked:
      return posix ? EACCES : ENOKEY;
    case ErrorKind::kTooLarge:
      return EFBIG;
    case ErrorKind::kBusy:
      return EBUSY;
    case ErrorKind::kNoMemory:
      return ENOMEM;
    case ErrorKind::kInternal:
      return EIO;
    case ErrorKind::kInterrupted:
      return EINTR;
    case ErrorKind::kIsDirectory:
      return EISDIR;
    case ErrorKind::kNotDirectory:
      return ENOTDIR;
    case ErrorKind::kNoAttribute:
      return ENODATA;
    case ErrorKind::kStale:
      return ESTALE;
    case ErrorKind::kInvalid:
      return EIO;  // bad input of ours, not of the caller's
  }
  std::abort();
}

}  // namespace leasefs
