// The Transport of the daemon: curl_multi on an FdLoop.
#pragma once

#include <curl/curl.h>

#include <memory>
#include <set>
#include <unordered_map>
#include <vector>

#include "backend/http/curl_transfer.h"
#include "backend/http/transport.h"
#include "fs/base/loop.h"

namespace leasefs::http {

// Everything on the loop's thread; blocks on nothing but the files of certificates and authorities, which OpenSSL reads
// for new connections (names are resolved by a thread of curl's). Connections are kept and shared.
class CurlTransport final : public Transport {
 public:
  // `loop` must outlive the transport. kInternal when curl is missing something.
  static Result<std::unique_ptr<CurlTransport>> Create(const TransportOptions& options, size_t max_in_flight,
                                                       FdLoop& loop);
  ~CurlTransport() override;

  CallId Start(const Attempt& attempt, Callback done) override;
  bool Abort(CallId id) override;
  void UsePem(std::shared_ptr<const TlsPem> pem) override { options_.tls.pem = std::move(pem); }

 private:
  struct Call {
    std::unique_ptr<CurlTransfer> transfer;  // none when it could not even begin
    Callback done;
  };
  struct FreeMulti {
    void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
  };

  CurlTransport(const TransportOptions& options, FdLoop& loop, CURLM* multi)
      : options_(options), loop_(loop), multi_(multi) {}
  bool Configure(size_t max_in_flight);

  static int OnSocket(CURL* easy, curl_socket_t fd, int what, void* self, void* per_socket) noexcept;
  static int OnTimer(CURLM* multi, long milliseconds, void* self) noexcept;
  void WatchSocket(curl_socket_t fd, int what);
  void SetTimer(long milliseconds);
  void Begin();
  void Act(curl_socket_t fd, int ready);
  void DeliverFinished();
  void TrimLater();

  TransportOptions options_;  // constant but for tls.pem
  FdLoop& loop_;
  CurlSockets sockets_;
  std::set<curl_socket_t> watched_;  // before multi_, whose end unwatches
  Loop::TimerId timer_ = Loop::kNoTimer;
  Loop::TimerId trim_timer_ = Loop::kNoTimer;
  std::unique_ptr<CURLM, FreeMulti> multi_;
  std::unordered_map<CallId, Call> calls_;
  std::unordered_map<CURL*, CallId> by_handle_;
  CallId next_call_ = 1;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // a callback may destroy us
};

}  // namespace leasefs::http
