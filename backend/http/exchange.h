// One request on its way, as HttpClient keeps it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backend/http/http_client.h"

namespace leasefs::http {

struct HttpClient::Exchange {
  std::shared_ptr<const Request> request;
  Callback done;
  BootTime deadline;
  Loop::TimerId deadline_timer = Loop::kNoTimer;
  bool in_lane = false;        // it was let in
  std::vector<bool> given_up;  // by index of the server: it failed in a way that does not pass, such as its certificate

  // Of the attempt in flight, or the last one.
  Transport::CallId call = 0;  // 0: none is in flight
  size_t server = 0;
  AddressHealth::Era era = 0;
  BootTime began;
  std::string path;
  bool redirected = false;
  bool retried_fresh = false;
  bool in_doubt = false;  // an attempt was sent and got no answer
  Loop::TimerId held_up_timer = Loop::kNoTimer;  // kNoTimer in flight: it is held up

  Loop::TimerId wait_timer = Loop::kNoTimer;  // for Retry-After
  int waits = 0;
};

}  // namespace leasefs::http
