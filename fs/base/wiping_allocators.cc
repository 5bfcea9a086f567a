#include "fs/base/wiping_allocators.h"

#include <malloc.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace leasefs {
namespace {

void* OpenSslMalloc(size_t size, const char* /*file*/, int /*line*/) {
  return WipingMalloc(size);
}

void OpenSslFree(void* memory, const char* /*file*/, int /*line*/) {
  WipingFree(memory);
}

void* OpenSslRealloc(void* memory, size_t size, const char* /*file*/, int /*line*/) {
  return WipingRealloc(memory, size);
}

}  // namespace

void* WipingMalloc(size_t size) noexcept {
  return std::malloc(size);
}

void* WipingCalloc(size_t count, size_t size) noexcept {
  return std::calloc(count, size);
}

void WipingFree(void* memory) noexcept {
  if (memory == nullptr) return;
  explicit_bzero(memory, malloc_usable_size(memory));
  std::free(memory);
}

void* WipingRealloc(void* memory, size_t size) noexcept {
  if (memory == nullptr) return std::malloc(size);
  if (size == 0) {
    WipingFree(memory);
    return nullptr;
  }
  size_t old_size = malloc_usable_size(memory);
  if (size <= old_size && size >= old_size / 2) return memory;
  void* larger = std::malloc(size);
  if (larger == nullptr) return nullptr;
  std::memcpy(larger, memory, std::min(size, old_size));
  WipingFree(memory);
  return larger;
}

bool InstallOpenSslWipingAllocator() {
  return CRYPTO_set_mem_functions(OpenSslMalloc, OpenSslRealloc, OpenSslFree) == 1;
}

}  // namespace leasefs
