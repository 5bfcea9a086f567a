// What becomes of an attempt: an answer, a redirect, a wait, another attempt, an error.
#include <algorithm>
#include <utility>

#include "backend/http/exchange.h"
#include "backend/http/http_client.h"
#include "backend/http/redirect.h"
#include "backend/http/retry_after.h"
#include "fs/base/strings.h"

namespace leasefs::http {
namespace {

constexpr int kMaxWaits = 3;  // of one request, for Retry-After

}  // namespace

void HttpClient::Start(RequestId id, Exchange& exchange, size_t server, bool fresh_connection) {
  exchange.server = server;
  exchange.began = loop_.Now();
  exchange.era = servers_[server].health.Begin();
  in_flight_.Begin(exchange.request->group);
  exchange.held_up_timer = loop_.After(InFlight::kHeldUpAfter, [this, id] { OnHeldUp(id); });
  exchange.call = transport_->Start({.address = servers_[server].address,
                                     .path = exchange.path,
                                     .request = exchange.request,
                                     .fresh_connection = fresh_connection},
                                    [this, id](Outcome outcome) { OnOutcome(id, std::move(outcome)); });
}

void HttpClient::OnHeldUp(RequestId id) {
  Exchange& exchange = *exchanges_.at(id);
  exchange.held_up_timer = Loop::kNoTimer;
  in_flight_.HeldUp(exchange.request->group);
  Release(exchange.request->group);
  Pump();
}

void HttpClient::EndAttempt(Exchange& exchange, bool answered) {
  exchange.call = 0;
  const Loop::TimerId timer = std::exchange(exchange.held_up_timer, Loop::kNoTimer);
  loop_.Cancel(timer);
  in_flight_.End(exchange.request->group, timer == Loop::kNoTimer, answered);
  Release(exchange.request->group);
}

void HttpClient::OnOutcome(RequestId id, Outcome outcome) {
  Exchange& exchange = *exchanges_.at(id);
  EndAttempt(exchange, outcome.response.ok());
  if (!outcome.response.ok()) return OnFailure(id, exchange, std::move(outcome));
  Server& server = servers_[exchange.server];
  server.health.Succeeded(exchange.era);
  server.last_error.reset();
  server.answered_at = loop_.Now();
  // The preferred one failed, or this would not have come here.
  if (!exchange.redirected && servers_[preferred_].health.failures_in_a_row() > 0) preferred_ = exchange.server;
  OnResponse(id, exchange, std::move(outcome.response).value());
}

void HttpClient::OnResponse(RequestId id, Exchange& exchange, Response response) {
  if (IsRedirect(response.status)) return Redirect(id, exchange, response);
  response.retry_after = ParseRetryAfter(response.Header("retry-after"), response.Header("date"), loop_.WallNow(),
                                         options_.max_retry_after);
  if (WaitAsAsked(id, exchange, response)) return;
  Finish(id, std::move(response));
}

void HttpClient::Redirect(RequestId id, Exchange& exchange, const Response& response) {
  const std::string from = servers_[exchange.server].address.HostAndPort();
  if (exchange.redirected) {
    return Finish(id, Error(ErrorKind::kRemote, StrCat(from, " answered ", response.status,
                                                       ": a redirect after a redirect; one is followed")));
  }
  auto target = FollowRedirect(response, options_.addresses, exchange.server, exchange.path);
  if (!target.ok()) return Finish(id, std::move(target).error());
  const Server& server = servers_[target->address];
  if (server.health.ReadyAt() > loop_.Now()) {
    return Finish(id, Error(ErrorKind::kUnreachable,
                            StrCat(from, " sends us to ", server.address.HostAndPort(), ", which failed a moment ago",
                                   server.last_error ? StrCat(": ", server.last_error->message()) : "")));
  }
  exchange.redirected = true;
  exchange.path = std::move(target->path);
  Start(id, exchange, target->address, false);
  Pump();
}

// 429 is refused before anything is done (a quota). 503 may come from something in between, when much may have been
// done.
bool HttpClient::WaitAsAsked(RequestId id, Exchange& exchange, const Response& response) {
  const bool may_repeat = response.status == 429 || (response.status == 503 && exchange.request->repeatable);
  if (!may_repeat || !response.retry_after || exchange.waits == kMaxWaits) return false;
  const Duration asked = std::max(*response.retry_after, options_.health.backoff_floor);
  // So that all who were sent away do not come back in one moment.
  const Duration jitter(loop_.random().Below(static_cast<uint64_t>(asked.count()) / 8 + 1));
  const BootTime when = loop_.Now() + asked + jitter;
  if (when >= exchange.deadline) return false;
  ++exchange.waits;
  exchange.wait_timer = loop_.At(when, [this, id] { Rejoin(id, *exchanges_.at(id)); });
  LeaveLane(id, exchange);
  Pump();
  return true;
}

void HttpClient::OnFailure(RequestId id, Exchange& exchange, Outcome outcome) {
  Server& server = servers_[exchange.server];
  Error error = std::move(outcome.response).error();
  exchange.in_doubt |= outcome.sent;
  if (outcome.address_failed) {
    server.health.Failed(exchange.era, loop_.Now(), loop_.random());
    server.last_error = error;
    FinishHopelessSoon();
  } else if (outcome.sent && !outcome.stale_connection) {
    server.health.Succeeded(exchange.era);  // an answer came, but not one to take
    server.answered_at = loop_.Now();
  } else {
    server.health.Abandoned(exchange.era);
  }
  if (!outcome.address_failed && !outcome.stale_connection) return Finish(id, std::move(error));
  if (outcome.sent && !exchange.request->repeatable) {
    return Finish(id, Error(error.kind(), StrCat(error.message(), "; the server may have done what it was asked")));
  }
  if (outcome.stale_connection && !std::exchange(exchange.retried_fresh, true)) {
    Start(id, exchange, exchange.server, true);
    return Pump();
  }
  if (error.kind() == ErrorKind::kRemote) exchange.given_up[exchange.server] = true;
  if (std::ranges::count(exchange.given_up, false) == 0) return Finish(id, NoAnswer());
  Queue(id, exchange);
}

}  // namespace leasefs::http
