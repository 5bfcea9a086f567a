// Numbers that a test takes from its environment: how many seeds, and which is the first.
#pragma once

#include <cstdint>
#include <cstdlib>

namespace leasefs {

inline uint64_t NumberFromEnvironment(const char* name, uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::strtoull(value, nullptr, 10);
}

}  // namespace leasefs
