// What HttpClient decides, in simulated time.
#include "backend/http/http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fs/base/sim_loop.h"
#include "tests/support/scripted_transport.h"

namespace leasefs::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using test::Answered;
using test::ScriptedTransport;
using test::Unreachable;
using testing::HasSubstr;

class HttpClientTest : public testing::Test {
 protected:
  void Make(std::vector<std::string> addresses, ScriptedTransport::Script script) {
    for (const std::string& address : addresses) {
      options_.addresses.push_back(*ParseAddress(address, PlainHttp::kRefused));
    }
    client_ = std::make_unique<HttpClient>(options_, loop_,
                                           std::make_unique<ScriptedTransport>(loop_, record_, std::move(script)));
  }
  Request Repeatable(Duration within = seconds(5)) {
    Request request;
    request.path = "/v1/a";
    request.repeatable = true;
    request.deadline = loop_.Now() + within;
    return request;
  }
  Request Once(Duration within = seconds(5)) {
    Request request = Repeatable(within);
    request.repeatable = false;
    request.method = Method::kPost;
    request.body = SecretBuffer::CopyOf("{}");
    return request;
  }
  // Runs until it is answered.
  Result<Response> Ask(Request request) {
    std::optional<Result<Response>> result;
    client_->Send(std::move(request), [&](Result<Response> got, bool in_doubt) {
      result = std::move(got);
      in_doubt_ = in_doubt;
    });
    EXPECT_FALSE(result) << "within Send";
    while (!result && loop_.Step()) {
    }
    if (!result) return Error(ErrorKind::kInternal, "nothing came");
    return *std::move(result);
  }
  std::vector<std::string> Hosts() const {
    std::vector<std::string> hosts;
    for (const auto& seen : record_.attempts) hosts.push_back(seen.url.substr(8, 1));
    return hosts;
  }

  SimLoop loop_{7};
  bool in_doubt_ = false;  // the last one
  ClientOptions options_;
  ScriptedTransport::Record record_;
  std::unique_ptr<HttpClient> client_;
};

TEST_F(HttpClientTest, AnAddressStaysPreferredWhateverItAnswers) {
  Make({"https://a", "https://b"}, [](const Attempt&) { return ScriptedTransport::Reply{Answered(500)}; });
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Ask(Repeatable())->status, 500);
  EXPECT_THAT(Hosts(), testing::Each("a"));
}

// Whoever asked for something that is made once must know whether it may have been made.
TEST_F(HttpClientTest, AFailureThatMayHaveHadItsEffectIsInDoubt) {
  const auto in_doubt = [&](ScriptedTransport::Script script) {
    Make({"https://a"}, std::move(script));
    EXPECT_FALSE(Ask(Once()).ok());
    return in_doubt_;
  };
  using Reply = ScriptedTransport::Reply;
  EXPECT_TRUE(in_doubt([](const Attempt&) { return Reply{Unreachable(/*sent=*/true)}; }));
  EXPECT_FALSE(in_doubt([](const Attempt&) { return Reply{Unreachable(/*sent=*/false)}; }));
  EXPECT_TRUE(in_doubt([](const Attempt&) { return Reply{Answered(200), ScriptedTransport::kSilence}; }));
  EXPECT_FALSE(in_doubt([](const Attempt&) { return Reply{Answered(307)}; })) << "a redirect that is not followed";
  Make({"https://a"}, [](const Attempt&) { return Reply{Answered(500)}; });
  EXPECT_TRUE(Ask(Once()).ok());
  EXPECT_FALSE(in_doubt_) << "it was answered";
}

TEST_F(HttpClientTest, ATransportFailureTurnsToTheNextAddressAndStaysThere) {
  bool a_works = false;
  Make({"https://a", "https://b"}, [&](const Attempt& attempt) {
    return ScriptedTransport::Reply{attempt.address.host == "b" || a_works ? Answered(200) : Unreachable()};
  });
  EXPECT_EQ(Ask(Once())->status, 200);  // not sent to a: may go to b
  a_works = true;
  loop_.RunFor(minutes(5));
  EXPECT_EQ(Ask(Once())->status, 200);
  EXPECT_THAT(Hosts(), testing::ElementsAre("a", "b", "b"));
  EXPECT_TRUE(client_->Addresses()[1].preferred);
}

