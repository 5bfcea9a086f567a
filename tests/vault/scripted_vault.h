// A server of a test: a list of answers.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "backend/http/transport.h"
#include "fs/base/loop.h"
#include "fs/base/strings.h"
#include "tests/support/scripted_transport.h"

namespace leasefs::vault {

// An answer as the server gives it: what stands in the envelope, but for what is empty anyway.
inline std::string Envelope(const std::string& members) {
  return "{\"request_id\":\"r\"," + members + ",\"wrap_info\":null,\"warnings\":null}\n";
}
inline std::string Errors(const std::string& text) {
  return text.empty() ? "{\"errors\":[]}\n" : "{\"errors\":[\"" + text + "\"]}\n";
}

class ScriptedVault {
 public:
  explicit ScriptedVault(Loop& loop) : loop_(loop) {}

  // The last answer of a request stays. What has none gets "no handler for route".
  void On(const std::string& request, int status, std::string body, std::vector<http::ResponseHeader> headers) {
    if (!body.empty() && body[0] == '{') headers.push_back({.name = "content-type", .value = "application/json"});
    answers_[request].push_back({status, std::move(body), std::move(headers)});
  }
  void Lose(const std::string& request, bool sent) { lost_[request] = sent; }
  void Clear() {
    answers_.clear();
    lost_.clear();
  }

  static std::string RequestOf(http::Method method, const std::string& url) {
    return StrCat(http::MethodName(method), " ", url.substr(url.find("/v1/") + 4));
  }
  test::ScriptedTransport::Reply Act(const http::Attempt& attempt) {
    const std::string request = RequestOf(attempt.request->method, attempt.path);
    if (const auto lost = lost_.find(request); lost != lost_.end()) return {.outcome = test::Unreachable(lost->second)};
    const auto found = answers_.find(request);
    if (found == answers_.end())
      return {.outcome = Say({404, Errors("no handler for route: " + request), {}}, attempt)};
    const Scripted scripted = found->second.front();
    if (found->second.size() > 1) found->second.pop_front();
    return {.outcome = Say(scripted, attempt)};
  }

 private:
  struct Scripted {
    int status;
    std::string body;
    std::vector<http::ResponseHeader> headers;
  };

  http::Outcome Say(const Scripted& scripted, const http::Attempt& attempt) {
    http::Outcome outcome = test::Answered(scripted.status, scripted.headers);
    outcome.response->body = SecretBuffer::CopyOf(scripted.body);
    outcome.response->address = attempt.address.Text();
    outcome.response->sent_at = loop_.Now();
    return outcome;
  }

  Loop& loop_;
  std::map<std::string, std::deque<Scripted>> answers_;
  std::map<std::string, bool> lost_;
};

}  // namespace leasefs::vault
