#include "fs/base/peer_server.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/control/socket_peer.h"

namespace leasefs {
namespace {

using std::chrono::milliseconds;
constexpr gid_t kGroup = 4711;
constexpr uid_t kStranger = 65534;

// Answers type 1 with an echo, leaves 2 to the test, and drops 3.
class PeerServerTest : public testing::Test {
 protected:
  void Start(PeerServer::Options options = {}) {
    options.group = kGroup;
    server_ = thread_.Do([&] {
      return std::move(PeerServer::Create(thread_.loop(), folder_.Listen(), options,
                                          [this](const PeerCredentials& peer, uint16_t type,
                                                 std::span<const std::byte> payload, PeerReply reply) {
                                            last_peer_ = peer;
                                            if (type == 1) reply.Finish(1, SecretBuffer::CopyOf(payload));
                                            if (type == 2) kept_.push_back(reply);
                                            if (type == 4) server_.reset();
                                          }))
          .value();
    });
  }
  void TearDown() override {
    thread_.Do([&] {
      kept_.clear();
      server_.reset();
      return 0;
    });
  }
  PeerServer::Figures Figures() {
    return thread_.Do([&] { return server_->figures(); });
  }
  template <class F>
  void WaitUntil(F condition) {
    for (int i = 0; i < 10'000 && !condition(); ++i) usleep(1000);
    EXPECT_TRUE(condition());
  }

  SocketFolder folder_;
  LoopThread thread_;
  std::unique_ptr<PeerServer> server_;  // loop's thread
  std::vector<PeerReply> kept_;         // loop's thread
  PeerCredentials last_peer_;           // loop's thread
};

TEST_F(PeerServerTest, AnswersRootOneRequestAfterTheOther) {
  Start();
  SocketPeer peer(folder_);
  for (int i = 0; i < 100; ++i) {
    auto reply = peer.Ask(1, std::to_string(i));
    ASSERT_TRUE(reply);
    ASSERT_EQ(reply->payload, std::to_string(i));
  }
  EXPECT_EQ(Figures().requests, 100u);
  EXPECT_TRUE(thread_.Do([&] { return last_peer_.IsRoot(); }));
}

TEST_F(PeerServerTest, OnlyRootAndTheGroupGetIn) {
  Start();
  auto ask = [&] {
    SocketPeer peer(folder_);
    if (!peer.connected()) return 2;
    auto reply = peer.Ask(1, "hello");
    return reply && reply->payload == "hello" ? 0 : 1;
  };
  EXPECT_EQ(AsUser(kStranger, kStranger, {}, ask), 1);
  EXPECT_EQ(AsUser(kStranger, kStranger, {1, 2, 3}, ask), 1);
  EXPECT_EQ(Figures().refused, 2u);
  EXPECT_EQ(Figures().requests, 0u) << "nothing is read from a stranger";
  EXPECT_EQ(AsUser(kStranger, kGroup, {}, ask), 0);
  EXPECT_EQ(AsUser(kStranger, kStranger, {1, kGroup}, ask), 0);
  std::vector<gid_t> many;
  for (gid_t gid = 1; gid <= 500; ++gid) many.push_back(gid);
  many.push_back(kGroup);
  EXPECT_EQ(AsUser(kStranger, kStranger, many, ask), 0);
  EXPECT_EQ(thread_.Do([&] { return last_peer_.groups.size(); }), 501u);
}

TEST_F(PeerServerTest, GarbageClosesTheConnectionOnly) {
  Start();
  SocketPeer good(folder_);
  for (const std::string& garbage :
       {std::string("GET / HTTP/1.1\r\n\r\n"), std::string(64, '\0'), std::string(64, '\xff'),
        std::string("\xff\xff\xff\x7f\x01\x00\x00\x00", 8),     // 2 GiB announced
        std::string("\x01\x00\x10\x00\x01\x00\x00\x00", 8)}) {  // one byte more than max_payload
    SocketPeer bad(folder_);
    bad.SendBytes(garbage);
    EXPECT_TRUE(bad.IsClosed());
  }
  EXPECT_TRUE(good.Ask(1, "still there"));
}

TEST_F(PeerServerTest, APeerThatSpeaksBeforeItsTurnIsClosed) {
  Start();
  SocketPeer peer(folder_);
  ASSERT_TRUE(peer.Send(2, "first"));
  ASSERT_TRUE(peer.Send(2, "second, before the answer"));
  EXPECT_TRUE(peer.IsClosed());
  EXPECT_EQ(Figures().dropped, 1u);
  EXPECT_FALSE(thread_.Do([&] { return kept_.front().connected(); }));
}

TEST_F(PeerServerTest, APeerThatIsTooSlowIsClosed) {
  Start({.timeout = milliseconds(150)});
  SocketPeer silent(folder_);
  SocketPeer dribbling(folder_);
  const std::string request = std::string("\x40\x00\x00\x00\x01\x00\x00\x00", 8) + std::string(64, 'x');
  bool open = true;
  for (size_t i = 0; open && i < request.size(); ++i) {  // a byte now and then does not buy time
    open = dribbling.SendBytes(request.substr(i, 1));
    usleep(20'000);
  }
  EXPECT_FALSE(open);
  EXPECT_TRUE(silent.IsClosed());
  EXPECT_EQ(Figures().dropped, 2u);
}

TEST_F(PeerServerTest, AHandlerMayTakeLongerThanAPeer) {
  Start({.timeout = milliseconds(500)});
  SocketPeer peer(folder_);
  ASSERT_TRUE(peer.Send(2, "please wait"));
  WaitUntil([&] { return thread_.Do([&] { return kept_.size(); }) == 1; });
  usleep(1'200'000);
  thread_.Do([&] {
    kept_.front().Finish(7, SecretBuffer::CopyOf("done"));
    return 0;
  });
  auto reply = peer.Receive();
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->payload, "done");
}

TEST_F(PeerServerTest, APeerThatDoesNotReadItsReplyIsClosed) {
  Start({.timeout = milliseconds(300)});
  SocketPeer peer(folder_);
  ASSERT_TRUE(peer.Send(1, std::string(900'000, 'x')));  // echoed, more than the socket holds
  WaitUntil([&] { return Figures().dropped == 1; });
  EXPECT_EQ(Figures().connections, 0u);
}

TEST_F(PeerServerTest, AReplyLargerThanTheQueueIsSentAsThePeerTakesIt) {
  Start({.max_payload = size_t{1} << 20, .max_queued = size_t{2} << 20});
  SocketPeer peer(folder_);
  ASSERT_TRUE(peer.Send(2, "everything"));
  WaitUntil([&] { return thread_.Do([&] { return kept_.size(); }) == 1; });
  constexpr int kParts = 32;
  int sent = 0;
  std::function<void()> next = [&] {
    PeerReply reply = kept_.front();
    if (sent == kParts) return reply.Finish(9, SecretBuffer::CopyOf("end"));
    ++sent;
    reply.Send(8, SecretBuffer(size_t{1} << 20));
    reply.WhenDrained(size_t{1} << 19, [&] { next(); });
  };
  thread_.Do([&] {
    next();
    return 0;
  });
  size_t bytes = 0;
  for (;;) {
    auto frame = peer.Receive();
    ASSERT_TRUE(frame);
    if (frame->type == 9) break;
    bytes += frame->payload.size();
  }
  EXPECT_EQ(bytes, size_t{kParts} << 20);
}

TEST_F(PeerServerTest, ADroppedReplyClosesTheConnection) {
  Start();
  SocketPeer peer(folder_);
  ASSERT_TRUE(peer.Send(3, "nobody answers"));
  EXPECT_TRUE(peer.IsClosed());
}

TEST_F(PeerServerTest, AReplyToAPeerThatHasGoneDoesNothing) {
  Start();
  SocketPeer peer(folder_);
  ASSERT_TRUE(peer.Send(2, "x"));
  WaitUntil([&] { return thread_.Do([&] { return kept_.size(); }) == 1; });
  peer.Close();
  WaitUntil([&] { return Figures().connections == 0; });
  thread_.Do([&] {
    EXPECT_FALSE(kept_.front().connected());
    kept_.front().Send(1, SecretBuffer::CopyOf("part"));
    kept_.front().WhenDrained(0, [] { ADD_FAILURE(); });
    kept_.front().Finish(1, SecretBuffer::CopyOf("late"));
    kept_.front().Finish(1, SecretBuffer::CopyOf("twice"));
    return 0;
  });
  EXPECT_TRUE(SocketPeer(folder_).Ask(1, "others go on"));
}

TEST_F(PeerServerTest, TwoHundredConnectionsAreBounded) {
  Start({.max_connections = 64});
  std::vector<std::unique_ptr<SocketPeer>> peers;
  for (int i = 0; i < 200; ++i) peers.push_back(std::make_unique<SocketPeer>(folder_));
  WaitUntil([&] { return Figures().accepted + Figures().refused == 200; });
  EXPECT_EQ(Figures().connections, 64u);
  size_t closed = 0;
  for (int i = 64; i < 200; ++i) closed += peers[i]->IsClosed();
  EXPECT_EQ(closed, 136u);
  EXPECT_TRUE(peers[10]->Ask(1, "those inside are served"));
  peers.clear();
  WaitUntil([&] { return Figures().connections == 0; });
  EXPECT_TRUE(SocketPeer(folder_).Ask(1, "and there is room again"));
}

TEST_F(PeerServerTest, TheGroupCannotKeepRootOut) {
  Start({.max_connections = 20});
  int hold[2];
  ASSERT_EQ(pipe2(hold, O_CLOEXEC), 0);
  UniqueFd wait(hold[0]), release(hold[1]);
  pid_t child = StartAsUser(kStranger, kGroup, {}, [&] {
    release.Reset();
    std::vector<std::unique_ptr<SocketPeer>> peers;
    int served = 0;
    for (int i = 0; i < 40; ++i) {
      peers.push_back(std::make_unique<SocketPeer>(folder_));
      served += peers.back()->Ask(1, "x").has_value() ? 1 : 0;
    }
    char end;
    return read(wait.get(), &end, 1) == 0 ? served : 98;
  });
  WaitUntil([&] { return Figures().accepted + Figures().refused == 40; });
  EXPECT_TRUE(SocketPeer(folder_).Ask(1, "root"));
  release.Reset();
  EXPECT_EQ(ExitStatusOf(child), 20 - static_cast<int>(PeerServer::kReservedForRoot));
}

TEST_F(PeerServerTest, TheServerMayEndInsideTheHandler) {
  Start();
  SocketPeer peer(folder_), other(folder_);
  ASSERT_TRUE(other.Ask(1, "x"));
  ASSERT_TRUE(peer.Send(4, "end"));
  EXPECT_TRUE(peer.IsClosed());
  EXPECT_TRUE(other.IsClosed());
}

}  // namespace
}  // namespace leasefs
