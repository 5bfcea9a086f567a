// The global operator new and delete of an executable that links this: malloc and free, with the memory wiped in
// between. Sanitizers bring their own, which must stay.
#ifndef LEASEFS_SANITIZED

#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

namespace {

void* AllocateOrNull(std::size_t size, std::size_t alignment) noexcept {
  if (size == 0) size = 1;
  if (alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__) return std::malloc(size);
  void* memory = nullptr;
  return posix_memalign(&memory, std::max(alignment, sizeof(void*)), size) == 0 ? memory : nullptr;
}

void* Allocate(std::size_t size, std::size_t alignment) {
  for (;;) {
    void* memory = AllocateOrNull(size, alignment);
    if (memory != nullptr) return memory;
    std::new_handler handler = std::get_new_handler();
    if (handler == nullptr) throw std::bad_alloc();
    handler();
  }
}

void* AllocateNothrow(std::size_t size, std::size_t alignment) noexcept {
  try {
    return Allocate(size, alignment);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

void WipeAndFree(void* memory) noexcept {
  if (memory == nullptr) return;
  explicit_bzero(memory, malloc_usable_size(memory));
  std::free(memory);
}

constexpr std::size_t kDefault = __STDCPP_DEFAULT_NEW_ALIGNMENT__;
constexpr std::size_t Number(std::align_val_t alignment) {
  return static_cast<std::size_t>(alignment);
}

}  // namespace

void* operator new(std::size_t size) {
  return Allocate(size, kDefault);
}
void* operator new[](std::size_t size) {
  return Allocate(size, kDefault);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  return Allocate(size, Number(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
  return Allocate(size, Number(alignment));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return AllocateNothrow(size, kDefault);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return AllocateNothrow(size, kDefault);
}
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return AllocateNothrow(size, Number(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return AllocateNothrow(size, Number(alignment));
}

void operator delete(void* memory) noexcept {
  WipeAndFree(memory);
}
void operator delete[](void* memory) noexcept {
  WipeAndFree(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  WipeAndFree(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  WipeAndFree(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  WipeAndFree(memory);
}
void operator delete[](void* memory, std::align_val_t) noexcept {
  WipeAndFree(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  WipeAndFree(memory);
}
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept {
  WipeAndFree(memory);
}
void operator delete(void* memory, const std::nothrow_t&) noexcept {
  WipeAndFree(memory);
}
void operator delete[](void* memory, const std::nothrow_t&) noexcept {
  WipeAndFree(memory);
}
void operator delete(void* memory, std::align_val_t, const std::nothrow_t&) noexcept {
  WipeAndFree(memory);
}
void operator delete[](void* memory, std::align_val_t, const std::nothrow_t&) noexcept {
  WipeAndFree(memory);
}

#endif  // LEASEFS_SANITIZED
