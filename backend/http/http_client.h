// HttpClient: requests to one server that has one or more addresses.
//
// It keeps to a preferred address until that fails by transport, then turns to the next; lets an address that failed
// rest (AddressHealth); follows one redirect to another configured address; waits as 429 and 503 with a Retry-After
// ask; and bounds how many requests are on their way at once. What an answer means is its user's business: every status
// but a redirect's is a Response.
//
// On the loop's thread only; nothing blocks. Time and chance come from the loop, so that with a scripted Transport all
// of it runs in simulated time.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backend/http/address_health.h"
#include "backend/http/in_flight.h"
#include "backend/http/lanes.h"
#include "backend/http/message.h"
#include "backend/http/options.h"
#include "backend/http/transport.h"
#include "fs/base/loop.h"

namespace leasefs::http {

// For `status`.
struct AddressReport {
  std::string address;
  bool preferred = false;
  Breaker breaker = Breaker::kClosed;
  uint32_t failures_in_a_row = 0;
  BootTime ready_at;       // when the next attempt may begin, or might have; kNever while one is on trial (half-open)
  std::string last_error;  // "" since the last answer
};

class HttpClient {
 public:
  using RequestId = uint64_t;  // never 0, never used again
  // The error's kind: kUnreachable (no answer by the deadline, or none to be expected), kRemote (TLS, a redirect that
  // is not followed, not HTTP), kTooLarge, kInvalid (the request cannot be sent), kInternal. Its message names hosts
  // and what to do, never a header's value or a body. `in_doubt`, of an error: it was sent and may have had its effect.
  using Callback = std::function<void(Result<Response> result, bool in_doubt)>;

  // The real one. `loop` must outlive the client. kInvalid from CheckOptions, which reads files; kInternal.
  static Result<std::unique_ptr<HttpClient>> Create(const Options& options, FdLoop& loop);
  // Over any transport. `options` have been checked.
  HttpClient(ClientOptions options, Loop& loop, std::unique_ptr<Transport> transport);
  ~HttpClient();  // no callback runs after this; one that is running may cause it
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // `done` runs once, on the loop's thread, never within Send, at the latest at the request's deadline.
  RequestId Send(Request request, Callback done);
  // `done` will not run. What was sent may have had its effect. Unknown and finished are no error.
  void Cancel(RequestId id);

  // Another address than this is preferred from now on, if there is one: for answers that say so (sealed, standby).
  void Avoid(std::string_view address);

  // A renewed certificate, for connections from now on. kInvalid from CheckPem: nothing has changed.
  Status UsePem(std::shared_ptr<const TlsPem> pem);

  std::vector<AddressReport> Addresses() const;
  size_t in_flight() const { return in_flight_.count(); }
  size_t waiting() const;

 private:
  struct Server {
    Address address;
    AddressHealth health;
    std::optional<Error> last_error;  // since the last answer
    BootTime answered_at;
    bool distrust_connections = false;  // one of them was silent until a deadline
  };
  struct Exchange;

  void Refuse(RequestId id, Error error);
  // Starts what may start, in order, and sees to it that it runs again when more may. Runs no callback of a user.
  void Pump();
  bool TryToStart(RequestId id, Exchange& exchange);
  bool EnterLane(RequestId id, Exchange& exchange);  // false: it waits until LeaveLane lets it in
  void Await(RequestId id, Exchange& exchange);
  void LeaveLane(RequestId id, Exchange& exchange);
  void Rejoin(RequestId id, Exchange& exchange);  // after a Retry-After
  void Start(RequestId id, Exchange& exchange, size_t server, bool fresh_connection);
  void OnHeldUp(RequestId id);
  void EndAttempt(Exchange& exchange, bool answered);
  void OnOutcome(RequestId id, Outcome outcome);
  void OnDeadline(RequestId id);
  void Queue(RequestId id, Exchange& exchange);
  void Unqueue(RequestId id, const Exchange& exchange);
  bool HoldBack(RequestId id, const Exchange& exchange);  // when its group has no room
  void Release(const std::string& group);                 // as many as there is room for now
  // The last thing that its caller does, as is all that ends in it: these four.
  void Finish(RequestId id, Result<Response> result);
  void OnResponse(RequestId id, Exchange& exchange, Response response);
  void OnFailure(RequestId id, Exchange& exchange, Outcome outcome);
  void Redirect(RequestId id, Exchange& exchange, const Response& response);
  bool WaitAsAsked(RequestId id, Exchange& exchange, const Response& response);

  // When the exchange can start next. kNever: no address is left for it. What cannot start before its deadline ends
  // soon.
  BootTime NextStart(const Exchange& exchange) const;
  bool IsHopeless(const Exchange& exchange) const;
  void FinishHopelessSoon();
  void FinishHopeless();
  Error NoAnswer() const;

  const ClientOptions options_;
  Loop& loop_;
  std::vector<Server> servers_;
  size_t preferred_ = 0;

  std::map<RequestId, std::unique_ptr<Exchange>> exchanges_;
  std::deque<RequestId> waiting_;                           // for an address, or for a place among max_in_flight
  std::map<std::string, std::deque<RequestId>> held_back_;  // by group, which has no room: never empty
  Lanes lanes_;                                             // what is let in there is one of them
  InFlight in_flight_;
  RequestId next_request_ = 1;
  Loop::TimerId pump_timer_ = Loop::kNoTimer;
  Loop::TimerId hopeless_timer_ = Loop::kNoTimer;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // a callback may destroy us
  std::unique_ptr<Transport> transport_;                        // last: its calls end before what they would call
};

}  // namespace leasefs::http
