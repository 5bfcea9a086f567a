// The command against daemons that behave badly.
#include "fs/cli/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/cli/run_cli.h"
#include "tests/cli/scripted_peer.h"

namespace leasefs::cli {
namespace {

using testing::HasSubstr;

constexpr ClientTimes kLong = {.connect = std::chrono::seconds(20), .silence = std::chrono::seconds(20)};
constexpr ClientTimes kShort = {.connect = std::chrono::milliseconds(300), .silence = std::chrono::milliseconds(300)};

class ClientTest : public testing::Test {
 protected:
  // What a control request gets from a peer that answers with these bytes and hangs up, or waits.
  Outcome<std::string> AskPeer(std::string answer, bool hang = false, const ClientTimes& times = kLong) {
    ScriptedPeer peer(socket_, [=](PeerConnection& connection) {
      connection.ReadFrame();
      connection.Write(answer);
      if (hang) connection.WaitForHangUp();
    });
    return AskControl(socket_, {.verb = "status", .arguments = {}}, times);
  }
  static void ExpectUnreachable(const Outcome<std::string>& answer, const std::string& words) {
    ASSERT_FALSE(answer.ok());
    EXPECT_EQ(answer.error().exit, Exit::kDaemon);
    EXPECT_EQ(answer.error().code, "daemon_unreachable");
    EXPECT_THAT(answer.error().message, HasSubstr(words));
    EXPECT_NE(answer.error().hint, "");
  }

  TempDirectory directory_;
  std::string socket_ = directory_ / "control.sock";
};

TEST_F(ClientTest, TakesAGoodReply) {
  control::ControlReply reply;
  reply.json = "{\"state\":\"ok\"}";
  ScriptedPeer peer(socket_, [&](PeerConnection& connection) {
    connection.ReadFrame();
    connection.WriteFrame(control::kReplyFrame, reply.Encode());
  });
  auto answer = AskControl(socket_, {.verb = "status", .arguments = {}}, kLong);
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(*answer, "{\"state\":\"ok\"}");
}

TEST_F(ClientTest, TheDaemonsErrorBecomesAFailureWithAHint) {
  control::ControlReply reply;
  reply.error = Error(ErrorKind::kDenied, "reload is not for you");
  ScriptedPeer peer(socket_, [&](PeerConnection& connection) {
    connection.ReadFrame();
    connection.WriteFrame(control::kReplyFrame, reply.Encode());
  });
  auto answer = AskControl(socket_, {.verb = "reload", .arguments = {}}, kLong);
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().exit, Exit::kDaemon);
  EXPECT_EQ(answer.error().code, "denied");
  EXPECT_EQ(answer.error().message, "reload is not for you");
  EXPECT_THAT(answer.error().hint, HasSubstr("root"));
}

TEST_F(ClientTest, WithoutADaemonItSaysHowToStartIt) {
  auto answer = AskControl(socket_, {.verb = "status", .arguments = {}}, kLong);
  ExpectUnreachable(answer, "there is no such socket");
  EXPECT_THAT(answer.error().hint, HasSubstr("systemctl start leasefs"));
  {
    ScriptedPeer peer(socket_, [](PeerConnection&) {});
  }
  ExpectUnreachable(AskControl(socket_, {.verb = "status", .arguments = {}}, kLong), "nobody listens");
}

TEST_F(ClientTest, ACloseWithoutAnAnswerNamesTheGroup) {
  auto answer = AskPeer("");
  ExpectUnreachable(answer, "closed the connection");
  if (geteuid() == 0) {
    EXPECT_THAT(answer.error().hint, testing::Not(HasSubstr("root"))) << "it is root already";
  } else {
    EXPECT_THAT(answer.error().hint, HasSubstr("a member of the group"));
  }
}

TEST_F(ClientTest, WhatIsSaidBeforeTheRequestWasTakenIsHeard) {
  ScriptedPeer peer(socket_, [](PeerConnection& connection) {
    store_admin::AdminReply reply;
    reply.error = Error(ErrorKind::kBusy, "too many large requests at once");
    connection.WriteFrame(store_admin::kReplyFrame, reply.Encode());
  });
  store_admin::AdminRequest request;
  request.verb = store_admin::Verb::kPut;
  request.puts.push_back({"s", {}, true});
  request.puts[0].fields.push_back({"k", false, SecretBuffer(4 << 20)});
  auto answer = AskStore(socket_, request, kLong, {});
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().message, "too many large requests at once");
}