TEST_F(HttpClientTest, WhatMayHaveReachedAServerIsSentAgainOnlyIfRepeatable) {
  Make({"https://a", "https://b"}, [&](const Attempt& attempt) {
    return ScriptedTransport::Reply{attempt.address.host == "b" ? Answered(200) : Unreachable(/*sent=*/true)};
  });
  const auto once = Ask(Once());
  EXPECT_EQ(once.error().kind(), ErrorKind::kUnreachable);
  EXPECT_THAT(once.error().message(), HasSubstr("may have done what it was asked"));
  EXPECT_THAT(Hosts(), testing::ElementsAre("a"));
  record_.attempts.clear();
  loop_.RunFor(seconds(1));
  EXPECT_EQ(Ask(Repeatable())->status, 200);
}

TEST_F(HttpClientTest, AStaleConnectionIsNoFailureOfTheAddress) {
  Make({"https://a", "https://b"}, [&](const Attempt& attempt) {
    return ScriptedTransport::Reply{attempt.fresh_connection ? Answered(200) : Unreachable(true, /*stale=*/true)};
  });
  EXPECT_EQ(Ask(Repeatable())->status, 200);
  EXPECT_THAT(Hosts(), testing::ElementsAre("a", "a"));
  EXPECT_EQ(client_->Addresses()[0].failures_in_a_row, 0U);
  EXPECT_FALSE(Ask(Once()).ok());  // sent, so not again
}

TEST_F(HttpClientTest, AnOutageShorterThanTheDeadlineIsNotNoticed) {
  const BootTime end = loop_.Now() + seconds(2);
  Make({"https://a"},
       [&](const Attempt&) { return ScriptedTransport::Reply{loop_.Now() < end ? Unreachable() : Answered(200)}; });
  EXPECT_EQ(Ask(Repeatable(seconds(30)))->status, 200);
  for (size_t i = 1; i < record_.attempts.size(); ++i) {
    EXPECT_GE(record_.attempts[i].at - record_.attempts[i - 1].at, options_.health.backoff_floor);
  }
}

TEST_F(HttpClientTest, InAnOutageRequestsFailAtOnceInsteadOfAtTheirDeadline) {
  options_.health.backoff_floor = options_.health.first_backoff = options_.health.max_backoff;  // 30 s
  Make({"https://a:8200"}, [](const Attempt&) { return ScriptedTransport::Reply{Unreachable()}; });
  const BootTime start = loop_.Now();
  const auto first = Ask(Repeatable());
  EXPECT_EQ(first.error().kind(), ErrorKind::kUnreachable);
  EXPECT_THAT(first.error().message(), HasSubstr("next attempt in 30 s"));
  EXPECT_EQ(first.error().retry_at(), client_->Addresses()[0].ready_at);
  EXPECT_FALSE(Ask(Repeatable()).ok());
  EXPECT_LT(loop_.Now() - start, milliseconds(100));
  EXPECT_EQ(record_.attempts.size(), 1U);
}

TEST_F(HttpClientTest, TheBreakerOpensAndOneRequestTries) {
  bool works = false;
  Make({"https://a"}, [&](const Attempt&) {
    return ScriptedTransport::Reply{works ? Answered(200) : Unreachable(), milliseconds(100)};
  });
  EXPECT_FALSE(Ask(Repeatable(seconds(20))).ok());
  EXPECT_EQ(client_->Addresses()[0].breaker, Breaker::kOpen);
  EXPECT_GE(client_->Addresses()[0].failures_in_a_row, 3U);
  EXPECT_EQ(client_->Addresses()[0].last_error, "it failed");

  works = true;
  record_.attempts.clear();
  record_.most_open = 0;
  int answered = 0;
  for (int i = 0; i < 10; ++i) {
    client_->Send(Repeatable(minutes(2)),
                  [&](const Result<Response>& response, bool /*in_doubt*/) { answered += response.ok() ? 1 : 0; });
  }
  const BootTime ready_at = client_->Addresses()[0].ready_at;
  loop_.RunUntil(ready_at + milliseconds(50));
  EXPECT_EQ(record_.attempts.size(), 1U);  // on trial, alone
  EXPECT_EQ(client_->Addresses()[0].breaker, Breaker::kHalfOpen);
  loop_.RunFor(milliseconds(300));
  EXPECT_EQ(answered, 10);
  EXPECT_EQ(client_->Addresses()[0].breaker, Breaker::kClosed);
  EXPECT_EQ(client_->Addresses()[0].last_error, "");
}

