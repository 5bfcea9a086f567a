// Servers that misbehave: each request ends, in bounds, with words that say what happened.
#include <gmock/gmock.h>

#include "fs/base/strings.h"
#include "tests/http/client_fixture.h"
#include "tests/support/free_port.h"

namespace leasefs::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::Answer;
using test::RecordedRequest;
using test::TlsServer;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class FailureTest : public ClientFixture {
 protected:
  // One request to a server that writes this, and then waits or ends the connection.
  std::string RefusalOf(const std::string& answer, bool ends = true, Duration within = seconds(10)) {
    client_.reset();
    options_.client.addresses.clear();
    const auto server = Serve([&](TlsServer::Connection& connection) {
      if (!connection.Read()) return;
      connection.Write(answer);
      if (!ends) connection.Wait(seconds(30));
    });
    ConnectTo(*server);
    std::string refusal = Outcome(Get("/v1/a", within));
    if (!refusal.starts_with("status")) EXPECT_THAT(refusal, HasSubstr(StrCat("127.0.0.1:", server->port())));
    client_.reset();
    return refusal;
  }
};

TEST_F(FailureTest, NothingListens) {
  options_.client.health.first_backoff = options_.client.health.backoff_floor = seconds(20);
  Trust(StrCat("https://127.0.0.1:", test::FreePort()));
  Connect();
  EXPECT_THAT(Outcome(Get()), AllOf(StartsWith("unreachable: "), HasSubstr("nothing answers there")));
}

// Silent or not, a DNS server must not hold us up, nor the end of the client.
TEST_F(FailureTest, AnUnknownName) {
  Trust("https://vault.leasefs-test.invalid:8200");
  Connect();
  const BootTime start = loop_->Now();
  EXPECT_THAT(Outcome(Get("/v1/a", milliseconds(700))), StartsWith("unreachable: vault.leasefs-test.invalid:8200: "));
  client_.reset();
  EXPECT_LT(loop_->Now() - start, seconds(2));
}

// Connections that are never accepted: the backlog of the listener is full.
TEST_F(FailureTest, AConnectionThatDoesNotComeAboutEndsInTime) {
  options_.transport.connect_timeout = milliseconds(300);
  options_.client.health.first_backoff = options_.client.health.backoff_floor = seconds(20);
  const UniqueFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(listener.get(), 1), 0);
  ASSERT_EQ(getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  Trust(StrCat("https://127.0.0.1:", ntohs(address.sin_port)));  // accepts TCP by itself, and then no TLS comes
  Connect();
  const BootTime start = loop_->Now();
  EXPECT_THAT(Outcome(Get()), AllOf(StartsWith("unreachable: "), HasSubstr("no connection in time")));
  EXPECT_LT(loop_->Now() - start, seconds(2));
}

TEST_F(FailureTest, AnEndlessBodyIsCutOff) {
  options_.transport.max_body_bytes = 100'000;
  std::atomic<size_t> written = 0;
  const auto server = Serve([&](TlsServer::Connection& connection) {
    connection.Read();
    connection.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    const std::string chunk = StrCat("1000\r\n", std::string(4096, 'x'), "\r\n");
    while (written < (size_t{64} << 20) && connection.Write(chunk)) written += chunk.size();
  });
  ConnectTo(*server);
  EXPECT_THAT(Outcome(Get()), AllOf(StartsWith("too_large: "), HasSubstr("larger than 100000 bytes")));
  EXPECT_LT(written, size_t{64} << 20);
}

TEST_F(FailureTest, ABodyIsMeasuredByWhatComesAndByWhatIsAnnounced) {
  options_.transport.max_body_bytes = 1000;
  EXPECT_THAT(RefusalOf("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\nx", false),
              HasSubstr("larger than 1000 bytes"));
  EXPECT_THAT(RefusalOf("HTTP/1.1 200 OK\r\n\r\n" + std::string(1001, 'x')), HasSubstr("larger than 1000 bytes"));
  EXPECT_EQ(RefusalOf(Answer(200, std::string(1000, 'x'))).substr(0, 10), "status 200");
}

