#include "backend/http/curl_transport.h"

#include <malloc.h>
#include <sys/epoll.h>

#include <utility>

#include "backend/http/curl_library.h"

namespace leasefs::http {
namespace {

constexpr std::chrono::seconds kTrimAfter{10};  // at most once in that time: it takes some 100 us

}  // namespace

Result<std::unique_ptr<CurlTransport>> CurlTransport::Create(const TransportOptions& options, size_t max_in_flight,
                                                             FdLoop& loop) {
  LEASEFS_RETURN_IF_ERROR(SetUpCurl());
  CURLM* multi = curl_multi_init();
  if (multi == nullptr) return Error(ErrorKind::kInternal, "curl gives no multi handle");
  std::unique_ptr<CurlTransport> transport(new CurlTransport(options, loop, multi));
  if (!transport->Configure(max_in_flight)) return Error(ErrorKind::kInternal, "curl refuses the settings");
  return transport;
}

bool CurlTransport::Configure(size_t max_in_flight) {
  const auto set = [&](CURLMoption option, auto value) {
    return curl_multi_setopt(multi_.get(), option, value) == CURLM_OK;
  };
  return set(CURLMOPT_SOCKETFUNCTION, &CurlTransport::OnSocket) && set(CURLMOPT_SOCKETDATA, static_cast<void*>(this)) &&
         set(CURLMOPT_TIMERFUNCTION, &CurlTransport::OnTimer) && set(CURLMOPT_TIMERDATA, static_cast<void*>(this)) &&
         set(CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_MULTIPLEX)) &&
         set(CURLMOPT_MAXCONNECTS, static_cast<long>(max_in_flight * 2));
}

CurlTransport::~CurlTransport() {
  for (auto& [id, call] : calls_) {
    if (call.transfer != nullptr) curl_multi_remove_handle(multi_.get(), call.transfer->handle());
  }
  calls_.clear();
  multi_.reset();
  for (const curl_socket_t fd : watched_) loop_.Unwatch(fd);
  loop_.Cancel(timer_);
  loop_.Cancel(trim_timer_);
}

Transport::CallId CurlTransport::Start(const Attempt& attempt, Callback done) {
  const CallId id = next_call_++;
  auto transfer = std::make_unique<CurlTransfer>(attempt, options_, sockets_, loop_.Now());
  Status prepared = transfer->Prepare();
  if (prepared.ok() && curl_multi_add_handle(multi_.get(), transfer->handle()) != CURLM_OK) {
    prepared = Error(ErrorKind::kInternal, "curl does not take a request");
  }
  if (!prepared.ok()) {
    calls_.emplace(id, Call{nullptr, std::move(done)});
    loop_.After(Duration(0), [this, id, error = prepared.error(), alive = std::weak_ptr(alive_)] {
      if (alive.expired()) return;
      const auto call = calls_.extract(id);
      if (!call.empty()) call.mapped().done({.response = error});
    });
    return id;
  }
  by_handle_.emplace(transfer->handle(), id);
  calls_.emplace(id, Call{std::move(transfer), std::move(done)});
  Begin();
  return id;
}

// curl would begin at its next timer, a turn of the loop later.
void CurlTransport::Begin() {
  int running = 0;
  curl_multi_socket_action(multi_.get(), CURL_SOCKET_TIMEOUT, 0, &running);
  if (static_cast<size_t>(running) == by_handle_.size()) return;
  // One has ended already. Nobody is told before Start returns.
  loop_.After(Duration(0), [this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) DeliverFinished();
  });
}

bool CurlTransport::Abort(CallId id) {
  const auto call = calls_.extract(id);
  if (call.empty() || call.mapped().transfer == nullptr) return false;
  const bool sent = call.mapped().transfer->sent();
  CURL* handle = call.mapped().transfer->handle();
  by_handle_.erase(handle);
  curl_multi_remove_handle(multi_.get(), handle);
  return sent;
}

int CurlTransport::OnSocket(CURL* /*easy*/, curl_socket_t fd, int what, void* self, void* /*per_socket*/) noexcept {
  static_cast<CurlTransport*>(self)->WatchSocket(fd, what);
  return 0;
}

int CurlTransport::OnTimer(CURLM* /*multi*/, long milliseconds, void* self) noexcept {
  static_cast<CurlTransport*>(self)->SetTimer(milliseconds);
  return 0;
}

void CurlTransport::WatchSocket(curl_socket_t fd, int what) {
  uint32_t events = 0;
  if (what == CURL_POLL_IN || what == CURL_POLL_INOUT) events |= EPOLLIN;
  if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT) events |= EPOLLOUT;
  if (events == 0) {
    watched_.erase(fd);
    loop_.Unwatch(fd);
    return;
  }
  const Status watching = loop_.Watch(fd, events, [this, fd](uint32_t ready) {
    Act(fd, ((ready & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0) | ((ready & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
                ((ready & (EPOLLERR | EPOLLHUP)) != 0 ? CURL_CSELECT_ERR : 0));
  });
  // Not watched, for want of kernel memory: the request ends by its deadline.
  if (watching.ok()) watched_.insert(fd);
}

void CurlTransport::SetTimer(long milliseconds) {
  loop_.Cancel(std::exchange(timer_, Loop::kNoTimer));
  if (milliseconds < 0) return;
  timer_ = loop_.After(std::chrono::milliseconds(milliseconds), [this] {
    timer_ = Loop::kNoTimer;
    Act(CURL_SOCKET_TIMEOUT, 0);
  });
}

void CurlTransport::Act(curl_socket_t fd, int ready) {
  int running = 0;
  curl_multi_socket_action(multi_.get(), fd, ready, &running);
  DeliverFinished();
}

void CurlTransport::DeliverFinished() {
  std::vector<std::pair<CallId, Outcome>> finished;
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    CURL* handle = message->easy_handle;
    const CURLcode code = message->data.result;  // the message ends with the removal
    const CallId id = by_handle_.extract(handle).mapped();
    curl_multi_remove_handle(multi_.get(), handle);
    // The call stays, so that a callback before its own may abort it.
    const auto transfer = std::move(calls_.at(id).transfer);
    finished.emplace_back(id, transfer->Conclude(code, loop_.Now()));
  }
  if (!finished.empty()) TrimLater();
  const std::weak_ptr<bool> alive = alive_;
  for (auto& [id, outcome] : finished) {
    auto call = calls_.extract(id);
    if (!call.empty()) call.mapped().done(std::move(outcome));
    if (alive.expired()) return;
  }
}

// What handshakes and answers took lies between what the connections keep, so that the heap does not shrink by itself:
// 0.6 MiB with ten connections.
void CurlTransport::TrimLater() {
  if (trim_timer_ != Loop::kNoTimer) return;
  trim_timer_ = loop_.After(kTrimAfter, [this] {
    trim_timer_ = Loop::kNoTimer;
    malloc_trim(0);
  });
}

}  // namespace leasefs::http