TEST_F(HttpClientTest, AnHourOfOutageMakesFewAttempts) {
  Make({"https://a"}, [](const Attempt&) { return ScriptedTransport::Reply{Unreachable()}; });
  const BootTime end = loop_.Now() + std::chrono::hours(1);
  while (loop_.Now() < end) {
    client_->Send(Repeatable(), [](const Result<Response>&, bool /*in_doubt*/) {});
    loop_.RunFor(milliseconds(200));
  }
  EXPECT_LT(record_.attempts.size(), 400U);  // every 15 s on average
  EXPECT_GT(record_.attempts.size(), 100U);
}

TEST_F(HttpClientTest, ACertificateThatIsWrongEverywhereIsToldAtOnce) {
  Make({"https://a", "https://b"}, [](const Attempt& attempt) {
    return ScriptedTransport::Reply{
        {.response = Error(ErrorKind::kRemote, attempt.address.host + ": wrong name"), .address_failed = true}};
  });
  const BootTime start = loop_.Now();
  const auto result = Ask(Repeatable());
  EXPECT_EQ(result.error().kind(), ErrorKind::kRemote);
  EXPECT_THAT(result.error().message(), HasSubstr("a: wrong name; b: wrong name"));
  EXPECT_LT(loop_.Now() - start, milliseconds(100));
  EXPECT_EQ(record_.attempts.size(), 2U);
}

TEST_F(HttpClientTest, AnAnswerThatIsTooLargeFailsThatRequestOnly) {
  Make({"https://a", "https://b"}, [](const Attempt&) {
    return ScriptedTransport::Reply{{.response = Error(ErrorKind::kTooLarge, "large"), .sent = true}};
  });
  EXPECT_EQ(Ask(Repeatable()).error().kind(), ErrorKind::kTooLarge);
  EXPECT_EQ(record_.attempts.size(), 1U);
  EXPECT_EQ(client_->Addresses()[0].failures_in_a_row, 0U);
}

TEST_F(HttpClientTest, TheDeadlineEndsASilentRequestAndTurnsToAnotherAddress) {
  Make({"https://a:1", "https://b:1"}, [](const Attempt& attempt) {
    return ScriptedTransport::Reply{Answered(200),
                                    attempt.address.host == "a" ? ScriptedTransport::kSilence : milliseconds(1)};
  });
  const BootTime start = loop_.Now();
  const auto result = Ask(Repeatable(seconds(3)));
  EXPECT_EQ(result.error().kind(), ErrorKind::kUnreachable);
  EXPECT_THAT(result.error().message(), HasSubstr("a:1: no complete answer by the deadline"));
  EXPECT_EQ(loop_.Now() - start, seconds(3));
  EXPECT_EQ(record_.aborted, 1U);
  EXPECT_EQ(client_->in_flight(), 0U);
  EXPECT_EQ(Ask(Repeatable())->status, 200);
}

TEST_F(HttpClientTest, ASlowPathDoesNotCountAgainstAnAddressThatAnswersOthers) {
  Make({"https://a", "https://b"}, [](const Attempt& attempt) {
    return ScriptedTransport::Reply{Answered(200),
                                    attempt.path == "/v1/slow" ? ScriptedTransport::kSilence : milliseconds(1)};
  });
  Request slow = Repeatable(seconds(1));
  slow.path = "/v1/slow";
  std::optional<bool> ok;
  client_->Send(std::move(slow), [&](const Result<Response>& response, bool /*in_doubt*/) { ok = response.ok(); });
  EXPECT_EQ(Ask(Repeatable())->status, 200);
  loop_.RunFor(seconds(2));
  EXPECT_EQ(ok, false);
  EXPECT_TRUE(client_->Addresses()[0].preferred);
  EXPECT_EQ(client_->Addresses()[0].breaker, Breaker::kClosed);
}

