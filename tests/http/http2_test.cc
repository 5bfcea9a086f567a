// HTTP/2, against a real server (nginx), which also says what it saw in its log.
#include <gmock/gmock.h>

#include <fstream>
#include <optional>
#include <set>

#include "fs/base/strings.h"
#include "tests/http/client_fixture.h"
#include "tests/support/nginx_server.h"

namespace leasefs::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

class Http2Test : public ClientFixture {
 protected:
  void SetUp() override {
    if (!test::NginxServer::IsInstalled()) GTEST_SKIP() << "NOT RUN: there is no nginx";
    const std::string& directory = authority_.directory();
    std::ofstream(directory + "/large") << std::string(300'000, 'x');
    nginx_.emplace(directory, files_,
                   StrCat(R"(
      keepalive_requests 10;
      location = /v1/a { default_type application/json; add_header X-Vault-Index idx; return 200 '{"a":1}'; }
      location = /large { root )",
                          directory, R"(; }
      location = /slow { limit_rate 2k; alias )",
                          directory, R"(/large; })"));
    options_.client.health.max_backoff = milliseconds(50);  // it needs a moment to begin
    ConnectTo(*nginx_);
    Request first = Get();
    first.repeatable = true;
    ASSERT_EQ(Outcome(std::move(first)), "status 200") << nginx_->Errors();
  }
  size_t Connections() {
    std::set<std::string> connections;
    for (const auto& line : nginx_->Log()) connections.insert(line[1]);
    return connections.size();
  }

  std::optional<test::NginxServer> nginx_;
};

TEST_F(Http2Test, IsSpokenWhereTheServerSpeaksIt) {
  Request request = Get();
  request.headers.push_back({.name = "X-Vault-Token", .value = SecretBuffer::CopyOf("s.token")});
  const auto response = Ask(std::move(request));
  ASSERT_TRUE(response.ok()) << response.error().message();
  EXPECT_EQ(response->body.ExposeText(), "{\"a\":1}");
  EXPECT_EQ(response->Header("x-vault-index"), "idx");
  EXPECT_THAT(nginx_->Log().back(), testing::ElementsAre("HTTP/2.0", testing::_, "/v1/a", "s.token"));
}

TEST_F(Http2Test, CanBeTurnedOff) {
  options_.transport.http2 = false;
  Connect();
  EXPECT_EQ(BodyOf(Get()), "{\"a\":1}");
  EXPECT_EQ(nginx_->Log().back()[0], "HTTP/1.1");
}

TEST_F(Http2Test, RequestsShareAConnection) {
  int left = 5;
  for (int i = 0; i < 5; ++i) {
    client_->Send(Get("/large"), [&](const Result<Response>& response, bool /*in_doubt*/) {
      ASSERT_TRUE(response.ok()) << response.error().message();
      EXPECT_EQ(response->body.size(), 300'000U);
      if (--left == 0) loop_->Stop();
    });
  }
  loop_->Run();
  EXPECT_EQ(Connections(), 1U);
}

// nginx says GOAWAY after ten requests of a connection.
TEST_F(Http2Test, AConnectionThatTheServerEndsIsReplacedUnnoticed) {
  for (int i = 0; i < 55; ++i) ASSERT_EQ(BodyOf(Get()), "{\"a\":1}") << i;
  EXPECT_GE(Connections(), 5U);
}

TEST_F(Http2Test, ADeadlineEndsOneRequestAndNoOther) {
  bool slow_ended = false;
  client_->Send(Get("/slow", seconds(3)), [&](const Result<Response>& response, bool /*in_doubt*/) {
    slow_ended = true;
    ASSERT_FALSE(response.ok());
    EXPECT_THAT(response.error().message(), HasSubstr("by the deadline"));
    loop_->Stop();
  });
  EXPECT_EQ(BodyOf(Get()), "{\"a\":1}");
  EXPECT_FALSE(slow_ended);
  loop_->Run();
  EXPECT_TRUE(slow_ended);
  EXPECT_EQ(BodyOf(Get()), "{\"a\":1}");
}

TEST_F(Http2Test, LimitsAreKept) {
  options_.transport.max_body_bytes = 10'000;
  Connect();
  EXPECT_THAT(Outcome(Get("/large")), testing::StartsWith("too_large: "));
  EXPECT_EQ(BodyOf(Get()), "{\"a\":1}");
}

TEST_F(Http2Test, AServerThatDiesIsToldAndForgotten) {
  nginx_->Kill(9);
  EXPECT_THAT(Outcome(Get("/v1/a", milliseconds(500))), testing::StartsWith("unreachable: "));
}

}  // namespace
}  // namespace leasefs::http
