#include "fs/cli/client.h"

namespace leasefs::cli {
namespace {

// One hint for each kind of error, for when the daemon's own words do not say it.
std::string HintFor(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kDenied:
      return "this needs root: run it with sudo";
    case ErrorKind::kNotFound:
      return "`leasefs ls` shows what a store has, `leasefs status` which trees are mounted";
    case ErrorKind::kLocked:
      return "with its key in place it opens by itself; a passphrase is given by `leasefs store unlock`";
    case ErrorKind::kTooLarge:
      return "split the value, or raise limits.value in the configuration (at most 4MiB)";
    case ErrorKind::kRemote:
      return "`leasefs status` and `journalctl -u leasefs` say more";
    case ErrorKind::kUnreachable:
      return "try again; `leasefs status` says what does not answer, or is still starting";
    case ErrorKind::kBusy:
      return "try again in a moment";
    case ErrorKind::kNoMemory:
      return "raise limits.memory in the configuration";
    case ErrorKind::kInternal:
      return "`journalctl -u leasefs` says more; is the disk full?";
    case ErrorKind::kInvalid:
      return "correct it and try again; `leasefs help` says what a verb takes";
    case ErrorKind::kReadOnly:
    case ErrorKind::kExpired:
    case ErrorKind::kRevoked:
    case ErrorKind::kLoginRefused:
    case ErrorKind::kInterrupted:
    case ErrorKind::kIsDirectory:
    case ErrorKind::kNotDirectory:
    case ErrorKind::kNoAttribute:
    case ErrorKind::kStale:
      return "`leasefs status` shows the state of the daemon and its backends";
  }
  return "`leasefs status` shows the state of the daemon";
}

}  // namespace

Failure FromDaemon(const Error& error) {
  return {Exit::kDaemon, std::string(ErrorKindName(error.kind())), error.message(), HintFor(error.kind())};
}

}  // namespace leasefs::cli
