// free and realloc of libc for an executable that links this, with the memory wiped: for libraries that take no
// allocator of ours (nghttp2 keeps a token in its header table, a resolver a name). Everything in the process that
// calls free comes here, shared libraries too. Sanitizers bring their own, which must stay.
#ifndef LEASEFS_SANITIZED

#include <malloc.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

extern "C" {

// glibc's own, for those who interpose (its manual, "Replacing malloc").
void __libc_free(void* memory) noexcept;  // NOLINT(bugprone-reserved-identifier)

void free(void* memory) noexcept {
  if (memory == nullptr) return;
  const int saved = errno;  // free keeps it
  explicit_bzero(memory, malloc_usable_size(memory));
  __libc_free(memory);
  errno = saved;
}

// glibc's would move what is there and leave the old place as it is.
void* realloc(void* memory, size_t size) noexcept {
  if (memory == nullptr) return malloc(size);
  if (size == 0) {
    free(memory);
    return nullptr;
  }
  const size_t old_size = malloc_usable_size(memory);
  if (size <= old_size && size >= old_size / 2) return memory;
  void* moved = malloc(size);
  if (moved == nullptr) return nullptr;
  memcpy(moved, memory, size < old_size ? size : old_size);
  free(memory);
  return moved;
}

}  // extern "C"

#endif  // LEASEFS_SANITIZED
