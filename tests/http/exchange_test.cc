// Requests and answers as they should be, over TLS on loopback.
#include <gmock/gmock.h>

#include "fs/base/strings.h"
#include "tests/http/client_fixture.h"

namespace leasefs::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::Answer;
using test::RecordedRequest;
using test::TlsServer;
using testing::HasSubstr;

class ExchangeTest : public ClientFixture {};

TEST_F(ExchangeTest, AnAnswerComesWithItsStatusHeadersAndBody) {
  const auto server = Serve(TlsServer::Answering([](const RecordedRequest&) {
    return Answer(404, "{\"errors\":[]}",
                  "Content-Type: application/json\r\nX-Vault-Index: abc==\r\nX-Other: no\r\nRetry-After: 7\r\n");
  }));
  ConnectTo(*server);
  const BootTime before = loop_->Now();
  const auto response = Ask(Get());
  ASSERT_TRUE(response.ok()) << response.error().message();
  EXPECT_EQ(response->status, 404);
  EXPECT_EQ(response->body.ExposeText(), "{\"errors\":[]}");
  EXPECT_EQ(response->Header("content-type"), "application/json");
  EXPECT_EQ(response->Header("x-vault-index"), "abc==");
  EXPECT_EQ(response->Header("x-other"), "");
  EXPECT_EQ(response->retry_after, seconds(7));
  EXPECT_EQ(response->address, server->address());
  EXPECT_LE(before, response->sent_at);
  EXPECT_LE(response->sent_at, response->received_at);
  EXPECT_LE(response->received_at, loop_->Now());
}

TEST_F(ExchangeTest, MethodHeadersAndBodyArriveAsGiven) {
  const auto server = Serve(TlsServer::Answering([](const RecordedRequest&) { return Answer(200, ""); }));
  ConnectTo(*server);
  const std::string large(2'000'000, 'x');  // over which curl would ask for "100 Continue" first
  for (const Method method : {Method::kPost, Method::kPut, Method::kPatch, Method::kDelete}) {
    Request request = Get("/v1/a%20b?list=true");
    request.method = method;
    request.headers.push_back({.name = "X-Vault-Token", .value = SecretBuffer::CopyOf("s.token")});
    if (method == Method::kPatch) {
      request.headers.push_back(
          {.name = "content-type", .value = SecretBuffer::CopyOf("application/merge-patch+json")});
    }
    request.body = SecretBuffer::CopyOf(method == Method::kPut ? large : "{}");
    const auto response = Ask(std::move(request));
    ASSERT_TRUE(response.ok()) << response.error().message();
    RecordedRequest seen = server->requests().back();
    EXPECT_EQ(seen.method, MethodName(method));
    EXPECT_EQ(seen.target, "/v1/a%20b?list=true");
    EXPECT_EQ(seen.headers["x-vault-token"], "s.token");
    EXPECT_EQ(seen.headers["content-type"],
              method == Method::kPatch ? "application/merge-patch+json" : "application/json");
    EXPECT_EQ(seen.headers.count("expect"), 0U);
    EXPECT_EQ(seen.headers.count("cookie"), 0U);
    EXPECT_EQ(seen.headers.count("authorization"), 0U);
    EXPECT_THAT(seen.headers["user-agent"], testing::StartsWith("leasefs/"));
    EXPECT_EQ(seen.body, method == Method::kPut ? large : "{}");
  }
  EXPECT_EQ(server->connections(), 1);
}

TEST_F(ExchangeTest, APostAndADeleteWithoutABodyAreSent) {
  const auto server = Serve(
      TlsServer::Answering([](const RecordedRequest&) { return std::string("HTTP/1.1 204 No Content\r\n\r\n"); }));
  ConnectTo(*server);
  for (const Method method : {Method::kPost, Method::kDelete}) {
    Request request = Get();
    request.method = method;
    EXPECT_EQ(Outcome(std::move(request)), "status 204");
    EXPECT_EQ(server->requests().back().method, MethodName(method));
    EXPECT_EQ(server->requests().back().body, "");
  }
}

