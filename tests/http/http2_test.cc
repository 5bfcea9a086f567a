// HTTP/2, against a real server (nginx), which also says what it saw in its log.
#include <gmock/gmock.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fstream>
#include <set>

#include "fs/base/strings.h"
#include "tests/http/client_fixture.h"

namespace leasefs::http {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

constexpr char kNginx[] = "/usr/sbin/nginx";

class Http2Test : public ClientFixture {
 protected:
  void SetUp() override {
    if (access(kNginx, X_OK) != 0) GTEST_SKIP() << "NOT RUN: there is no nginx";
    {
      test::TlsServer free_port({}, [](test::TlsServer::Connection&) {});
      port_ = free_port.port();
    }
    std::ofstream(directory() + "/large") << std::string(300'000, 'x');
    std::ofstream(directory() + "/nginx.conf") << StrCat(R"(
      daemon off; master_process off; error_log error.log; pid nginx.pid;
      events { worker_connections 64; }
      http {
        log_format seen '$server_protocol $connection $request_uri $http_x_vault_token';
        access_log access.log seen;
        client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
        server {
          listen 127.0.0.1:)",
                                                         port_, R"( ssl http2;
          ssl_certificate )",
                                                         files_.certificate, "; ssl_certificate_key ", files_.key, R"(;
          keepalive_requests 10;
          location = /v1/a { default_type application/json; add_header X-Vault-Index idx; return 200 '{"a":1}'; }
          location = /large { root )",
                                                         directory(), R"(; }
          location = /slow { limit_rate 2k; alias )",
                                                         directory(), R"(/large; }
        }
      })");
    const std::string configuration = directory() + "/nginx.conf";
    const std::string prefix = directory();
    const char* arguments[] = {kNginx, "-p", prefix.c_str(), "-c", configuration.c_str(), "-e", "error.log", nullptr};
    ASSERT_EQ(posix_spawn(&nginx_, kNginx, nullptr, nullptr, const_cast<char**>(arguments), environ), 0);
    Trust(StrCat("https://127.0.0.1:", port_));
    options_.client.health.max_backoff = milliseconds(50);  // it needs a moment to begin
    Connect();
    Request first = Get();
    first.repeatable = true;
    ASSERT_EQ(Outcome(std::move(first)), "status 200") << ReadLog("error.log");
  }
  void TearDown() override {
    client_.reset();
    Log();
  }
  std::string directory() const { return authority_.directory(); }
  std::string ReadLog(const std::string& name) const {
    std::ifstream file(directory() + "/" + name);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // Ends the server and gives its lines: "HTTP/2.0", the connection's number, the path, the token.
  std::vector<std::vector<std::string>> Log() {
    if (nginx_ > 0) {
      kill(nginx_, SIGTERM);
      waitpid(nginx_, nullptr, 0);
      nginx_ = 0;
    }
    std::vector<std::vector<std::string>> lines;
    for (const std::string& line : Split(ReadLog("access.log"), '\n')) {
      if (!line.empty()) lines.push_back(Split(line, ' '));
    }
    return lines;
  }

  uint16_t port_ = 0;
  pid_t nginx_ = 0;
};

TEST_F(Http2Test, IsSpokenWhereTheServerSpeaksIt) {
  Request request = Get();
  request.headers.push_back({.name = "X-Vault-Token", .value = SecretBuffer::CopyOf("s.token")});
  const auto response = Ask(std::move(request));
  ASSERT_TRUE(response.ok()) << response.error().message();
  EXPECT_EQ(response->body.ExposeText(), "{\"a\":1}");
  EXPECT_EQ(response->Header("x-vault-index"), "idx");
  EXPECT_THAT(Log().back(), testing::ElementsAre("HTTP/2.0", testing::_, "/v1/a", "s.token"));
}

TEST_F(Http2Test, CanBeTurnedOff) {
  options_.transport.http2 = false;
  Connect();
  EXPECT_EQ(BodyOf(Get()), "{\"a\":1}");
  EXPECT_EQ(Log().back()[0], "HTTP/1.1");
}

TEST_F(Http2Test, RequestsShareAConnection) {
  int left = 5;
  for (int i = 0; i < 5; ++i) {
    client_->Send(Get("/large"), [&](const Result<Response>& response) {
      ASSERT_TRUE(response.ok()) << response.error().message();
      EXPECT_EQ(response->body.size(), 300'000U);
      if (--left == 0) loop_->Stop();
    });
  }
  loop_->Run();
  std::set<std::string> connections;
  for (const auto& line : Log()) connections.insert(line[1]);
  EXPECT_EQ(connections.size(), 1U);
}

// nginx says GOAWAY after ten requests of a connection.
TEST_F(Http2Test, AConnectionThatTheServerEndsIsReplacedUnnoticed) {
  for (int i = 0; i < 55; ++i) ASSERT_EQ(BodyOf(Get()), "{\"a\":1}") << i;
  std::set<std::string> connections;
  for (const auto& line : Log()) connections.insert(line[1]);
  EXPECT_GE(connections.size(), 5U);
}

TEST_F(Http2Test, ADeadlineEndsOneRequestAndNoOther) {
  bool slow_ended = false;
  client_->Send(Get("/slow", milliseconds(600)), [&](const Result<Response>& response) {
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
  kill(nginx_, SIGKILL);
  waitpid(nginx_, nullptr, 0);
  nginx_ = 0;
  EXPECT_THAT(Outcome(Get("/v1/a", milliseconds(500))), testing::StartsWith("unreachable: "));
}

}  // namespace
}  // namespace leasefs::http
