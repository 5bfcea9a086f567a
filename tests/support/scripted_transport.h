// A Transport for simulated time: a function decides what becomes of each attempt, and when.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "backend/http/transport.h"
#include "fs/base/loop.h"
#include "fs/base/strings.h"

namespace leasefs::test {

inline http::Outcome Answered(int status, std::vector<http::ResponseHeader> headers = {}) {
  http::Response response;
  response.status = status;
  response.headers = std::move(headers);
  return {.response = std::move(response)};
}
inline http::Outcome Unreachable(bool sent = false, bool stale = false) {
  return {.response = Error(ErrorKind::kUnreachable, "it failed"),
          .sent = sent,
          .stale_connection = stale,
          .address_failed = !stale};
}

class ScriptedTransport : public http::Transport {
 public:
  struct Seen {
    std::string url;
    http::Method method;
    std::string body;
    std::map<std::string, std::string> headers;
    bool fresh_connection;
    BootTime at;
  };
  struct Reply {
    http::Outcome outcome;
    Duration after = std::chrono::milliseconds(1);  // kSilence: never
  };
  static constexpr Duration kSilence = Duration::max();
  using Script = std::function<Reply(const http::Attempt&)>;

  // The record outlives the client that owns the transport.
  struct Record {
    std::vector<Seen> attempts;
    size_t open = 0;
    size_t most_open = 0;
    size_t aborted = 0;
    std::shared_ptr<const http::TlsPem> pem;
  };

  ScriptedTransport(Loop& loop, Record& record, Script script)
      : loop_(loop), record_(record), script_(std::move(script)) {}
  ~ScriptedTransport() override {
    for (const auto& [id, timer] : calls_) loop_.Cancel(timer);
  }

  CallId Start(const http::Attempt& attempt, Callback done) override {
    record_.attempts.push_back({.url = StrCat(attempt.address.Text(), attempt.path),
                                .method = attempt.request->method,
                                .body = std::string(attempt.request->body.ExposeText()),
                                .headers = Headers(*attempt.request),
                                .fresh_connection = attempt.fresh_connection,
                                .at = loop_.Now()});
    record_.most_open = std::max(record_.most_open, ++record_.open);
    const CallId id = next_++;
    auto reply = std::make_shared<Reply>(script_(attempt));
    const BootTime when = reply->after == kSilence ? kNever : loop_.Now() + reply->after;
    calls_[id] = loop_.At(when, [this, id, reply, done = std::move(done)] {
      calls_.erase(id);
      --record_.open;
      done(std::move(reply->outcome));
    });
    return id;
  }
  bool Abort(CallId call) override {
    const auto known = calls_.extract(call);
    if (known.empty()) return false;
    loop_.Cancel(known.mapped());
    --record_.open;
    ++record_.aborted;
    return true;
  }
  void UsePem(std::shared_ptr<const http::TlsPem> pem) override { record_.pem = std::move(pem); }

 private:
  static std::map<std::string, std::string> Headers(const http::Request& request) {
    std::map<std::string, std::string> headers;
    for (const http::RequestHeader& header : request.headers) {
      headers.emplace(header.name, header.value.ExposeText());
    }
    return headers;
  }

  Loop& loop_;
  Record& record_;
  const Script script_;
  std::map<CallId, Loop::TimerId> calls_;
  CallId next_ = 1;
};

}  // namespace leasefs::test