TEST_F(ExchangeTest, ConnectionsAreKeptAndUsedAgain) {
  const auto server = Serve(TlsServer::Answering([](const RecordedRequest&) { return Answer(200, "x"); }));
  ConnectTo(*server);
  for (int i = 0; i < 50; ++i) ASSERT_EQ(BodyOf(Get()), "x");
  EXPECT_EQ(server->connections(), 1);
  EXPECT_EQ(server->requests().size(), 50U);
}

TEST_F(ExchangeTest, RequestsRunSideBySide) {
  const auto server = Serve([](TlsServer::Connection& connection) {
    while (connection.Read()) {
      if (!connection.Wait(milliseconds(1000)) || !connection.Write(Answer(200, ""))) return;
    }
  });
  ConnectTo(*server);
  const BootTime start = loop_->Now();
  int left = 8;
  for (int i = 0; i < 8; ++i) {
    client_->Send(Get(), [&](const Result<Response>& response, bool /*in_doubt*/) {
      EXPECT_TRUE(response.ok());
      if (--left == 0) loop_->Stop();
    });
  }
  loop_->Run();
  EXPECT_LT(loop_->Now() - start, seconds(6));  // and not 8
  EXPECT_EQ(server->connections(), 8);
}

TEST_F(ExchangeTest, AConnectionThatTheServerClosedIsReplaced) {
  const auto server = Serve([](TlsServer::Connection& connection) {
    if (connection.Read()) connection.Write(Answer(200, ""));
  });
  ConnectTo(*server);
  EXPECT_EQ(Outcome(Get()), "status 200");
  loop_->After(milliseconds(1000), [this] { loop_->Stop(); });
  loop_->Run();  // the end of the connection arrives
  EXPECT_EQ(Outcome(Get()), "status 200");
  EXPECT_EQ(server->connections(), 2);
}

// The server takes the second request of a connection and ends it without a word: it may have done what it was asked.
TEST_F(ExchangeTest, AKeptConnectionThatEndsWithoutAnAnswerIsRepeatedOnlyIfAllowed) {
  const auto server = Serve([](TlsServer::Connection& connection) {
    if (connection.Read()) connection.Write(Answer(200, ""));
    connection.Read();
  });
  ConnectTo(*server);
  EXPECT_EQ(Outcome(Get()), "status 200");
  EXPECT_THAT(Outcome(Get("/v1/database/creds/a")), HasSubstr("may have done what it was asked"));
  EXPECT_EQ(server->requests().size(), 2U);  // once, not twice
  EXPECT_EQ(client_->Addresses()[0].failures_in_a_row, 0U);

  EXPECT_EQ(Outcome(Get()), "status 200");
  Request repeatable = Get();
  repeatable.repeatable = true;
  EXPECT_EQ(Outcome(std::move(repeatable)), "status 200");
}

