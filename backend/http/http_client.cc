#include "backend/http/http_client.h"

#include <algorithm>
#include <utility>

#include "backend/http/curl_transport.h"
#include "backend/http/exchange.h"
#include "fs/base/strings.h"

namespace leasefs::http {

Result<std::unique_ptr<HttpClient>> HttpClient::Create(const Options& options, FdLoop& loop) {
  LEASEFS_RETURN_IF_ERROR(CheckOptions(options));
  LEASEFS_ASSIGN_OR_RETURN(transport, CurlTransport::Create(options.transport, options.client.max_in_flight, loop));
  return std::make_unique<HttpClient>(options.client, loop, std::move(transport));
}

HttpClient::HttpClient(ClientOptions options, Loop& loop, std::unique_ptr<Transport> transport)
    : options_(std::move(options)),
      loop_(loop),
      lanes_(options_.max_in_flight),
      in_flight_(options_.max_in_flight),
      transport_(std::move(transport)) {
  for (const Address& address : options_.addresses) {
    servers_.push_back(
        {.address = address, .health = AddressHealth(options_.health), .last_error = {}, .answered_at = {}});
  }
}

HttpClient::~HttpClient() {
  for (auto& [id, exchange] : exchanges_) {
    loop_.Cancel(exchange->deadline_timer);
    loop_.Cancel(exchange->wait_timer);
    loop_.Cancel(exchange->held_up_timer);
  }
  loop_.Cancel(pump_timer_);
  loop_.Cancel(hopeless_timer_);
}

HttpClient::RequestId HttpClient::Send(Request request, Callback done) {
  const RequestId id = next_request_++;
  auto& exchange = *(exchanges_[id] = std::make_unique<Exchange>());
  exchange.done = std::move(done);
  if (Status sendable = CheckRequest(request); !sendable.ok()) {
    Refuse(id, std::move(sendable).error());
    return id;
  }
  if (waiting() >= options_.max_waiting) {
    Refuse(id, Error(ErrorKind::kUnreachable, StrCat(waiting(), " requests are waiting already")));
    return id;
  }
  const BootTime now = loop_.Now();
  exchange.deadline = request.deadline == kNever ? now + options_.total_timeout : request.deadline;
  exchange.request = std::make_shared<const Request>(std::move(request));
  exchange.given_up.resize(servers_.size());
  exchange.deadline_timer = loop_.At(exchange.deadline, [this, id] { OnDeadline(id); });
  if (EnterLane(id, exchange)) {
    Await(id, exchange);
    Pump();
  }
  return id;
}

bool HttpClient::EnterLane(RequestId id, Exchange& exchange) {
  const std::string& lane = exchange.request->lane;
  exchange.in_lane = !lane.empty() && lanes_.Enter(lane, id);
  return lane.empty() || exchange.in_lane;
}

void HttpClient::Await(RequestId id, Exchange& exchange) {
  waiting_.push_back(id);
  if (IsHopeless(exchange)) FinishHopelessSoon();
}

void HttpClient::LeaveLane(RequestId id, Exchange& exchange) {
  if (exchange.request == nullptr || exchange.request->lane.empty()) return;
  if (!std::exchange(exchange.in_lane, false)) return lanes_.GiveUp(exchange.request->lane, id);
  const auto next = lanes_.Leave(exchange.request->lane);
  if (!next) return;
  Exchange& admitted = *exchanges_.at(*next);
  admitted.in_lane = true;
  Await(*next, admitted);
}

// The deadline's timer serves for it: it is cancelled with the exchange.
void HttpClient::Refuse(RequestId id, Error error) {
  exchanges_.at(id)->deadline_timer =
      loop_.After(Duration(0), [this, id, error = std::move(error)] { Finish(id, error); });
}

void HttpClient::Cancel(RequestId id) {
  const auto found = exchanges_.find(id);
  if (found == exchanges_.end()) return;
  const std::unique_ptr<Exchange> exchange = std::move(found->second);
  exchanges_.erase(found);
  loop_.Cancel(exchange->deadline_timer);
  loop_.Cancel(exchange->wait_timer);
  if (exchange->request) Unqueue(id, *exchange);
  if (exchange->call != 0) {
    transport_->Abort(exchange->call);
    servers_[exchange->server].health.Abandoned(exchange->era);
    EndAttempt(*exchange, false);
  }
  LeaveLane(id, *exchange);
  Pump();
}

void HttpClient::Avoid(std::string_view address) {
  if (servers_[preferred_].address.Text() == address) preferred_ = (preferred_ + 1) % servers_.size();
}

Status HttpClient::UsePem(std::shared_ptr<const TlsPem> pem) {
  if (pem != nullptr) LEASEFS_RETURN_IF_ERROR(CheckPem(*pem));
  transport_->UsePem(std::move(pem));
  return Ok();
}

std::vector<AddressReport> HttpClient::Addresses() const {
  std::vector<AddressReport> reports;
  for (size_t i = 0; i < servers_.size(); ++i) {
    const Server& server = servers_[i];
    reports.push_back({.address = server.address.Text(),
                       .preferred = i == preferred_,
                       .breaker = server.health.breaker(),
                       .failures_in_a_row = server.health.failures_in_a_row(),
                       .ready_at = server.health.ReadyAt(),
                       .last_error = server.last_error ? server.last_error->message() : ""});
  }
  return reports;
}

void HttpClient::Pump() {
  loop_.Cancel(std::exchange(pump_timer_, Loop::kNoTimer));
  const BootTime now = loop_.Now();
  const auto is_ready = [now](const Server& server) { return server.health.ReadyAt() <= now; };
  for (auto id = waiting_.begin(); id != waiting_.end();) {
    if (in_flight_.IsFull() || std::ranges::none_of(servers_, is_ready)) break;
    Exchange& exchange = *exchanges_.at(*id);
    id = HoldBack(*id, exchange) || TryToStart(*id, exchange) ? waiting_.erase(id) : id + 1;
  }
  if (waiting_.empty() || in_flight_.IsFull()) return;
  // Those that wait now wait for a server that rests; every end of an attempt brings us here, too.
  BootTime next = kNever;
  for (const Server& server : servers_) {
    if (server.health.ReadyAt() > now) next = std::min(next, server.health.ReadyAt());
  }
  if (next == kNever) return;
  pump_timer_ = loop_.At(next, [this] {
    pump_timer_ = Loop::kNoTimer;
    Pump();
  });
}

bool HttpClient::TryToStart(RequestId id, Exchange& exchange) {
  const BootTime now = loop_.Now();
  if (exchange.deadline <= now) return false;  // its timer is due: nobody would get what it causes
  for (size_t i = 0; i < servers_.size(); ++i) {
    const size_t server = (preferred_ + i) % servers_.size();
    if (exchange.given_up[server] || servers_[server].health.ReadyAt() > now) continue;
    exchange.path = exchange.request->path;
    exchange.redirected = false;
    Start(id, exchange, server, std::exchange(servers_[server].distrust_connections, false));
    return true;
  }
  return false;
}

void HttpClient::Queue(RequestId id, Exchange& exchange) {
  exchange.call = 0;
  waiting_.push_front(id);  // it has waited longest, or nearly
  Pump();
  if (exchange.call == 0 && IsHopeless(exchange)) FinishHopelessSoon();
}

void HttpClient::Unqueue(RequestId id, const Exchange& exchange) {
  std::erase(waiting_, id);
  const auto held = held_back_.find(exchange.request->group);
  if (held == held_back_.end()) return;
  std::erase(held->second, id);
  if (held->second.empty()) held_back_.erase(held);
}

bool HttpClient::HoldBack(RequestId id, const Exchange& exchange) {
  if (in_flight_.RoomOf(exchange.request->group) > 0) return false;
  held_back_[exchange.request->group].push_back(id);
  return true;
}

void HttpClient::Release(const std::string& group) {
  const auto held = held_back_.find(group);
  if (held == held_back_.end()) return;
  std::deque<RequestId>& ids = held->second;
  const auto end = ids.begin() + static_cast<ptrdiff_t>(std::min(in_flight_.RoomOf(group), ids.size()));
  waiting_.insert(waiting_.begin(), ids.begin(), end);
  ids.erase(ids.begin(), end);
  if (ids.empty()) held_back_.erase(held);
}

size_t HttpClient::waiting() const {
  size_t held_back = 0;
  for (const auto& [group, ids] : held_back_) held_back += ids.size();
  return waiting_.size() + lanes_.waiting() + held_back;
}

// Its place in the lane is another's meanwhile.
void HttpClient::Rejoin(RequestId id, Exchange& exchange) {
  exchange.wait_timer = Loop::kNoTimer;
  if (EnterLane(id, exchange)) Queue(id, exchange);
}

void HttpClient::Finish(RequestId id, Result<Response> result) {
  const std::unique_ptr<Exchange> exchange = std::move(exchanges_.extract(id).mapped());
  loop_.Cancel(exchange->deadline_timer);
  loop_.Cancel(exchange->wait_timer);
  LeaveLane(id, *exchange);
  Pump();
  const bool in_doubt = !result.ok() && exchange->in_doubt;
  exchange->done(std::move(result), in_doubt);
}

void HttpClient::OnDeadline(RequestId id) {
  Exchange& exchange = *exchanges_.at(id);
  Unqueue(id, exchange);
  if (exchange.call == 0) {
    const bool failed = std::ranges::any_of(servers_, [](const Server& s) { return s.last_error.has_value(); });
    if (failed) return Finish(id, NoAnswer());
    const bool confined = in_flight_.RoomOf(exchange.request->group) == 0;
    return Finish(id, Error(ErrorKind::kUnreachable, StrCat("the deadline passed before the request could be sent: ",
                                                            confined ? "others of the same mount hang at the server"
                                                                     : "too many wait")));
  }
  exchange.in_doubt |= transport_->Abort(exchange.call);
  EndAttempt(exchange, false);
  Server& server = servers_[exchange.server];
  server.health.Abandoned(exchange.era);
  // A path may be slow by itself. But where nothing else was answered meanwhile, the server or the connection is stuck.
  if (server.answered_at < exchange.began) {
    server.distrust_connections = true;
    if (exchange.server == preferred_) preferred_ = (preferred_ + 1) % servers_.size();
  }
  Finish(id, Error(ErrorKind::kUnreachable, StrCat(server.address.HostAndPort(),
                                                   ": no complete answer by the deadline: the server, or what it "
                                                   "asks, is slow or hangs")));
}

BootTime HttpClient::NextStart(const Exchange& exchange) const {
  BootTime next = kNever;
  for (size_t i = 0; i < servers_.size(); ++i) {
    if (exchange.given_up[i]) continue;
    // While one alone is on trial, it may end at any time.
    const BootTime ready_at = servers_[i].health.ReadyAt();
    next = std::min(next, ready_at == kNever ? loop_.Now() : ready_at);
  }
  return next;
}

bool HttpClient::IsHopeless(const Exchange& exchange) const {
  return NextStart(exchange) >= std::min(exchange.deadline, Later(loop_.Now(), exchange.request->patience));
}

void HttpClient::FinishHopelessSoon() {
  if (hopeless_timer_ != Loop::kNoTimer) return;
  hopeless_timer_ = loop_.After(Duration(0), [this] {
    hopeless_timer_ = Loop::kNoTimer;
    FinishHopeless();
  });
}

// What cannot start in time ends now, so that an old copy can be served at once.
void HttpClient::FinishHopeless() {
  std::vector<RequestId> hopeless;
  for (const auto& [id, exchange] : exchanges_) {
    const bool waits = exchange->request && exchange->call == 0 && exchange->wait_timer == Loop::kNoTimer;
    if (waits && IsHopeless(*exchange)) hopeless.push_back(id);
  }
  const auto is_hopeless = [&](RequestId id) { return std::ranges::binary_search(hopeless, id); };
  std::erase_if(waiting_, is_hopeless);
  for (auto& [group, ids] : held_back_) std::erase_if(ids, is_hopeless);
  std::erase_if(held_back_, [](const auto& item) { return item.second.empty(); });
  const std::weak_ptr<bool> alive = alive_;
  for (const RequestId id : hopeless) {
    const auto found = exchanges_.find(id);
    if (found == exchanges_.end()) continue;
    if (found->second->in_lane) std::erase(waiting_, id);  // the end of another let it in meanwhile
    Finish(id, NoAnswer());
    if (alive.expired()) return;
  }
}

Error HttpClient::NoAnswer() const {
  auto kind = ErrorKind::kRemote;
  std::string message;
  BootTime ready_at = kNever;
  for (const Server& server : servers_) {
    ready_at = std::min(ready_at, server.health.ReadyAt());
    if (!server.last_error) continue;
    if (server.last_error->kind() != ErrorKind::kRemote) kind = ErrorKind::kUnreachable;
    message += StrCat(message.empty() ? "" : "; ", server.last_error->message());
  }
  if (ready_at != kNever && ready_at > loop_.Now()) {
    const auto wait = std::chrono::ceil<std::chrono::seconds>(ready_at - loop_.Now());
    message += StrCat(" (next attempt in ", wait.count(), " s)");
    return Error(kind, std::move(message)).RetryAt(ready_at);
  }
  return {kind, std::move(message)};
}

}  // namespace leasefs::http
