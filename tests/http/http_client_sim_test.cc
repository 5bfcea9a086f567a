// HttpClient among servers that do anything, from many seeds: what holds whatever happens.
#include <gtest/gtest.h>

#include <map>

#include "backend/http/http_client.h"
#include "fs/base/sim_loop.h"
#include "tests/support/scripted_transport.h"

namespace leasefs::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::Answered;
using test::ScriptedTransport;
using test::Unreachable;

class World {
 public:
  explicit World(uint64_t seed) : loop_(seed), chance_(seed * 7 + 1) {
    const char* hosts[] = {"https://a", "https://b", "https://c"};
    for (size_t i = 0; i <= Below(3); ++i) options_.addresses.push_back(*ParseAddress(hosts[i], PlainHttp::kRefused));
    options_.max_in_flight = 1 + Below(4);
    options_.max_waiting = 20;
    client_ = std::make_unique<HttpClient>(
        options_, loop_,
        std::make_unique<ScriptedTransport>(loop_, record_, [this](const Attempt& a) { return Act(a); }));
  }

  void Run() {
    const BootTime end = loop_.Now() + seconds(300);
    while (loop_.Now() < end) {
      if (Below(10) == 0) NewWeather();
      for (size_t i = Below(6); i > 0; --i) Ask();
      if (Below(20) == 0 && !open_.empty()) {
        client_->Cancel(open_.begin()->first);
        open_.erase(open_.begin());
      }
      loop_.RunFor(milliseconds(Below(2000)));
    }
    loop_.RunFor(seconds(30));
    EXPECT_TRUE(open_.empty()) << open_.size() << " requests were never answered";
    EXPECT_EQ(client_->in_flight(), 0U);
    EXPECT_EQ(client_->waiting(), 0U);
    EXPECT_LE(record_.most_open, 4 * options_.max_in_flight);
    // A resting address is left alone: of what fails there are never two attempts a floor apart or nearer, for long.
    EXPECT_LT(record_.attempts.size(), 20 * asked_ + 1000);
    client_.reset();
    EXPECT_EQ(loop_.pending(), 0U);
  }

 private:
  struct Asked {
    BootTime deadline;
    bool repeatable;
  };

  uint64_t Below(uint64_t bound) { return chance_.Below(bound); }
  void NewWeather() {
    for (auto& fault : faults_) fault = Below(3) == 0 ? Below(9) : 0;
  }

  void Ask() {
    const int number = asked_++;
    Request request;
    request.path = "/v1/" + std::to_string(number);
    request.repeatable = Below(2) == 0;
    if (request.repeatable) request.group = std::vector<std::string>{"", "secret", "kv"}[Below(3)];
    if (!request.repeatable) request.lane = std::vector<std::string>{"", "database", "pki"}[Below(3)];
    request.deadline = loop_.Now() + milliseconds(Below(8000));
    const Asked asked{request.deadline, request.repeatable};
    auto id = std::make_shared<HttpClient::RequestId>();
    *id = client_->Send(std::move(request), [this, asked, id](const Result<Response>&, bool /*in_doubt*/) {
      EXPECT_LE(loop_.Now(), asked.deadline);
      EXPECT_EQ(open_.erase(*id), 1U) << "answered twice, or after it was cancelled";
    });
    open_.emplace(*id, asked);
  }

  ScriptedTransport::Reply Act(const Attempt& attempt) {
    int& times = sent_[attempt.request->path];
    // What may have reached a server goes out again only if it may.
    EXPECT_TRUE(times == 0 || attempt.request->repeatable) << attempt.path;
    const Duration after = milliseconds(Below(300));
    switch (faults_[attempt.address.host[0] - 'a']) {
      case 1:
        return {Unreachable(), after};
      case 2:
        ++times;
        return {Unreachable(true), after};
      case 3:
        ++times;
        return {Answered(200), ScriptedTransport::kSilence};
      case 4:
        return {Answered(429, {{.name = "retry-after", .value = std::to_string(Below(4))}}), after};
      case 5:
        return {Answered(307, {{.name = "location", .value = Below(2) == 0 ? "https://b" + attempt.path : "/x"}}),
                after};
      case 6:
        return {{.response = Error(ErrorKind::kRemote, "wrong name"), .address_failed = true}, after};
      case 7:
        if (!attempt.fresh_connection) return {Unreachable(false, true), after};
        break;
      case 8:
        ++times;
        return {{.response = Error(ErrorKind::kTooLarge, "large"), .sent = true}, after};
      default:
        break;
    }
    ++times;
    return {Answered(Below(5) == 0 ? 503 : 200), after};
  }

  SimLoop loop_;
  SimRandom chance_;
  ClientOptions options_;
  ScriptedTransport::Record record_;
  uint64_t faults_[3] = {};
  std::map<std::string, int> sent_;
  std::map<HttpClient::RequestId, Asked> open_;
  int asked_ = 0;
  std::unique_ptr<HttpClient> client_;
};

TEST(HttpClientSimTest, WhateverHappensEveryRequestEndsOnceByItsDeadline) {
  for (uint64_t seed = 1; seed <= 1000 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    World(seed).Run();
  }
}

}  // namespace
}  // namespace leasefs::http
