// Libraries copy: a parser's token buffer, a TLS record, a string that grew. So memory that the daemon frees is wiped.
//
// Two of the three hooks: OpenSSL's allocator is replaced by InstallOpenSslWipingAllocator(); the global operator
// delete is replaced by linking the object library `wiping_new` into an executable. (The third, curl's, belongs to the
// http client, which hands curl the functions below.)
#pragma once

#include <cstddef>

namespace leasefs {

// Before any other call into OpenSSL, else false and nothing is changed. Call once, from main.
[[nodiscard]] bool InstallOpenSslWipingAllocator();

// malloc, calloc, realloc and free for libraries that take them; what is freed, or left by a realloc, is wiped.
void* WipingMalloc(size_t size) noexcept;
void* WipingCalloc(size_t count, size_t size) noexcept;
void* WipingRealloc(void* memory, size_t size) noexcept;
void WipingFree(void* memory) noexcept;

}  // namespace leasefs
