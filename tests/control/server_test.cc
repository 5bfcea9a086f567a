#include "fs/control/server.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "fs/control/wire.h"
#include "tests/control/fake_target.h"
#include "tests/control/socket_peer.h"

namespace leasefs::control {
namespace {

constexpr gid_t kGroup = 4711;

class ControlServerTest : public testing::Test {
 protected:
  ControlServerTest() {
    server_ = thread_.Do(
        [&] { return std::move(ControlServer::Create(thread_.loop(), folder_.Listen(), target_, {kGroup})).value(); });
  }
  ~ControlServerTest() override {
    thread_.Do([&] {
      server_.reset();
      return 0;
    });
  }
  static Result<ControlReply> Ask(SocketPeer& peer, std::string verb, std::vector<std::string> arguments = {}) {
    ControlRequest request{std::move(verb), std::move(arguments)};
    auto frame = peer.Ask(kRequestFrame, request.Encode().ExposeText());
    if (!frame || frame->type != kReplyFrame) return Error(ErrorKind::kUnreachable, "no reply");
    return ControlReply::Decode(SecretBuffer::CopyOf(frame->payload).Expose());
  }

  SocketFolder folder_;
  FakeTarget target_;
  LoopThread thread_;
  std::unique_ptr<ControlServer> server_;
};

TEST_F(ControlServerTest, AnswersEveryVerbOverTheSocket) {
  SocketPeer peer(folder_);
  for (const auto& [verb, arguments] :
       std::vector<std::pair<std::string, std::vector<std::string>>>{{"status", {}},
                                                                     {"stat", {"web"}},
                                                                     {"explain", {"web", "1", "1"}},
                                                                     {"refresh", {}},
                                                                     {"reload", {}},
                                                                     {"version", {}}}) {
    auto reply = Ask(peer, verb, arguments);
    ASSERT_TRUE(reply.ok()) << verb;
    ASSERT_FALSE(reply->error) << verb << ": " << reply->error->message();
    EXPECT_EQ(nlohmann::json::parse(reply->json)["schema"], 1) << verb;
  }
}

TEST_F(ControlServerTest, AnErrorKeepsItsKindAndWords) {
  target_.error = Error(ErrorKind::kNotFound, "there is no such path on the mount");
  SocketPeer peer(folder_);
  auto reply = Ask(peer, "stat", {"web"});
  ASSERT_TRUE(reply.ok() && reply->error);
  EXPECT_EQ(reply->error->kind(), ErrorKind::kNotFound);
  EXPECT_EQ(reply->error->message(), "there is no such path on the mount");
  EXPECT_TRUE(Ask(peer, "version")->json.size() > 2) << "and the connection goes on";
}

TEST_F(ControlServerTest, AnAnswerMayComeLater) {
  target_.hold_reload = true;
  SocketPeer slow(folder_), other(folder_);
  ASSERT_TRUE(slow.Send(kRequestFrame, ControlRequest{"reload", {}}.Encode().ExposeText()));
  EXPECT_TRUE(Ask(other, "version").ok());
  while (thread_.Do([&] { return !target_.held_reload; })) usleep(1000);
  thread_.Do([&] {
    target_.held_reload(ReloadReport{9, {}});
    target_.held_reload = nullptr;
    return 0;
  });
  auto frame = slow.Receive();
  ASSERT_TRUE(frame);
  auto reply = ControlReply::Decode(SecretBuffer::CopyOf(frame->payload).Expose());
  ASSERT_TRUE(reply.ok());
  EXPECT_EQ(nlohmann::json::parse(reply->json)["generation"], 9);
}

TEST_F(ControlServerTest, AnAnswerThatNeverComesClosesTheConnection) {
  target_.hold_reload = true;
  SocketPeer peer(folder_);
  ASSERT_TRUE(peer.Send(kRequestFrame, ControlRequest{"reload", {}}.Encode().ExposeText()));
  while (thread_.Do([&] { return !target_.held_reload; })) usleep(1000);
  thread_.Do([&] {
    target_.held_reload = nullptr;
    return 0;
  });
  EXPECT_TRUE(peer.IsClosed());
}

TEST_F(ControlServerTest, WhatIsNoRequestClosesTheConnection) {
  std::mt19937 random(5);
  for (int round = 0; round < 100; ++round) {
    SocketPeer peer(folder_);
    std::string payload(random() % 40, '\0');
    for (char& c : payload) c = static_cast<char>(random());
    ASSERT_TRUE(peer.Send(round % 2 == 0 ? kRequestFrame : kReplyFrame, payload));
    EXPECT_TRUE(peer.IsClosed());
  }
  SocketPeer peer(folder_);
  EXPECT_TRUE(Ask(peer, "version").ok());
}

TEST_F(ControlServerTest, AnAnswerThatIsTooLargeIsAnError) {
  target_.status.warnings.assign(2000, std::string(1000, 'w'));
  SocketPeer peer(folder_);
  auto reply = Ask(peer, "status");
  ASSERT_TRUE(reply.ok() && reply->error);
  EXPECT_EQ(reply->error->kind(), ErrorKind::kTooLarge);
}

TEST_F(ControlServerTest, AStrangerIsNotHeard) {
  int status = AsUser(65534, 65534, {}, [&] {
    SocketPeer peer(folder_);
    return Ask(peer, "version").ok() ? 1 : 0;
  });
  EXPECT_EQ(status, 0);
  EXPECT_EQ(target_.calls, 0);
}

TEST(ControlWireTest, RequestsAndRepliesComeBackAsTheyWere) {
  ControlRequest request{"explain", {"web/tls", "", std::string(4096, 'x'), std::string("\0\xff", 2)}};
  auto request_back = ControlRequest::Decode(request.Encode().Expose());
  ASSERT_TRUE(request_back.ok());
  EXPECT_EQ(request_back->verb, request.verb);
  EXPECT_EQ(request_back->arguments, request.arguments);
  for (int kind = 0; kind <= static_cast<int>(ErrorKind::kInvalid); ++kind) {
    ControlReply reply;
    reply.error = Error(static_cast<ErrorKind>(kind), "why");
    auto back = ControlReply::Decode(reply.Encode().Expose());
    ASSERT_TRUE(back.ok() && back->error);
    EXPECT_EQ(back->error->kind(), reply.error->kind());
    EXPECT_EQ(back->error->message(), "why");
  }
}

TEST(ControlWireTest, RefusesWhatEncodeCannotHaveMade) {
  auto refused = [](const ControlRequest& request) { return !ControlRequest::Decode(request.Encode().Expose()).ok(); };
  EXPECT_FALSE(refused({"v", std::vector<std::string>(16)}));
  EXPECT_TRUE(refused({"v", std::vector<std::string>(17)}));
  EXPECT_TRUE(refused({"v", {std::string(4097, 'x')}}));
  EXPECT_TRUE(refused({std::string(65, 'v'), {}}));
  for (const ControlReply& reply :
       {ControlReply{std::nullopt, "{\"a\":1}"}, ControlReply{Error(ErrorKind::kBusy, "b"), ""}}) {
    SecretBuffer whole = reply.Encode();
    for (size_t size = 0; size < whole.size(); ++size) {
      EXPECT_FALSE(ControlReply::Decode(whole.Expose().first(size)).ok()) << size;
    }
    whole.Append("x");
    EXPECT_FALSE(ControlReply::Decode(whole.Expose()).ok());
  }
  SecretBuffer request = ControlRequest{"stat", {"a", "b"}}.Encode();
  for (size_t size = 0; size < request.size(); ++size) {
    EXPECT_FALSE(ControlRequest::Decode(request.Expose().first(size)).ok()) << size;
  }
}

}  // namespace
}  // namespace leasefs::control
