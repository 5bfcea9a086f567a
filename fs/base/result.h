// Result<T>: a value, or an Error that says what kind of failure it was and, in words for a person, where.
//
// Nothing in leasefs throws. A function that can fail returns Result; context is added on the way up with
// Error::Context(), and only the outermost layer turns the kind into an errno (fs/base/errno_map.h) or an exit code.
#pragma once

#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "fs/base/time.h"

namespace leasefs {

// The rows of the errno table (SEMANTICS.md, S25), and two kinds that never reach a reader.
enum class ErrorKind {
  kDenied,        // EACCES: not allowed, or the caller is unknown
  kNotFound,      // ENOENT
  kReadOnly,      // EROFS: any change attempted
  kUnreachable,   // ETIMEDOUT: the backend did not answer in time and there is no usable copy
  kRemote,        // EREMOTEIO: the backend answered wrongly: sealed, malformed, damaged
  kExpired,       // EKEYEXPIRED: the lease ended and could not be replaced
  kRevoked,       // EKEYREVOKED
  kLoginRefused,  // EKEYREJECTED: our own login was refused
  kLocked,        // ENOKEY: the embedded store has no key yet
  kTooLarge,      // EFBIG: over the limit, never truncated
  kBusy,          // EBUSY: the caller's own limit of waiting requests, or of descriptors
  kNoMemory,      // ENOMEM: the limit for values
  kInternal,      // EIO: the audit cannot record, or our own fault
  kInterrupted,   // EINTR: the caller was signalled
  kIsDirectory,   // EISDIR
  kNotDirectory,  // ENOTDIR
  kNoAttribute,   // ENODATA: no such extended attribute
  kStale,         // ESTALE: makes the kernel walk the path again; never reaches a caller (S8)
  kInvalid,       // bad input: configuration, control message, file on disk
};

// A short stable word for machines: "denied", "not_found", … (JSON output, tests).
std::string_view ErrorKindName(ErrorKind kind);

class Error {
 public:
  Error(ErrorKind kind, std::string message) : kind_(kind), message_(std::move(message)) {}

  ErrorKind kind() const { return kind_; }
  // For a person. SECURITY: never contains a secret, nor text quoted from a parser that saw one.
  const std::string& message() const { return message_; }

  // Who let it fail tries nothing before: asking sooner is in vain, and waiting longer than that is too. A layer that
  // waits after failures keeps to this instead of adding a wait of its own.
  std::optional<BootTime> retry_at() const { return retry_at_; }
  Error RetryAt(std::optional<BootTime> when) && {
    retry_at_ = when;
    return std::move(*this);
  }

  // "opening the store: <message>"
  Error Context(std::string_view where) && {
    message_.insert(0, ": ").insert(0, where);
    return std::move(*this);
  }

 private:
  ErrorKind kind_;
  std::string message_;
  std::optional<BootTime> retry_at_;
};

// A failed system call: "open /etc/x: Permission denied". The kind is kInternal unless given.
Error ErrnoError(std::string_view what, int error_number, ErrorKind kind = ErrorKind::kInternal);

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // Asking for what is not there is a broken invariant: abort.
  T& value() & { return *Check(std::get_if<0>(&state_)); }
  const T& value() const& { return *Check(std::get_if<0>(&state_)); }
  T&& value() && { return std::move(*Check(std::get_if<0>(&state_))); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const Error& error() const& { return *Check(std::get_if<1>(&state_)); }
  Error&& error() && { return std::move(*Check(std::get_if<1>(&state_))); }

 private:
  template <class P>
  static P* Check(P* pointer) {
    if (pointer == nullptr) std::abort();
    return pointer;
  }
  std::variant<T, Error> state_;
};

// Success without a value.
struct Done {};
using Status = Result<Done>;
inline Status Ok() {
  return Done{};
}

}  // namespace leasefs

// Returns the error of `expression` from the enclosing function, if it failed.
#define LEASEFS_RETURN_IF_ERROR(expression)                                                                 \
  do {                                                                                                      \
    if (auto leasefs_status = (expression); !leasefs_status.ok()) return std::move(leasefs_status).error(); \
  } while (false)

// auto `name` = the value of `expression`, or return its error.
#define LEASEFS_ASSIGN_OR_RETURN(name, expression)                  \
  auto name##_result = (expression);                                \
  if (!name##_result.ok()) return std::move(name##_result).error(); \
  auto& name = name##_result.value()  // NOLINT(bugprone-macro-parentheses)