TEST_F(FailureTest, EndlessHeadersAreCutOff) {
  std::string many = "HTTP/1.1 200 OK\r\n";
  for (int i = 0; i < 3000; ++i) many += StrCat("X-", i, ": ", std::string(40, 'x'), "\r\n");
  EXPECT_THAT(RefusalOf(many, false), AllOf(StartsWith("too_large: "), HasSubstr("headers")));
  EXPECT_THAT(RefusalOf("HTTP/1.1 200 OK\r\nX: " + std::string(300'000, 'x'), false), StartsWith("too_large: "));
  std::string interim;
  for (int i = 0; i < 4000; ++i) interim += "HTTP/1.1 103 X\r\nA: b\r\n\r\n";
  EXPECT_THAT(RefusalOf(interim, false), StartsWith("too_large: "));
}

// A byte now and then, for ever: only the deadline ends it.
TEST_F(FailureTest, ASlowAnswerEndsAtTheDeadline) {
  const auto server = Serve([](TlsServer::Connection& connection) {
    connection.Read();
    connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    while (connection.Wait(milliseconds(20)) && connection.Write("x")) {
    }
  });
  ConnectTo(*server);
  const BootTime start = loop_->Now();
  EXPECT_THAT(Outcome(Get("/v1/a", milliseconds(400))),
              AllOf(StartsWith("unreachable: "), HasSubstr("no complete answer by the deadline")));
  EXPECT_GE(loop_->Now() - start, milliseconds(400));
  EXPECT_LT(loop_->Now() - start, seconds(2));
}

TEST_F(FailureTest, SilenceEndsAtTheDeadline) {
  EXPECT_THAT(RefusalOf("", false, milliseconds(300)), HasSubstr("by the deadline"));
  EXPECT_THAT(RefusalOf("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false, milliseconds(300)),
              HasSubstr("by the deadline"));
}

TEST_F(FailureTest, AnAnswerThatEndsTooEarly) {
  EXPECT_THAT(RefusalOf(""), AllOf(StartsWith("unreachable: "), HasSubstr("without an answer")));
  EXPECT_THAT(RefusalOf("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc"),
              AllOf(StartsWith("unreachable: "), HasSubstr("ended too early")));
  EXPECT_THAT(RefusalOf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"), StartsWith("unreachable: "));
  EXPECT_THAT(RefusalOf("HTTP/1.1 200 OK\r\nContent-Le"), StartsWith("unreachable: "));
}

TEST_F(FailureTest, AResetInTheMiddleOfTheBody) {
  const auto server = Serve([](TlsServer::Connection& connection) {
    connection.Read();
    connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc");
    connection.Wait(milliseconds(50));
    connection.Reset();
  });
  ConnectTo(*server);
  EXPECT_THAT(Outcome(Get()), AllOf(StartsWith("unreachable: "), HasSubstr("may have done what it was asked")));
}

TEST_F(FailureTest, WhatIsNotHttp) {
  EXPECT_THAT(RefusalOf("SSH-2.0-OpenSSH_9.2\r\n"), AllOf(StartsWith("remote: "), HasSubstr("does not speak HTTP")));
  EXPECT_THAT(RefusalOf(std::string(1000, '\0')), StartsWith("remote: "));
  EXPECT_THAT(RefusalOf("HTTP/1.1 banana\r\n\r\n"), StartsWith("remote: "));
  EXPECT_THAT(RefusalOf("HTTP/1.1 200 OK\r\nContent-Length: banana\r\n\r\n"), StartsWith("remote: "));
  EXPECT_THAT(RefusalOf("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), StartsWith("remote: "));
  EXPECT_THAT(RefusalOf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nbanana\r\n"),
              testing::AnyOf(StartsWith("remote: "), StartsWith("unreachable: ")));
}

TEST_F(FailureTest, WhatNobodyAskedFor) {
  EXPECT_THAT(RefusalOf(Answer(200, "\x1f\x8b...", "Content-Encoding: gzip\r\n")),
              AllOf(StartsWith("remote: "), HasSubstr("compressed")));
  EXPECT_THAT(RefusalOf(Answer(200, "", "Location: /\x01\r\n")), AllOf(StartsWith("remote: "), HasSubstr("location")));
}

TEST_F(FailureTest, MessagesQuoteNeitherHeadersNorBodies) {
  for (const std::string& answer : {std::string("hunter2\r\n"), std::string("HTTP/1.1 hunter2\r\n\r\n"),
                                    std::string("HTTP/1.1 200 hunter2\r\nContent-Length: hunter2\r\n\r\nhunter2"),
                                    Answer(307, "hunter2", "X-Hunter: hunter2\r\n"),
                                    std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: hunter2\r\n\r\nhunter2")}) {
    EXPECT_THAT(RefusalOf(answer), testing::Not(HasSubstr("hunter2")));
  }
}

TEST_F(FailureTest, ManyFailingRequestsEndAndLeaveNothing) {
  const auto server = Serve([](TlsServer::Connection& connection) {
    connection.Read();
    if (connection.number() % 2 == 0) connection.Reset();
  });
  ConnectTo(*server);
  int left = 200;
  for (int i = 0; i < 200; ++i) {
    Request request = Get("/v1/a", seconds(3));
    request.repeatable = i % 3 == 0;
    client_->Send(std::move(request), [&](const Result<Response>& response, bool /*in_doubt*/) {
      EXPECT_FALSE(response.ok());
      if (--left == 0) loop_->Stop();
    });
  }
  loop_->Run();
  EXPECT_EQ(client_->in_flight(), 0U);
  EXPECT_EQ(client_->waiting(), 0U);
}

}  // namespace
}  // namespace leasefs::http
