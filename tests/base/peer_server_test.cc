#include "fs/base/peer_server.h"

#include <grp.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>

#include "fs/base/frame.h"
#include "fs/base/strings.h"

namespace leasefs {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uid_t kNobody = 65534;
constexpr gid_t kOperators = 54321;  // a group that nobody here is in unless a test says so

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  return address;
}

UniqueFd Connect(const std::string& path) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = AddressOf(path);
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fd.Reset();
  return fd;
}

// A client on the loop of the server.
struct Client {
  Client(FdLoop& loop, const std::string& path) {
    frames = std::make_unique<FrameConnection>(
        MakeFdStream(loop, Connect(path)), FrameConnection::Options{},
        FrameConnection::Events{.on_frame =
                                    [this](uint16_t type, std::span<const std::byte> payload) {
                                      type_received = type;
                                      received.append(reinterpret_cast<const char*>(payload.data()), payload.size());
                                    },
                                .on_closed = [this](const std::string&) { closed = true; }});
  }
  void Send(uint16_t type, std::string_view text) { frames->Send(type, SecretBuffer::CopyOf(text)); }

  std::unique_ptr<FrameConnection> frames;
  uint16_t type_received = 0;
  std::string received;
  bool closed = false;
};

class PeerServerTest : public testing::Test {
 protected:
  PeerServerTest() {
    std::string pattern = testing::TempDir() + "leasefs-peer-XXXXXX";
    folder_ = mkdtemp(pattern.data());
    chmod(folder_.c_str(), 0755);
    path_ = folder_ + "/socket";
  }
  ~PeerServerTest() override { std::filesystem::remove_all(folder_); }

  void Serve(PeerServer::Options options) {
    UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address = AddressOf(path_);
    ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(chmod(path_.c_str(), 0666), 0);  // the mode of the file is not what keeps strangers out
    ASSERT_EQ(listen(listener.get(), 64), 0);
    auto server = PeerServer::Create(
        *loop_, std::move(listener), options,
        [this](const PeerCredentials& peer, uint16_t type, std::span<const std::byte> payload, PeerReply reply) {
          last_peer_ = peer;
          handle_(type, SecretBuffer::CopyOf(payload), std::move(reply));
        });
    ASSERT_TRUE(server.ok());
    server_ = std::move(*server);
  }
  template <class Condition>
  bool RunUntil(Condition condition) {
    BootTime end = loop_->Now() + seconds(20);
    std::function<void()> check = [&] {
      if (condition() || loop_->Now() > end) return loop_->Stop();
      loop_->After(milliseconds(1), check);
    };
    check();
    loop_->Run();
    return condition();
  }
  // A child with those credentials sends one frame of type 1 and exits with 0 if it is answered, 1 if it is closed.
  int AskAs(uid_t user, gid_t group, std::vector<gid_t> groups) {
    pid_t child = fork();
    if (child == 0) {
      bool dropped = setgroups(groups.size(), groups.data()) == 0 && setgid(group) == 0 && setuid(user) == 0;
      UniqueFd fd = dropped ? Connect(path_) : UniqueFd();
      const char frame[8] = {0, 0, 0, 0, 1, 0, 0, 0};
      char answer = 0;
      if (!fd || send(fd.get(), frame, sizeof frame, MSG_NOSIGNAL) < 0) _exit(fd ? 1 : 2);
      _exit(recv(fd.get(), &answer, 1, 0) == 1 ? 0 : 1);
    }
    int status = 0;
    bool ended = RunUntil([&] { return waitpid(child, &status, WNOHANG) != 0; });
    return ended && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  std::unique_ptr<FdLoop> loop_ = *FdLoop::Create();
  std::string folder_;
  std::string path_;
  std::optional<PeerCredentials> last_peer_;
  std::function<void(uint16_t, SecretBuffer, PeerReply)> handle_ = [](uint16_t type, SecretBuffer payload,
                                                                      const PeerReply& reply) {
    reply.Finish(static_cast<uint16_t>(type + 1), std::move(payload));
  };
  std::unique_ptr<PeerServer> server_;
};

TEST_F(PeerServerTest, AnswersOneRequestAfterTheOther) {
  Serve({.group = getgid()});
  Client client(*loop_, path_);
  client.Send(7, "one");
  EXPECT_TRUE(RunUntil([&] { return client.received == "one"; }));
  EXPECT_EQ(client.type_received, 8);
  client.Send(9, "two");
  EXPECT_TRUE(RunUntil([&] { return client.received == "onetwo"; }));
  EXPECT_EQ(last_peer_->uid, geteuid());
  EXPECT_EQ(last_peer_->pid, getpid());
  EXPECT_EQ(server_->figures().requests, 2U);
  EXPECT_EQ(server_->figures().connections, 1U);
  client.frames.reset();
  EXPECT_TRUE(RunUntil([&] { return server_->figures().connections == 0; }));
  EXPECT_EQ(server_->figures().dropped, 0U);
}

TEST_F(PeerServerTest, LetsInTheGroupAndNobodyElse) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to become others";
  Serve({.group = kOperators});
  EXPECT_EQ(AskAs(0, 0, {}), 0) << "root";
  EXPECT_EQ(AskAs(kNobody, kOperators, {}), 0) << "its own group";
  EXPECT_EQ(AskAs(kNobody, kNobody, {1, 2, kOperators}), 0) << "a supplementary group";
  EXPECT_EQ(AskAs(kNobody, kNobody, {}), 1) << "a stranger";
  EXPECT_EQ(AskAs(kNobody, 0, {1, 2}), 1) << "the group of root is not root";
  EXPECT_EQ(server_->figures().refused, 2U);
  EXPECT_EQ(server_->figures().requests, 3U);
}