TEST_F(HttpClientTest, NoMoreAreOnTheirWayThanAllowedAndTheOthersKeepTheirOrder) {
  options_.max_in_flight = 3;
  Make({"https://a"}, [](const Attempt&) { return ScriptedTransport::Reply{Answered(200), milliseconds(10)}; });
  std::vector<int> order;
  for (int i = 0; i < 20; ++i) {
    client_->Send(Repeatable(), [&order, i](const Result<Response>&, bool /*in_doubt*/) { order.push_back(i); });
  }
  EXPECT_EQ(client_->in_flight(), 3U);
  EXPECT_EQ(client_->waiting(), 17U);
  loop_.RunFor(seconds(1));
  EXPECT_EQ(record_.most_open, 3U);
  EXPECT_EQ(order.size(), 20U);
  EXPECT_TRUE(std::ranges::is_sorted(order));
}

TEST_F(HttpClientTest, S18_WhatHangsTogetherLeavesPlacesToTheOthers) {
  Make({"https://a"}, [](const Attempt& attempt) {
    return ScriptedTransport::Reply{Answered(200),
                                    attempt.path == "/v1/slow" ? ScriptedTransport::kSilence : milliseconds(1)};
  });
  int failed = 0;
  const auto in_lane = [&](std::string path, std::string lane) {
    Request request = Once(seconds(60));
    request.path = std::move(path);
    request.lane = std::move(lane);
    return request;
  };
  for (int i = 0; i < 100; ++i) {
    client_->Send(in_lane("/v1/slow", "database"), [&](const Result<Response>& r, bool) { failed += r.ok() ? 0 : 1; });
  }
  EXPECT_EQ(client_->in_flight(), 2U);
  EXPECT_EQ(client_->waiting(), 98U);
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(Ask(Repeatable(milliseconds(10))).ok());
  EXPECT_TRUE(Ask(in_lane("/v1/a", "pki")).ok());
  EXPECT_TRUE(Ask(in_lane("/v1/a", "database")).ok()) << "when the others have given up";
  loop_.RunFor(seconds(1));
  EXPECT_EQ(failed, 100);
  EXPECT_EQ(client_->in_flight() + client_->waiting(), 0U);
}

TEST_F(HttpClientTest, S18_AMountThatHangsKeepsNoOtherWaitingForMoreThanASecond) {
  bool hangs = true;
  Make({"https://a"}, [&hangs](const Attempt& attempt) {
    const bool silent = hangs && attempt.path == "/v1/slow";
    return ScriptedTransport::Reply{Answered(200), silent ? ScriptedTransport::kSilence : milliseconds(1)};
  });
  const auto in_group = [&](std::string path, std::string group) {
    Request request = Repeatable(seconds(5));
    request.path = std::move(path);
    request.group = std::move(group);
    return request;
  };
  size_t failed = 0, sent = 0;
  const auto read_what_hangs = [&] {
    for (int i = 0; i < 1000; ++i, ++sent) {
      client_->Send(in_group("/v1/slow", "slow"), [&](const Result<Response>& r, bool) { failed += r.ok() ? 0 : 1; });
    }
  };
  read_what_hangs();
  EXPECT_EQ(client_->in_flight(), 16U);
  const BootTime start = loop_.Now();
  EXPECT_TRUE(Ask(in_group("/v1/a", "fast")).ok());
  EXPECT_LE(loop_.Now() - start, seconds(1) + milliseconds(2));
  for (int i = 0; i < 1000; ++i) {
    if (i % 100 == 0) read_what_hangs();
    loop_.RunFor(milliseconds(20));
    const BootTime asked_at = loop_.Now();
    EXPECT_TRUE(Ask(in_group("/v1/a", "fast")).ok());
    EXPECT_LE(loop_.Now() - asked_at, milliseconds(2)) << i;
  }
  EXPECT_LE(record_.most_open, 4U * 16U);
  loop_.RunFor(seconds(6));
  EXPECT_EQ(failed, sent);
  hangs = false;
  for (int i = 0; i < 100; ++i) client_->Send(in_group("/v1/slow", "slow"), [](const Result<Response>&, bool) {});
  EXPECT_TRUE(Ask(in_group("/v1/slow", "slow")).ok());
  loop_.RunFor(seconds(1));
  EXPECT_EQ(client_->in_flight() + client_->waiting(), 0U);
}

