// libcurl for the whole process, set up once with memory that is wiped when it is freed.
#pragma once

#include "fs/base/result.h"

namespace leasefs::http {

// Idempotent; any thread. The first call comes after InstallOpenSslWipingAllocator, since curl sets up OpenSSL, and
// before threads that read the environment. kInternal when curl cannot be set up or lacks TLS.
//
// What curl and OpenSSL allocate is wiped when it is freed. nghttp2 brings memory of its own, in which a token lies
// while an HTTP/2 connection is open (its header table) and, unwiped, after that: whoever minds turns http2 off.
Status SetUpCurl();

}  // namespace leasefs::http
