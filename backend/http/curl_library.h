// libcurl for the whole process, set up once with memory that is wiped when it is freed.
#pragma once

#include "fs/base/result.h"

namespace leasefs::http {

// Idempotent; any thread. The first call comes after InstallOpenSslWipingAllocator, since curl sets up OpenSSL, and
// before threads that read the environment. kInternal when curl cannot be set up or lacks TLS.
//
// What curl and OpenSSL allocate is wiped when it is freed. What that leaves: nghttp2 takes no allocator from
// curl 7.88, so the token in its header table is wiped only in an executable that links leasefs_wiping_free; and while
// an HTTP/2 connection is open, that table holds tokens and curl's buffers the last answers, which may have ended
// since. HTTP/1.1 keeps neither: tests/integration/vault_canary_test.py looks.
//
// The process ignores SIGPIPE: OpenSSL writes to connections that may have ended.
Status SetUpCurl();

}  // namespace leasefs::http