TEST_F(HttpClientTest, S18_TwoPathsThatHangDoNotHoldTheOthersOfTheirMountUp) {
  Make({"https://a"}, [](const Attempt& attempt) {
    return ScriptedTransport::Reply{Answered(200),
                                    attempt.path == "/v1/slow" ? ScriptedTransport::kSilence : milliseconds(1)};
  });
  const auto of_mount = [&](std::string path) {
    Request request = Repeatable(minutes(1));
    request.path = std::move(path);
    request.group = "secret";
    return request;
  };
  for (int i = 0; i < 2; ++i) client_->Send(of_mount("/v1/slow"), [](const Result<Response>&, bool) {});
  loop_.RunFor(seconds(2));
  int answered = 0;
  for (int i = 0; i < 1000; ++i)
    client_->Send(of_mount("/v1/a"), [&](const Result<Response>& r, bool) { answered += r.ok() ? 1 : 0; });
  loop_.RunFor(milliseconds(100));
  EXPECT_EQ(answered, 1000);
}

TEST_F(HttpClientTest, WhoWaitsAsTheServerAsksHoldsNoPlaceInItsLane) {
  Make({"https://a"}, [](const Attempt& attempt) {
    if (attempt.path != "/v1/quota") return ScriptedTransport::Reply{Answered(200)};
    Outcome outcome = Answered(429);
    outcome.response->retry_after = seconds(20);
    return ScriptedTransport::Reply{std::move(outcome)};
  });
  std::vector<int> statuses;
  for (int i = 0; i < 5; ++i) {
    Request request = Once(seconds(60));
    request.path = "/v1/quota";
    request.lane = "database";
    client_->Send(std::move(request),
                  [&](const Result<Response>& r, bool) { statuses.push_back(r.ok() ? r->status : 0); });
  }
  loop_.RunFor(seconds(1));
  Request other = Once();
  other.lane = "database";
  EXPECT_EQ(Ask(std::move(other))->status, 200);
  loop_.RunFor(seconds(120));
  EXPECT_EQ(statuses, std::vector<int>(5, 429));
  EXPECT_EQ(client_->in_flight() + client_->waiting(), 0U);
}

TEST_F(HttpClientTest, PatienceEndsWhenAllAddressesRestForLonger) {
  Make({"https://a"}, [](const Attempt&) { return ScriptedTransport::Reply{Unreachable()}; });
  for (int i = 0; i < 20; ++i) (void)Ask(Once(minutes(1)));  // each failure has it rest for longer
  const BootTime start = loop_.Now();
  Request patient = Once(minutes(1));
  patient.patience = milliseconds(1);
  EXPECT_FALSE(Ask(std::move(patient)).ok());
  EXPECT_EQ(loop_.Now(), start);
}

TEST_F(HttpClientTest, TooManyWaitingRequestsAreRefused) {
  options_.max_in_flight = 1;
  options_.max_waiting = 2;
  Make({"https://a"}, [](const Attempt&) { return ScriptedTransport::Reply{Answered(200), milliseconds(10)}; });
  int answered = 0;
  for (int i = 0; i < 3; ++i)
    client_->Send(Repeatable(), [&](const Result<Response>& r, bool /*in_doubt*/) { answered += r.ok() ? 1 : 0; });
  EXPECT_THAT(Ask(Repeatable()).error().message(), HasSubstr("2 requests are waiting"));
  loop_.RunFor(seconds(1));
  EXPECT_EQ(answered, 3);
}