TEST_F(PeerServerTest, ReadsMoreGroupsThanItExpected) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to become others";
  Serve({.group = kOperators});
  std::vector<gid_t> many;
  for (gid_t group = 1000; group < 1300; ++group) many.push_back(group);
  many.push_back(kOperators);
  EXPECT_EQ(AskAs(kNobody, kNobody, many), 0);
  EXPECT_EQ(last_peer_->groups.size(), many.size());
}

TEST_F(PeerServerTest, ConnectionsAreBounded) {
  if (geteuid() != 0) GTEST_SKIP() << "the places of root are reserved";
  Serve({.max_connections = 2});
  Client first(*loop_, path_);
  Client second(*loop_, path_);
  EXPECT_TRUE(RunUntil([&] { return server_->figures().connections == 2; }));
  Client third(*loop_, path_);
  EXPECT_TRUE(RunUntil([&] { return third.closed; }));
  EXPECT_EQ(server_->figures().refused, 1U);
  EXPECT_FALSE(first.closed || second.closed);
}

TEST_F(PeerServerTest, WhoSpeaksOutOfTurnIsClosed) {
  std::optional<PeerReply> kept;
  handle_ = [&](uint16_t, SecretBuffer, PeerReply reply) { kept = std::move(reply); };
  Serve({.group = getgid()});
  Client client(*loop_, path_);
  client.Send(1, "first");
  client.Send(1, "second");
  EXPECT_TRUE(RunUntil([&] { return client.closed; }));
  EXPECT_EQ(server_->figures().dropped, 1U);
  EXPECT_FALSE(kept->connected());
  kept->Finish(2, SecretBuffer());  // nothing happens
}

TEST_F(PeerServerTest, WhoSendsNothingIsClosedInTime) {
  Serve({.group = getgid(), .timeout = milliseconds(20)});
  Client client(*loop_, path_);
  EXPECT_TRUE(RunUntil([&] { return client.closed; }));
  EXPECT_EQ(server_->figures().dropped, 1U);
}

TEST_F(PeerServerTest, ASlowHandlerIsNotThePeersFault) {
  std::optional<PeerReply> kept;
  handle_ = [&](uint16_t, SecretBuffer, PeerReply reply) { kept = std::move(reply); };
  Serve({.group = getgid(), .timeout = milliseconds(500)});
  Client client(*loop_, path_);
  client.Send(1, "");
  EXPECT_TRUE(RunUntil([&] { return kept.has_value(); }));
  bool later = false;
  loop_->After(milliseconds(1200), [&] { later = true; });
  EXPECT_TRUE(RunUntil([&] { return later; }));
  EXPECT_TRUE(kept->connected());
  kept->Finish(2, SecretBuffer::CopyOf("at last"));
  EXPECT_TRUE(RunUntil([&] { return client.received == "at last"; }));
}

