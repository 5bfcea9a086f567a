#include "fs/base/wiping_allocators.h"

#include <malloc.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace leasefs {
namespace {

void* WipingMalloc(size_t size, const char* /*file*/, int /*line*/) {
  return std::malloc(size);
}

void WipingFree(void* memory, const char* /*file*/, int /*line*/) {
  if (memory == nullptr) return;
  explicit_bzero(memory, malloc_usable_size(memory));
  std::free(memory);
}

void* WipingRealloc(void* memory, size_t size, const char* file, int line) {
  if (memory == nullptr) return WipingMalloc(size, file, line);
  if (size == 0) {
    WipingFree(memory, file, line);
    return nullptr;
  }
  size_t old_size = malloc_usable_size(memory);
  if (size <= old_size && size >= old_size / 2) return memory;
  void* larger = std::malloc(size);
  if (larger == nullptr) return nullptr;
  std::memcpy(larger, memory, std::min(size, old_size));
  WipingFree(memory, file, line);
  return larger;
}

}  // namespace

bool InstallOpenSslWipingAllocator() {
  return CRYPTO_set_mem_functions(WipingMalloc, WipingRealloc, WipingFree) == 1;
}

}  // namespace leasefs
