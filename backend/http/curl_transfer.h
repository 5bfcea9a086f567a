// One attempt as curl sees it: the easy handle, the memory that it points into, and the answer as it comes in.
#pragma once

#include <curl/curl.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/http/curl_sockets.h"
#include "backend/http/options.h"
#include "backend/http/transport.h"

namespace leasefs::http {

// Made for one attempt. At a fixed place in memory while the handle is in a multi handle, and destroyed after it has
// been taken out. Not thread-safe.
class CurlTransfer {
 public:
  // `options` must outlive the transfer, `sockets` its connection.
  CurlTransfer(const Attempt& attempt, const TransportOptions& options, CurlSockets& sockets, BootTime now);
  CurlTransfer(const CurlTransfer&) = delete;
  CurlTransfer& operator=(const CurlTransfer&) = delete;

  // Sets the handle up. kInternal: curl has no memory, or lacks an option that safety rests on.
  Status Prepare();
  CURL* handle() const { return easy_.get(); }
  bool sent() const { return Info(CURLINFO_REQUEST_SIZE) > 0; }  // or part of it
  // After curl is done with the handle. Once.
  Outcome Conclude(CURLcode code, BootTime now);

 private:
  struct FreeEasy {
    void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
  };

  template <class T>
  void Set(CURLoption option, T value) {
    settings_ok_ = curl_easy_setopt(easy_.get(), option, value) == CURLE_OK && settings_ok_;
  }
  void SetTarget();
  void SetTls();
  void SetPem();
  void SetBehaviour();
  void SetMethod();
  void SetHeaders();
  long Info(CURLINFO info) const;

  static CURLcode OnTlsContext(CURL* easy, void* context, void* self) noexcept;
  static size_t OnHeader(char* data, size_t size, size_t count, void* self) noexcept;
  static size_t OnBody(char* data, size_t size, size_t count, void* self) noexcept;
  static int OnRequest(void* self, char* peer, char* local, int peer_port, int local_port) noexcept;
  bool TakeHeader(std::string_view line);
  bool TakeBody(std::string_view piece);
  bool Refuse(ErrorKind kind, std::string_view what);  // false, which ends the transfer
  Outcome Failure(CURLcode code);

  const Address address_;
  const std::string path_;
  const std::shared_ptr<const Request> request_;
  const bool fresh_connection_;
  const TransportOptions& options_;
  const std::shared_ptr<const TlsPem> pem_;
  CurlSockets& sockets_;

  // curl copies none of these.
  SecretBuffer header_text_;
  std::vector<curl_slist> header_list_;
  std::string connect_to_text_;
  curl_slist connect_to_{};
  std::array<char, CURL_ERROR_SIZE> details_{};
  std::unique_ptr<CURL, FreeEasy> easy_;  // after what it points into
  bool settings_ok_ = true;

  Response response_;
  size_t header_bytes_ = 0;
  bool headers_complete_ = false;
  int times_sent_ = 0;
  bool kept_connection_ = false;
  std::optional<Error> refusal_;
};

}  // namespace leasefs::http
