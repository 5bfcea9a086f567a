// Redirects and Retry-After, in simulated time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
using testing::HasSubstr;

class HttpClientAnswersTest : public testing::Test {
 protected:
  void Make(ScriptedTransport::Script script) {
    options_.addresses = {*ParseAddress("https://a:1", PlainHttp::kRefused),
                          *ParseAddress("https://b:1", PlainHttp::kRefused)};
    client_ = std::make_unique<HttpClient>(options_, loop_,
                                           std::make_unique<ScriptedTransport>(loop_, record_, std::move(script)));
  }
  Result<Response> Ask(bool repeatable, Duration within = seconds(10)) {
    Request request;
    request.method = repeatable ? Method::kGet : Method::kPut;
    request.path = "/v1/a";
    if (!repeatable) request.body = SecretBuffer::CopyOf("{\"x\":1}");
    request.repeatable = repeatable;
    request.deadline = loop_.Now() + within;
    std::optional<Result<Response>> result;
    client_->Send(std::move(request), [&](Result<Response> got, bool /*in_doubt*/) { result = std::move(got); });
    while (!result && loop_.Step()) {
    }
    if (!result) return Error(ErrorKind::kInternal, "nothing came");
    return *std::move(result);
  }

  SimLoop loop_{7};
  ClientOptions options_;
  ScriptedTransport::Record record_;
  std::unique_ptr<HttpClient> client_;
};

TEST_F(HttpClientAnswersTest, ARedirectKeepsMethodAndBody) {
  Make([](const Attempt& attempt) {
    return ScriptedTransport::Reply{attempt.address.host == "a"
                                        ? Answered(307, {{.name = "location", .value = "https://b:1/v1/a?x"}})
                                        : Answered(200)};
  });
  EXPECT_EQ(Ask(false)->status, 200);
  ASSERT_EQ(record_.attempts.size(), 2U);
  EXPECT_EQ(record_.attempts[1].url, "https://b:1/v1/a?x");
  EXPECT_EQ(record_.attempts[1].method, Method::kPut);
  EXPECT_EQ(record_.attempts[1].body, "{\"x\":1}");
  EXPECT_TRUE(client_->Addresses()[0].preferred);
}

TEST_F(HttpClientAnswersTest, OneRedirectIsFollowed) {
  Make([](const Attempt& attempt) {
    const std::string other = attempt.address.host == "a" ? "https://b:1/v1/a" : "https://a:1/v1/a";
    return ScriptedTransport::Reply{Answered(307, {{.name = "location", .value = other}})};
  });
  const auto result = Ask(true);
  EXPECT_EQ(result.error().kind(), ErrorKind::kRemote);
  EXPECT_THAT(result.error().message(), HasSubstr("b:1 answered 307: a redirect after a redirect"));
  EXPECT_EQ(record_.attempts.size(), 2U);
}

TEST_F(HttpClientAnswersTest, ARedirectToAnotherHostSendsNothingThere) {
  Make([](const Attempt&) {
    return ScriptedTransport::Reply{Answered(307, {{.name = "location", .value = "https://evil:1/v1/a"}})};
  });
  EXPECT_THAT(Ask(true).error().message(), HasSubstr("evil:1"));
  EXPECT_EQ(record_.attempts.size(), 1U);
}

TEST_F(HttpClientAnswersTest, ALeaderThatIsGoneIsAskedForAgain) {
  bool elected = false;
  Make([&](const Attempt& attempt) {
    if (attempt.address.host == "b") return ScriptedTransport::Reply{Unreachable()};
    if (elected) return ScriptedTransport::Reply{Answered(200)};
    elected = true;
    return ScriptedTransport::Reply{Answered(307, {{.name = "location", .value = "https://b:1/v1/a"}})};
  });
  EXPECT_EQ(Ask(false)->status, 200);
}

TEST_F(HttpClientAnswersTest, RetryAfterIsWaitedFor) {
  int asked = 0;
  Make([&](const Attempt&) {
    return ScriptedTransport::Reply{asked++ == 0 ? Answered(429, {{.name = "retry-after", .value = "3"}})
                                                 : Answered(200)};
  });
  EXPECT_EQ(Ask(false)->status, 200);
  ASSERT_EQ(record_.attempts.size(), 2U);
  EXPECT_GE(record_.attempts[1].at - record_.attempts[0].at, seconds(3));
  EXPECT_LT(record_.attempts[1].at - record_.attempts[0].at, milliseconds(3600));
}

TEST_F(HttpClientAnswersTest, ARetryAfterBeyondTheDeadlineIsTheUsersBusiness) {
  Make(
      [](const Attempt&) { return ScriptedTransport::Reply{Answered(429, {{.name = "retry-after", .value = "20"}})}; });
  const auto result = Ask(true);
  EXPECT_EQ(result->status, 429);
  EXPECT_EQ(result->retry_after, seconds(20));
  EXPECT_EQ(record_.attempts.size(), 1U);
}

TEST_F(HttpClientAnswersTest, ARetryAfterIsBelievedUpToItsCap) {
  Make([](const Attempt&) {
    return ScriptedTransport::Reply{Answered(429, {{.name = "retry-after", .value = "9999"}})};
  });
  EXPECT_EQ(Ask(true)->retry_after, options_.max_retry_after);
}

TEST_F(HttpClientAnswersTest, RetryAfterZeroIsNoBusyLoop) {
  Make([](const Attempt&) { return ScriptedTransport::Reply{Answered(429, {{.name = "retry-after", .value = "0"}})}; });
  EXPECT_EQ(Ask(true)->status, 429);
  ASSERT_EQ(record_.attempts.size(), 4U);
  for (size_t i = 1; i < 4; ++i) {
    EXPECT_GE(record_.attempts[i].at - record_.attempts[i - 1].at, options_.health.backoff_floor);
  }
}

TEST_F(HttpClientAnswersTest, AnUnavailableServerIsAskedAgainOnlyForWhatIsRepeatable) {
  Make([](const Attempt&) { return ScriptedTransport::Reply{Answered(503, {{.name = "retry-after", .value = "1"}})}; });
  EXPECT_EQ(Ask(false)->status, 503);
  EXPECT_EQ(record_.attempts.size(), 1U);
  EXPECT_EQ(Ask(true)->status, 503);
  EXPECT_EQ(record_.attempts.size(), 5U);
}

TEST_F(HttpClientAnswersTest, WaitingHoldsNoPlaceAndTouchesNoOther) {
  options_.max_in_flight = 1;
  int asked = 0;
  Make([&](const Attempt&) {
    return ScriptedTransport::Reply{asked++ == 0 ? Answered(429, {{.name = "retry-after", .value = "3"}})
                                                 : Answered(200)};
  });
  std::vector<int> order;
  for (int i = 0; i < 2; ++i) {
    Request request;
    request.path = "/v1/a";
    client_->Send(std::move(request), [&order, i](const Result<Response>&, bool /*in_doubt*/) { order.push_back(i); });
  }
  loop_.RunFor(seconds(1));
  EXPECT_THAT(order, testing::ElementsAre(1));
  loop_.RunFor(seconds(4));
  EXPECT_THAT(order, testing::ElementsAre(1, 0));
}

}  // namespace
}  // namespace leasefs::http
