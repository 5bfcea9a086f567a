#include "fs/base/result.h"

#include <cstring>

#include "fs/base/strings.h"

namespace leasefs {

std::string_view ErrorKindName(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kDenied:
      return "denied";
    case ErrorKind::kNotFound:
      return "not_found";
    case ErrorKind::kReadOnly:
      return "read_only";
    case ErrorKind::kUnreachable:
      return "unreachable";
    case ErrorKind::kRemote:
      return "remote";
    case ErrorKind::kExpired:
      return "expired";
    case ErrorKind::kRevoked:
      return "revoked";
    case ErrorKind::kLoginRefused:
      return "login_refused";
    case ErrorKind::kLocked:
      return "locked";
    case ErrorKind::kTooLarge:
      return "too_large";
    case ErrorKind::kBusy:
      return "busy";
    case ErrorKind::kNoMemory:
      return "no_memory";
    case ErrorKind::kInternal:
      return "internal";
    case ErrorKind::kInterrupted:
      return "interrupted";
    case ErrorKind::kIsDirectory:
      return "is_directory";
    case ErrorKind::kNotDirectory:
      return "not_directory";
    case ErrorKind::kNoAttribute:
      return "no_attribute";
    case ErrorKind::kStale:
      return "stale";
    case ErrorKind::kInvalid:
      return "invalid";
  }
  std::abort();
}

Error ErrnoError(std::string_view what, int error_number, ErrorKind kind) {
  const char* words = strerrordesc_np(error_number);
  if (words == nullptr) return {kind, StrCat(what, ": error ", error_number)};
  return {kind, StrCat(what, ": ", words)};
}

}  // namespace leasefs
