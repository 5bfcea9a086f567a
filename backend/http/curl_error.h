// Why an attempt failed, in words, from what curl and OpenSSL tell.
#pragma once

#include <curl/curl.h>

#include <string_view>

#include "backend/http/options.h"
#include "fs/base/address.h"
#include "fs/base/result.h"

namespace leasefs::http {

struct CurlFailure {
  CURLcode code = CURLE_OK;
  long verify_result = 0;    // X509_V_*
  std::string_view details;  // curl's error buffer: looked at for words of OpenSSL, never shown
};

// kUnreachable where nothing or no whole answer came, kRemote where the other side is not what it should be.
Error ExplainFailure(const CurlFailure& failure, const Address& address, const TransportOptions& options);

}  // namespace leasefs::http
