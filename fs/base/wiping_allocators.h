// Libraries copy: a parser's token buffer, a TLS record, a string that grew. So memory that the daemon frees is wiped.
//
// Two of the three hooks: OpenSSL's allocator is replaced by InstallOpenSslWipingAllocator(); the global operator
// delete is replaced by linking the object library `wiping_new` into an executable. (The third, curl's, belongs to the
// http client.)
#pragma once

namespace leasefs {

// Before any other call into OpenSSL, else false and nothing is changed. Call once, from main.
[[nodiscard]] bool InstallOpenSslWipingAllocator();

}  // namespace leasefs
