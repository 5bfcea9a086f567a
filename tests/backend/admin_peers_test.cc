// Who may do what on a store's socket, and what those do who misuse it. Needs root, to be somebody else.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <list>

#include "fs/base/codec.h"
#include "tests/backend/admin_fixture.h"

namespace leasefs {
namespace {

using store_admin::AdminReply;
using store_admin::AdminRequest;
using store_admin::Verb;
using store_test::Values;

constexpr uid_t kNobody = 65534;

struct Identity {
  uid_t uid;
  gid_t gid;
  std::vector<gid_t> groups;
};

// What a process of that identity gets in answer to `bytes`: everything until the connection ends or is silent after a
// frame. Between fork and _exit only system calls: another thread may have held any lock.
std::vector<std::byte> AnswerTo(const std::string& path, const std::vector<std::byte>& bytes, const Identity& who) {
  int out[2];
  if (pipe2(out, O_CLOEXEC) != 0) std::abort();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  pid_t child = fork();
  if (child == 0) {
    alarm(30);
    bool changed = syscall(SYS_setgroups, who.groups.size(), who.groups.data()) == 0 &&
                   syscall(SYS_setresgid, who.gid, who.gid, who.gid) == 0 &&
                   syscall(SYS_setresuid, who.uid, who.uid, who.uid) == 0;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (!changed || connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) _exit(2);
    send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    std::byte buffer[4096];
    uint32_t payload = 0;
    ssize_t got = recv(fd, buffer, FrameConnection::kHeaderBytes, MSG_WAITALL);
    if (got <= 0) _exit(0);
    std::memcpy(&payload, buffer, sizeof payload);
    if (payload > sizeof buffer - FrameConnection::kHeaderBytes) _exit(3);
    got += recv(fd, buffer + got, payload, MSG_WAITALL);
    if (write(out[1], buffer, static_cast<size_t>(got)) != got) _exit(4);
    _exit(0);
  }
  close(out[1]);
  std::vector<std::byte> answer;
  std::byte buffer[4096];
  for (ssize_t got = 0; (got = read(out[0], buffer, sizeof buffer)) > 0;)
    answer.insert(answer.end(), buffer, buffer + got);
  close(out[0]);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  return answer;
}

class AdminPeersTest : public AdminFixture {
 protected:
  void SetUp() override {
    ASSERT_EQ(geteuid(), 0u) << "this suite must be run as root";
    Serve();
    ConnectFs();
    ASSERT_FALSE(Ask(PutRequest("s", {{"k", "v"}})).error.has_value());
  }
  // Nothing: the connection was closed without an answer.
  std::optional<AdminReply> AskAs(const Identity& who, const AdminRequest& request) {
    SecretBuffer frame = EncodeFrame(store_admin::kRequestFrame, request.Encode());
    std::vector<std::byte> bytes(frame.Expose().begin(), frame.Expose().end());
    std::vector<std::byte> answer = AnswerTo(socket_path_, bytes, who);
    if (answer.size() < FrameConnection::kHeaderBytes) return std::nullopt;
    auto reply = AdminReply::Decode(std::span(answer).subspan(FrameConnection::kHeaderBytes));
    EXPECT_TRUE(reply.ok());
    return std::move(reply).value();
  }
  // Is closed without an answer, and nothing has changed.
  void ExpectClosed(std::span<const std::byte> bytes) {
    AdminClient client(socket_path_);
    client.Write(bytes);
    EXPECT_TRUE(client.Ended());
    ExpectUnharmed();
  }
  void ExpectUnharmed() { EXPECT_EQ(Get("s"), (Values{{"k", "v"}})); }
  static std::vector<std::byte> Header(uint32_t size, uint16_t type, uint16_t reserved) {
    Writer writer;
    writer.U32(size);
    writer.U16(type);
    writer.U16(reserved);
    SecretBuffer header = std::move(writer).Take();
    return {header.Expose().begin(), header.Expose().end()};
  }
};

TEST_F(AdminPeersTest, AStrangerIsClosedWithoutBeingHeard) {
  Identity stranger{kNobody, kNobody, {}};
  EXPECT_EQ(AskAs(stranger, PutRequest("s", {{"k", "stolen"}})), std::nullopt);
  EXPECT_EQ(AskAs(stranger, RequestOf(Verb::kGet, "s")), std::nullopt);
  EXPECT_EQ(AskAs(stranger, RequestOf(Verb::kStatus)), std::nullopt);
  ExpectUnharmed();
}

TEST_F(AdminPeersTest, AGroupOfRootMakesNoRoot) {
  EXPECT_EQ(AskAs({kNobody, 0, {0}}, RequestOf(Verb::kStatus)), std::nullopt);
}

TEST_F(AdminPeersTest, MembersOfTheGroupOperateButSeeNoValue) {
  for (const Identity& member : {Identity{kNobody, kGroup, {}}, Identity{kNobody, kNobody, {1, kGroup}}}) {
    auto put = AskAs(member, PutRequest("by/member", {{"k", std::to_string(member.gid)}}));
    ASSERT_TRUE(put.has_value());
    EXPECT_FALSE(put->error.has_value());
    EXPECT_EQ(AskAs(member, RequestOf(Verb::kList))->entries.size(), 2u);
    EXPECT_EQ(AskAs(member, RequestOf(Verb::kHistory, "by/member"))->history[0].author, kNobody);
    EXPECT_EQ(AskAs(member, RequestOf(Verb::kStatus))->state, "open");
    for (Verb verb : {Verb::kGet, Verb::kUnlock, Verb::kRekey, Verb::kFinishRekey, Verb::kBackup}) {
      auto refused = AskAs(member, RequestOf(verb, "s"));
      ASSERT_TRUE(refused.has_value());
      ASSERT_TRUE(refused->error.has_value());
      EXPECT_EQ(refused->error->kind(), ErrorKind::kDenied);
      EXPECT_TRUE(refused->fields.empty());
    }
    EXPECT_FALSE(AskAs(member, RequestOf(Verb::kRemove, "by/member"))->error.has_value());
  }
}

TEST_F(AdminPeersTest, RefusalsAreRecorded) {
  AskAs({kNobody, kGroup, {}}, RequestOf(Verb::kGet, "s"));
  while (Records().size() < 2) std::this_thread::yield();  // the refusal is not kept waiting for its record
  protocol::Record record = std::move(Records()).back();
  EXPECT_EQ(record.verb, "get");
  EXPECT_EQ(record.path, "s");
  EXPECT_EQ(record.uid, kNobody);
  EXPECT_EQ(record.gid, kGroup);
  EXPECT_FALSE(record.allowed);
  EXPECT_EQ(record.outcome, ErrorKind::kDenied);
}

TEST_F(AdminPeersTest, GarbageEndsTheConnection) {
  ExpectClosed(Header(4, 0, 0));  // no type
  ExpectClosed(Header(4, 1, 7));  // a reserved field
  ExpectClosed(Header(0, 9, 0));  // not a request
  ExpectClosed(Header(0, store_admin::kReplyFrame, 0));
  ExpectClosed(Header(0, store_admin::kRequestFrame, 0));           // an empty one
  ExpectClosed(Header(0xffffffff, store_admin::kRequestFrame, 0));  // a huge one
  ExpectClosed(Header(store_admin::kMaxAdminPayload + 1, store_admin::kRequestFrame, 0));
  std::vector<std::byte> text(5000, std::byte{'G'});
  ExpectClosed(text);
  SimRandom random(9);
  for (int i = 0; i < 50; ++i) {
    SecretBuffer payload(1 + random.Below(300));
    random.Fill(payload.ExposeMutable());
    payload.ExposeMutable()[0] = std::byte{0xff};  // no verb
    ExpectClosed(EncodeFrame(store_admin::kRequestFrame, payload).Expose());
  }
}

TEST_F(AdminPeersTest, ARequestThatIsCutOffDoesNothing) {
  SecretBuffer frame = EncodeFrame(store_admin::kRequestFrame, PutRequest("s", {{"k", "half"}}).Encode());
  for (size_t size = 0; size < frame.size(); size += 3) {
    AdminClient client(socket_path_);
    client.Write(frame.Expose().first(size));
  }
  ExpectUnharmed();
}

TEST_F(AdminPeersTest, ASecondRequestBeforeTheReplyEndsTheConnection) {
  OnLoop([&] { fs_->records = false; });
  AdminClient client(socket_path_);
  client.Send(PutRequest("s", {{"k", "one"}}));
  client.Send(PutRequest("s", {{"k", "two"}}));
  EXPECT_TRUE(client.Ended());
  OnLoop([&] { fs_->records = true; });
  ExpectUnharmed();
}

TEST_F(AdminPeersTest, OneConnectionTakesManyRequestsInTurn) {
  AdminClient client(socket_path_);
  for (int i = 0; i < 20; ++i) {
    client.Send(RequestOf(Verb::kStatus));
    auto frame = client.Receive();
    ASSERT_TRUE(frame.has_value());
    EXPECT_EQ(AdminReply::Decode(frame->payload)->state, "open");
  }
}

TEST_F(AdminPeersTest, AHundredConnectionsAreBoundedAndLeaveRoomAfterwards) {
  std::list<AdminClient> clients;
  for (int i = 0; i < 100; ++i) clients.emplace_back(socket_path_);
  for (const AdminClient& client : clients) client.Send(RequestOf(Verb::kStatus));
  size_t answered = 0;
  for (const AdminClient& client : clients) answered += client.Receive().has_value() ? 1 : 0;
  EXPECT_EQ(answered, 64u);
  EXPECT_EQ(Connections(), 64u);
  clients.clear();
  while (Connections() != 0) std::this_thread::yield();
  ExpectUnharmed();
}

class SlowPeersTest : public AdminPeersTest {
 protected:
  SlowPeersTest() { options_.peer_timeout = std::chrono::milliseconds(2000); }
};

TEST_F(SlowPeersTest, IdleAndSlowConnectionsAreClosedAndHoldNobodyUp) {
  AdminClient idle(socket_path_);
  std::list<AdminClient> slow;
  SecretBuffer frame = EncodeFrame(store_admin::kRequestFrame, PutRequest("s", {{"k", "slow"}}).Encode());
  for (int i = 0; i < 50; ++i) slow.emplace_back(socket_path_).Write(frame.Expose().first(frame.size() - 1));
  ExpectUnharmed();
  EXPECT_TRUE(idle.Ended());
  for (const AdminClient& client : slow) EXPECT_TRUE(client.Ended());
  ExpectUnharmed();
}

}  // namespace
}  // namespace leasefs