TEST_F(ClientTest, ATruncatedReplyIsNoReply) {
  ExpectUnreachable(AskPeer(std::string("\x20\0\0", 3)), "stopped in the middle");
  ExpectUnreachable(AskPeer(std::string("\x20\0\0\0\x02\0\0\0half", 12)), "stopped in the middle");
}

TEST_F(ClientTest, GarbageIsNoReply) {
  ExpectUnreachable(AskPeer("HTTP/1.1 400 Bad Request\r\n\r\n"), "what is not an answer");
  ExpectUnreachable(AskPeer(std::string(8, '\0')), "what is not an answer");
  auto answer = AskPeer(std::string("\x04\0\0\0\x02\0\0\0\xff\xff\xff\xff", 12));
  ASSERT_FALSE(answer.ok());
  EXPECT_THAT(answer.error().message, HasSubstr("cannot be read"));
  auto wrong_type = AskPeer(std::string("\0\0\0\0\x09\0\0\0", 8));
  ASSERT_FALSE(wrong_type.ok());
  EXPECT_THAT(wrong_type.error().message, HasSubstr("cannot be read"));
}

TEST_F(ClientTest, AHugeLengthIsRefusedBeforeAnythingIsAllocated) {
  ExpectUnreachable(AskPeer(std::string("\xff\xff\xff\x7f\x02\0\0\0", 8), true),
                    "more than the 1048576 that are allowed");
}

TEST_F(ClientTest, APeerThatHangsIsGivenUp) {
  ExpectUnreachable(AskPeer("", true, kShort), "does not answer for 0 s");
  ExpectUnreachable(AskPeer(std::string("\x20\0\0\0\x02\0\0\0half", 12), true, kShort), "does not answer for 0 s");
}

TEST_F(ClientTest, AFullBacklogIsGivenUp) {
  // The script never returns to accept while the first connection lives.
  ScriptedPeer peer(socket_, [](PeerConnection& connection) { connection.WaitForHangUp(); });
  std::vector<Client> held;
  for (int i = 0; i < 64; ++i) {
    auto client =
        Client::Connect(socket_, {.connect = std::chrono::milliseconds(50), .silence = std::chrono::milliseconds(50)});
    if (!client.ok()) {
      EXPECT_EQ(client.error().code, "daemon_unreachable");
      EXPECT_THAT(client.error().message, HasSubstr("takes no more connections"));
      return;
    }
    held.push_back(std::move(*client));
  }
  FAIL() << "the backlog never filled";
}

TEST_F(ClientTest, ASocketWithTooLongANameIsSaidSo) {
  auto answer = AskControl("/" + std::string(200, 'x'), {.verb = "status", .arguments = {}}, kLong);
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().exit, Exit::kLocal);
}

TEST_F(ClientTest, ABackupsPartsAreNoReplyToAnythingElse) {
  ScriptedPeer peer(socket_, [](PeerConnection& connection) {
    connection.ReadFrame();
    connection.WriteFrame(store_admin::kDataFrame, SecretBuffer::CopyOf("part"));
  });
  auto answer = AskStore(socket_, {}, kLong);
  ASSERT_FALSE(answer.ok());
  EXPECT_THAT(answer.error().message, HasSubstr("cannot be read"));
}

}  // namespace
}  // namespace leasefs::cli