TEST_F(PeerServerTest, ALostReplyClosesInsteadOfHanging) {
  handle_ = [](uint16_t, SecretBuffer, const PeerReply&) {};
  Serve({.group = getgid()});
  Client client(*loop_, path_);
  client.Send(1, "");
  EXPECT_TRUE(RunUntil([&] { return client.closed; }));
  EXPECT_EQ(server_->figures().connections, 0U);
}

TEST_F(PeerServerTest, RepliesInPartsWaitForThePeer) {
  // 40 parts of 64 KiB, which together are far over max_queued.
  int parts = 0;
  std::function<void(PeerReply)> send_part = [&](PeerReply reply) {
    std::string part(size_t{64} << 10, 'x');
    if (++parts == 40) return reply.Finish(3, SecretBuffer::CopyOf(part));
    reply.Send(2, SecretBuffer::CopyOf(part));
    reply.WhenDrained(size_t{64} << 10, [&, reply] { send_part(reply); });
  };
  handle_ = [&](uint16_t, SecretBuffer, PeerReply reply) { send_part(std::move(reply)); };
  Serve({.group = getgid(), .max_queued = size_t{200} << 10});
  Client client(*loop_, path_);
  client.Send(1, "");
  EXPECT_TRUE(RunUntil([&] { return client.type_received == 3 || client.closed; }));
  EXPECT_EQ(client.received.size(), size_t{40} * 64 << 10);
  EXPECT_EQ(server_->figures().connections, 1U);
}

TEST_F(PeerServerTest, TooLargeARequestIsClosed) {
  Serve({.group = getgid(), .max_payload = 10});
  Client client(*loop_, path_);
  client.Send(1, "0123456789a");
  EXPECT_TRUE(RunUntil([&] { return client.closed; }));
  EXPECT_EQ(server_->figures().requests, 0U);
}

TEST_F(PeerServerTest, WhatArrivesAtAllConnectionsIsBounded) {
  const std::string part(size_t{1} << 20, 'x');
  PeerServer::Options options{.group = getgid(), .max_payload = size_t{2} << 20};
  options.max_incoming = size_t{4} << 20;
  options.too_much_type = 9;
  options.too_much = [] { return SecretBuffer::CopyOf("too much"); };
  Serve(options);
  std::vector<PeerReply> waiting;
  handle_ = [&](uint16_t, const SecretBuffer&, PeerReply reply) { waiting.push_back(std::move(reply)); };
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 6; ++i) {
    clients.push_back(std::make_unique<Client>(*loop_, path_));
    clients.back()->Send(1, part);
  }
  ASSERT_TRUE(RunUntil([&] { return waiting.size() == 6; })) << "four, and two that are root's";
  Client last(*loop_, path_);
  last.Send(1, part);
  EXPECT_TRUE(RunUntil([&] { return last.closed; }));
  EXPECT_EQ(last.type_received, 9);
  EXPECT_EQ(last.received, "too much");
  Client small(*loop_, path_);
  small.Send(1, "small");
  EXPECT_TRUE(RunUntil([&] { return waiting.size() == 7; })) << "what is here at once takes nothing";
  waiting[0].Finish(2, SecretBuffer::CopyOf("done"));
  clients[1]->frames.reset();
  Client next(*loop_, path_);
  next.Send(1, part);
  EXPECT_TRUE(RunUntil([&] { return waiting.size() == 8; })) << "an answer and an end give back";
  EXPECT_EQ(server_->figures().dropped, 1U);
}

TEST_F(PeerServerTest, MayBeDestroyedInsideTheHandler) {
  handle_ = [&](uint16_t, SecretBuffer, const PeerReply& reply) {
    server_.reset();
    reply.Finish(2, SecretBuffer::CopyOf("too late"));
  };
  Serve({.group = getgid()});
  Client client(*loop_, path_);
  Client other(*loop_, path_);
  client.Send(1, "");
  EXPECT_TRUE(RunUntil([&] { return client.closed && other.closed; }));
  EXPECT_EQ(client.received, "");
}

TEST(PeerCredentialsTest, OfWhatIsNoSocketAreAnError) {
  EXPECT_FALSE(ReadPeerCredentials(-1).ok());
}

}  // namespace
}  // namespace leasefs
