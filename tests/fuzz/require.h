// What fuzzers check with: a broken promise ends the program, which libFuzzer takes for a find.
#pragma once

#include <cstdlib>

#include "fs/base/result.h"
#include "fs/base/strings.h"

namespace leasefs {

inline void Require(bool holds) {
  if (!holds) std::abort();
}

// Bounded, and safe to show.
inline void RequireShowable(const Error& error, size_t bytes = 400) {
  Require(error.message().size() < bytes && Printable(error.message(), bytes) == error.message());
}

}  // namespace leasefs