TEST_F(ExchangeTest, ChunksAndInterimAnswersAreUnderstood) {
  const auto server = Serve(TlsServer::Answering([](const RecordedRequest&) {
    return std::string(
        "HTTP/1.1 103 Early Hints\r\nX-Vault-Index: early\r\n\r\n"
        "HTTP/1.1 200 OK\r\nX-Vault-Index: late\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  }));
  ConnectTo(*server);
  const auto response = Ask(Get());
  ASSERT_TRUE(response.ok()) << response.error().message();
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->Header("x-vault-index"), "late");
  EXPECT_EQ(response->body.ExposeText(), "abcde");
}

TEST_F(ExchangeTest, PlainHttpToLoopbackWorksWithoutAnUpgrade) {
  TlsServer server({}, TlsServer::Answering([](const RecordedRequest&) { return Answer(200, "plain"); }));
  ConnectTo(server);
  EXPECT_EQ(BodyOf(Get()), "plain");
  EXPECT_EQ(server.requests()[0].headers.count("upgrade"), 0U);
}

TEST_F(ExchangeTest, ProxiesOfTheEnvironmentAreIgnored) {
  TlsServer proxy({}, TlsServer::Answering([](const RecordedRequest&) { return Answer(200, "proxy"); }));
  for (const char* name : {"http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY"}) {
    setenv(name, StrCat("http://127.0.0.1:", proxy.port()).c_str(), 1);
  }
  const auto server = Serve(TlsServer::Answering([](const RecordedRequest&) { return Answer(200, "direct"); }));
  TlsServer plain({}, TlsServer::Answering([](const RecordedRequest&) { return Answer(200, "direct"); }));
  ConnectTo(*server);
  EXPECT_EQ(BodyOf(Get()), "direct");
  options_.client.addresses.clear();
  ConnectTo(plain);
  EXPECT_EQ(BodyOf(Get()), "direct");
  for (const char* name : {"http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY"}) unsetenv(name);
  EXPECT_EQ(proxy.connections(), 0);
}

TEST_F(ExchangeTest, TurnsToTheNextAddressWhenOneIsGone) {
  auto first = Serve(TlsServer::Answering([](const RecordedRequest&) { return Answer(200, "first"); }));
  const auto second = Serve(TlsServer::Answering([](const RecordedRequest&) { return Answer(200, "second"); }));
  Trust(first->address());
  ConnectTo(*second);
  EXPECT_EQ(BodyOf(Get()), "first");
  first->Stop();
  Request request = Get();
  request.repeatable = true;
  EXPECT_EQ(BodyOf(std::move(request)), "second");
  EXPECT_EQ(BodyOf(Get()), "second");
  EXPECT_TRUE(client_->Addresses()[1].preferred);
}

TEST_F(ExchangeTest, ARedirectCarriesTheTokenToConfiguredServersOnly) {
  const auto other = Serve(TlsServer::Answering([](const RecordedRequest&) { return Answer(200, "leader"); }));
  const auto evil = Serve(TlsServer::Answering([](const RecordedRequest&) { return Answer(200, "evil"); }));
  const auto server = Serve(TlsServer::Answering([&](const RecordedRequest& request) {
    const TlsServer& target = request.target == "/v1/evil" ? *evil : *other;
    return Answer(307, "", StrCat("Location: ", target.address(), request.target, "\r\n"));
  }));
  Trust(server->address());
  ConnectTo(*other);
  const auto with_token = [this](std::string path) {
    Request request = Get(std::move(path));
    request.headers.push_back({.name = "X-Vault-Token", .value = SecretBuffer::CopyOf("s.token")});
    return request;
  };
  EXPECT_EQ(BodyOf(with_token("/v1/a")), "leader");
  EXPECT_EQ(other->requests().at(0).headers["x-vault-token"], "s.token");
  EXPECT_THAT(Outcome(with_token("/v1/evil")), HasSubstr("not among the configured addresses"));
  EXPECT_EQ(evil->connections(), 0);
}

TEST_F(ExchangeTest, NothingIsLeftWhenTheClientGoesWithRequestsOnTheirWay) {
  const auto server = Serve([](TlsServer::Connection& connection) {
    connection.Read();
    connection.Wait(seconds(30));
  });
  ConnectTo(*server);
  for (int i = 0; i < 40; ++i) {
    client_->Send(Get(), [](const Result<Response>&, bool /*in_doubt*/) { ADD_FAILURE() << "answered"; });
  }
  loop_->After(milliseconds(200), [this] {
    client_.reset();
    loop_->After(milliseconds(50), [this] { loop_->Stop(); });
  });
  loop_->Run();
}

TEST_F(ExchangeTest, ACallbackMaySendCancelAndDestroy) {
  const auto server = Serve(TlsServer::Answering([](const RecordedRequest&) { return Answer(200, ""); }));
  ConnectTo(*server);
  int answered = 0;
  HttpClient::RequestId other = 0;
  client_->Send(Get(), [&](const Result<Response>&, bool /*in_doubt*/) {
    ++answered;
    client_->Cancel(other);
    client_->Send(Get(), [&](const Result<Response>&, bool /*in_doubt*/) {
      ++answered;
      client_.reset();
      loop_->Stop();
    });
  });
  other = client_->Send(Get(), [&](const Result<Response>&, bool /*in_doubt*/) { ++answered; });
  loop_->Run();
  EXPECT_GE(answered, 2);
  EXPECT_EQ(client_, nullptr);
}

}  // namespace
}  // namespace leasefs::http
