// Looks at memory that was freed, which a sanitizer would rightly refuse: for tests without LEASEFS_SANITIZED only.
#pragma once

#include <cstddef>

namespace leasefs {

inline bool IsWiped(const void* memory, size_t size) {
  const volatile auto* bytes = static_cast<const volatile unsigned char*>(memory);
  for (size_t i = 0; i < size; ++i) {
    if (bytes[i] != 0) return false;
  }
  return true;
}

}  // namespace leasefs