TEST_F(HttpClientTest, ARequestThatCannotBeSentIsRefusedWithoutItsValue) {
  Make({"https://a"}, [](const Attempt&) { return ScriptedTransport::Reply{Answered(200)}; });
  Request request = Repeatable();
  request.headers.push_back({.name = "X-Vault-Token", .value = SecretBuffer::CopyOf("s.hunter2\r\nX-Evil: 1")});
  const auto result = Ask(std::move(request));
  EXPECT_EQ(result.error().kind(), ErrorKind::kInvalid);
  EXPECT_THAT(result.error().message(), HasSubstr("X-Vault-Token"));
  EXPECT_THAT(result.error().message(), testing::Not(HasSubstr("hunter2")));
  Request wrong_path = Repeatable();
  wrong_path.path = "/v1/../sys";
  EXPECT_EQ(Ask(std::move(wrong_path)).error().kind(), ErrorKind::kInvalid);
  Request wrong_name = Repeatable();
  wrong_name.headers.push_back({.name = "A:B", .value = SecretBuffer::CopyOf("x")});
  EXPECT_EQ(Ask(std::move(wrong_name)).error().kind(), ErrorKind::kInvalid);
  EXPECT_TRUE(record_.attempts.empty());
}

TEST_F(HttpClientTest, NothingIsSentAfterItsDeadline) {
  Make({"https://a"}, [](const Attempt&) { return ScriptedTransport::Reply{Answered(200)}; });
  const auto result = Ask(Once(seconds(-1)));
  EXPECT_EQ(result.error().kind(), ErrorKind::kUnreachable);
  EXPECT_THAT(result.error().message(), HasSubstr("before the request could be sent"));
  EXPECT_TRUE(record_.attempts.empty());
}

TEST_F(HttpClientTest, CancelledRequestsAreNotAnswered) {
  options_.max_in_flight = 1;
  Make({"https://a"}, [](const Attempt&) { return ScriptedTransport::Reply{Answered(200), milliseconds(10)}; });
  const auto fail = [](const Result<Response>&, bool /*in_doubt*/) { ADD_FAILURE() << "cancelled"; };
  const auto first = client_->Send(Repeatable(), fail);
  const auto second = client_->Send(Repeatable(), fail);
  client_->Cancel(second);
  client_->Cancel(first);
  client_->Cancel(first);
  EXPECT_EQ(client_->in_flight(), 0U);
  loop_.RunFor(minutes(2));
  EXPECT_EQ(record_.aborted, 1U);
  EXPECT_EQ(loop_.pending(), 0U);
}

TEST_F(HttpClientTest, ACallbackMayDestroyTheClient) {
  Make({"https://a"}, [](const Attempt&) { return ScriptedTransport::Reply{Answered(200)}; });
  for (int i = 0; i < 20; ++i) {
    client_->Send(Repeatable(), [&, i](const Result<Response>&, bool /*in_doubt*/) {
      EXPECT_EQ(i, 0);
      client_.reset();
    });
  }
  loop_.RunFor(minutes(2));
  EXPECT_EQ(client_, nullptr);
  EXPECT_EQ(loop_.pending(), 0U);
}

TEST_F(HttpClientTest, ACallbackMayDestroyTheClientAmongHopelessRequests) {
  options_.health.backoff_floor = options_.health.first_backoff = options_.health.max_backoff;
  Make({"https://a"}, [](const Attempt&) { return ScriptedTransport::Reply{Unreachable()}; });
  int answered = 0;
  for (int i = 0; i < 20; ++i) {
    client_->Send(Repeatable(), [&](const Result<Response>&, bool /*in_doubt*/) {
      ++answered;
      client_.reset();
    });
  }
  loop_.RunFor(minutes(2));
  EXPECT_EQ(answered, 1);
}

TEST_F(HttpClientTest, AvoidPrefersAnother) {
  Make({"https://a", "https://b"}, [](const Attempt&) { return ScriptedTransport::Reply{Answered(503)}; });
  EXPECT_EQ(Ask(Repeatable())->status, 503);
  client_->Avoid("https://a:443");
  client_->Avoid("https://a:443");
  EXPECT_EQ(Ask(Repeatable())->status, 503);
  EXPECT_THAT(Hosts(), testing::ElementsAre("a", "b"));
}

}  // namespace
}  // namespace leasefs::http
