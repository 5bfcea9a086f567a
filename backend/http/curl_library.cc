#include "backend/http/curl_library.h"

#include <curl/curl.h>

#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>

#include "fs/base/strings.h"
#include "fs/base/wiping_allocators.h"

namespace leasefs::http {
namespace {

char* WipingStrdup(const char* text) {
  const size_t size = std::strlen(text) + 1;
  void* copy = WipingMalloc(size);
  return copy == nullptr ? nullptr : static_cast<char*>(std::memcpy(copy, text, size));
}

std::string SetUp() {
  // SECURITY: with this variable curl writes the keys of its TLS sessions to a file.
  unsetenv("SSLKEYLOGFILE");
  if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, WipingMalloc, WipingFree, WipingRealloc, WipingStrdup, WipingCalloc) !=
      CURLE_OK) {
    return "libcurl cannot be set up";
  }
  const curl_version_info_data* curl = curl_version_info(CURLVERSION_NOW);
  if ((curl->features & CURL_VERSION_SSL) == 0) return "this libcurl has no TLS";
  if ((curl->features & CURL_VERSION_ASYNCHDNS) == 0) return "this libcurl would block on DNS";
  // 7.87: CURLOPT_QUICK_EXIT, without which a silent DNS server blocks us for seconds.
  if (curl->version_num < 0x075700) return StrCat("libcurl ", curl->version, " is older than 7.87");
  return "";
}

}  // namespace

Status SetUpCurl() {
  static std::once_flag once;
  static std::string problem;
  std::call_once(once, [] { problem = SetUp(); });
  if (!problem.empty()) return Error(ErrorKind::kInternal, problem);
  return Ok();
}

}  // namespace leasefs::http
