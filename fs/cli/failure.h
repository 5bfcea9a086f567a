// Failure: why a verb ended, in the words and the number that the user gets. Outcome<T>: a value, or a Failure.
//
// Result's Error becomes a Failure where somebody knows what the user can do about it: every Failure has a hint.
#pragma once

#include <string>
#include <utility>

#include "fs/base/result.h"

namespace leasefs::cli {

// EXIT STATUS in leasefs(1).
enum class Exit : int {
  kOk = 0,
  kLocal = 1,           // usage, or something on this side
  kDaemon = 2,          // the daemon or a store cannot be reached, or answered with an error
  kConfiguration = 78,  // EX_CONFIG
  kCannotRun = 126,     // of `leasefs run`, as sh and env have it
  kNoCommand = 127,
};

struct Failure {
  Exit exit = Exit::kLocal;
  std::string code;     // a stable word: that of ErrorKindName, or "usage", "configuration", "daemon_unreachable"
  std::string message;  // SECURITY: never holds a value
  std::string hint;     // what to do next
};

template <class T>
class [[nodiscard]] Outcome {
 public:
  Outcome(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT(google-explicit-constructor)
  // NOLINTNEXTLINE(google-explicit-constructor): so that a function may return a Failure
  Outcome(Failure failure) : state_(std::in_place_index<1>, std::move(failure)) {}

  bool ok() const { return state_.index() == 0; }
  T& value() { return *Check(std::get_if<0>(&state_)); }
  T& operator*() { return value(); }
  T* operator->() { return &value(); }
  const Failure& error() const& { return *Check(std::get_if<1>(&state_)); }
  Failure&& error() && { return std::move(*Check(std::get_if<1>(&state_))); }

 private:
  template <class P>
  static P* Check(P* pointer) {
    if (pointer == nullptr) std::abort();
    return pointer;
  }
  std::variant<T, Failure> state_;
};
using Finished = Outcome<Done>;
inline Finished Finish() {
  return Done{};
}

inline Failure UsageFailure(std::string message, std::string hint) {
  return {Exit::kLocal, "usage", std::move(message), std::move(hint)};
}
inline Failure LocalFailure(const Error& error, std::string hint) {
  return {Exit::kLocal, std::string(ErrorKindName(error.kind())), error.message(), std::move(hint)};
}
// A Result of something on this side, as an Outcome.
template <class T>
Outcome<T> Local(Result<T> result, std::string hint) {
  if (!result.ok()) return LocalFailure(result.error(), std::move(hint));
  return std::move(result).value();
}

}  // namespace leasefs::cli
