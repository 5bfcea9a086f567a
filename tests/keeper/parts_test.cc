// The keeper's parts that need no processes.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "fs/base/strings.h"
#include "fs/keeper/child_process.h"
#include "fs/keeper/child_wire.h"
#include "fs/keeper/memory_files.h"
#include "fs/keeper/mount_table.h"
#include "fs/keeper/reload.h"
#include "fs/keeper/restart_delay.h"
#include "fs/keeper/run_files.h"

namespace leasefs {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

std::pair<UniqueFd, UniqueFd> Pair() {
  return std::move(*MakeMessagePair());
}

TEST(ChildWireTest, CarriesNumberTextAndDescriptor) {
  auto [a, b] = Pair();
  UniqueFd file(open("/dev/null", O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(SendChildMessage(a.get(), ChildMessage::Make(ChildMessageType::kPeer, 7, "local", std::move(file))).ok());
  auto received = ReceiveChildMessage(b.get());
  ASSERT_TRUE(received.ok() && received->has_value());
  EXPECT_EQ((*received)->type, ChildMessageType::kPeer);
  EXPECT_EQ((*received)->number, 7u);
  EXPECT_EQ((*received)->text, "local");
  ASSERT_EQ((*received)->descriptors.size(), 1u);
  EXPECT_EQ(fcntl((*received)->descriptors[0].get(), F_GETFD), FD_CLOEXEC);
  EXPECT_FALSE(ReceiveChildMessage(b.get())->has_value());
}

TEST(ChildWireTest, NoticesThatTheOtherSideIsGone) {
  auto [a, b] = Pair();
  a.Reset();
  EXPECT_EQ(ReceiveChildMessage(b.get()).error().kind(), ErrorKind::kUnreachable);
  EXPECT_EQ(SendChildMessage(b.get(), ChildMessage::Make(ChildMessageType::kPing)).error().kind(),
            ErrorKind::kUnreachable);
}

TEST(ChildWireTest, HearsTheLastWordsOfOneThatDiedWithMessagesUnread) {
  auto [a, b] = Pair();
  ASSERT_TRUE(SendChildMessage(b.get(), ChildMessage::Make(ChildMessageType::kPing)).ok());
  ASSERT_TRUE(SendChildMessage(a.get(), ChildMessage::Make(ChildMessageType::kStatus, 0, "why")).ok());
  a.Reset();
  auto received = ReceiveChildMessage(b.get());
  ASSERT_TRUE(received.ok() && received->has_value());
  EXPECT_EQ((*received)->text, "why");
  EXPECT_EQ(ReceiveChildMessage(b.get()).error().kind(), ErrorKind::kUnreachable);
}

TEST(ChildWireTest, NeverBlocksOnAPeerThatDoesNotRead) {
  auto [a, b] = Pair();
  Status sent = Ok();
  for (int i = 0; i < 100000 && sent.ok(); ++i)
    sent = SendChildMessage(a.get(), ChildMessage::Make(ChildMessageType::kPing));
  ASSERT_FALSE(sent.ok());
  EXPECT_EQ(sent.error().kind(), ErrorKind::kBusy);
}

TEST(ChildWireTest, RefusesGarbage) {
  const std::string good("\x01\0\0\0\0\0\0\0\0\0\0\0", 12);  // one byte short
  for (std::string bytes : {std::string("x"), good, std::string(13, '\xff'), std::string(40000, '\0')}) {
    auto [a, b] = Pair();
    ASSERT_GT(send(a.get(), bytes.data(), bytes.size(), 0), 0);
    EXPECT_EQ(ReceiveChildMessage(b.get()).error().kind(), ErrorKind::kInvalid) << bytes.size();
  }
}

TEST(ChildWireTest, RefusesAMessageWhoseDescriptorIsMissing) {
  auto [a, b] = Pair();
  EXPECT_EQ(SendChildMessage(a.get(), ChildMessage::Make(ChildMessageType::kPeer)).error().kind(), ErrorKind::kInvalid);
  std::string peer(13, '\0');
  peer[0] = static_cast<char>(ChildMessageType::kPeer);
  ASSERT_EQ(send(a.get(), peer.data(), peer.size(), 0), 13);
  EXPECT_EQ(ReceiveChildMessage(b.get()).error().kind(), ErrorKind::kInvalid);
}

TEST(ChildWireTest, CutsLongTexts) {
  auto [a, b] = Pair();
  ASSERT_TRUE(
      SendChildMessage(a.get(), ChildMessage::Make(ChildMessageType::kStatus, 0, std::string(100000, 'x'))).ok());
  auto received = ReceiveChildMessage(b.get());
  ASSERT_TRUE(received.ok() && received->has_value());
  EXPECT_EQ((*received)->text.size(), size_t{16} << 10);
}

TEST(MountTableTest, ReadsPathsTypesAndDevices) {
  auto table = ParseMountTable(
      "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n"
      "37 35 0:53 / /run/a\\040b ro,nosuid shared:7 master:1 - fuse.leasefs leasefs rw,allow_other\n"
      "nonsense\n38 35\n");
  ASSERT_EQ(table.size(), 2u);
  EXPECT_EQ(table[0].type, "ext3");
  EXPECT_EQ(table[1].id, 37u);
  EXPECT_EQ(table[1].path, "/run/a b");
  EXPECT_EQ(table[1].device, "0:53");
  EXPECT_EQ(table[1].options, "ro,nosuid");
  EXPECT_EQ(TopMountAt(table, "/run/a b")->type, "fuse.leasefs");
  EXPECT_FALSE(TopMountAt(table, "/run/a").has_value());
}

TEST(RestartDelayTest, IsNothingAtFirstAndDoublesForOneThatKeepsDyingAtItsStart) {
  RestartDelay delay;
  BootTime now(std::chrono::hours(1));
  for (int expected : {0, 0, 100, 200, 400, 800, 1600, 2000, 2000}) {
    EXPECT_EQ(delay.NextAfterDeath(now, false), milliseconds(expected));
    now += RestartDelay::kFirst;
  }
  EXPECT_EQ(delay.NextAfterDeath(now + std::chrono::seconds(11), false), milliseconds(0));
}

TEST(RestartDelayTest, StaysShortForOneThatServesInBetween) {
  RestartDelay delay;
  BootTime now(std::chrono::hours(1));
  for (int expected : {0, 0, 100, 100, 100, 100}) EXPECT_EQ(delay.NextAfterDeath(now, true), milliseconds(expected));
}

// A /proc/PID/task with threads in these states.
class TaskDirectory {
 public:
  explicit TaskDirectory(std::string_view states) {
    char pattern[] = "/tmp/leasefs-task-XXXXXX";
    path_ = mkdtemp(pattern);
    int tid = 100;
    for (char state : states) {
      std::string task = StrCat(path_, "/", ++tid);
      std::filesystem::create_directory(task);
      std::ofstream(task + "/stat") << tid << " (odd ) S) " << state << " 1 100 100 0 -1\n";
    }
  }
  ~TaskDirectory() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

TEST(ChildProcessTest, IsHeldUpInTheKernelWhenEveryThreadIsDeadOrUninterruptible) {
  for (std::string_view states : {"D", "Z", "ZD", "ZXDD"}) {
    EXPECT_TRUE(OnlyDeadOrUninterruptible(TaskDirectory(states).path())) << states;
  }
  for (std::string_view states : {"R", "S", "t", "T", "ZR", "DS", "ZDI"}) {
    EXPECT_FALSE(OnlyDeadOrUninterruptible(TaskDirectory(states).path())) << states;
  }
  EXPECT_FALSE(OnlyDeadOrUninterruptible("/proc/self/task"));
  EXPECT_FALSE(OnlyDeadOrUninterruptible("/nowhere"));
}

TEST(MemoryFilesTest, StateMemoryKeepsItsSizeAndTakesNoRoom) {
  auto memory = MakeStateMemory("test", size_t{1} << 30);
  ASSERT_TRUE(memory.ok());
  EXPECT_NE(ftruncate(memory->get(), 1), 0);
  EXPECT_NE(fcntl(memory->get(), F_ADD_SEALS, F_SEAL_WRITE), 0);
  EXPECT_EQ(pwrite(memory->get(), "x", 1, 4096), 1);
}

TEST(MemoryFilesTest, SealedMemoryCannotBeChangedAndIsReadWhole) {
  std::string text(100000, 'x');
  auto memory = MakeSealedMemory("test", std::as_bytes(std::span(text)));
  ASSERT_TRUE(memory.ok());
  EXPECT_LT(pwrite(memory->get(), "y", 1, 0), 0);
  for (int i = 0; i < 2; ++i) {  // whatever the file position is
    auto bytes = ReadSealedMemory(memory->get(), text.size());
    ASSERT_TRUE(bytes.ok());
    EXPECT_EQ(bytes->ExposeText(), text);
  }
  EXPECT_EQ(ReadSealedMemory(memory->get(), 10).error().kind(), ErrorKind::kInvalid);
  auto open_memory = MakeStateMemory("test", 10);
  EXPECT_EQ(ReadSealedMemory(open_memory->get(), 10).error().kind(), ErrorKind::kInvalid);
}

TEST(MemoryFilesTest, AKeyPipeGivesTheKeyOnce) {
  auto pipe = MakeKeyPipe(SecretBuffer::CopyOf("0123456789abcdef"));
  ASSERT_TRUE(pipe.ok());
  auto key = ReadKeyPipe(pipe->get(), 16);
  ASSERT_TRUE(key.ok());
  EXPECT_EQ(key->ExposeText(), "0123456789abcdef");
  EXPECT_FALSE(ReadKeyPipe(pipe->get(), 16).ok());
  EXPECT_FALSE(ReadKeyPipe(MakeKeyPipe(SecretBuffer::CopyOf("longer"))->get(), 5).ok());
}

class ReloadTest : public ::testing::Test {
 protected:
  ReloadTest() {
    Reload::Events events;
    events.load = [this]() -> Result<Config> {
      if (!load_error_.empty()) return Error(ErrorKind::kInvalid, load_error_);
      return next_;
    };
    events.offer = [this](const Config&, uint64_t generation) { offered_.push_back(generation); };
    events.adopted = [this](const Config& config) { adopted_ = config.limits.waiting_secrets_per_uid; };
    events.finished = [this](const std::vector<uint64_t>& numbers, const std::string& error) {
      for (uint64_t number : numbers) answered_.push_back(number);
      errors_.push_back(error);
    };
    reload_.emplace(Config{}, std::move(events));
    next_.limits.waiting_secrets_per_uid = 7;
  }
  Config next_;
  std::string load_error_;
  std::vector<uint64_t> offered_, answered_;
  std::vector<std::string> errors_;
  uint32_t adopted_ = 0;
  std::optional<Reload> reload_;
};

TEST_F(ReloadTest, WaitsForFsAndAdoptsWhatFsAccepts) {
  reload_->Request(std::nullopt);
  EXPECT_TRUE(offered_.empty());
  reload_->OnFsReady();
  ASSERT_EQ(offered_, std::vector<uint64_t>{2});
  EXPECT_EQ(adopted_, 0u);
  reload_->OnResult(2, "");
  EXPECT_EQ(adopted_, 7u);
  EXPECT_EQ(reload_->generation(), 2u);
  EXPECT_EQ(errors_, std::vector<std::string>{""});
}

TEST_F(ReloadTest, AnswersEachRequestByTheReloadThatBeganAfterIt) {
  reload_->OnFsReady();
  reload_->Request(1);
  reload_->Request(2);
  reload_->OnResult(2, "");
  EXPECT_EQ(answered_, std::vector<uint64_t>{1});
  ASSERT_EQ(offered_, (std::vector<uint64_t>{2, 3}));
  reload_->OnResult(3, "no");
  EXPECT_EQ(answered_, (std::vector<uint64_t>{1, 2}));
  EXPECT_EQ(reload_->generation(), 2u);
}

TEST_F(ReloadTest, TheDeathOfFsChangesNothing) {
  reload_->OnFsReady();
  reload_->Request(1);
  reload_->OnFsDeath();
  EXPECT_THAT(errors_.at(0), HasSubstr("fs died"));
  reload_->OnFsReady();
  reload_->OnResult(2, "");  // late
  EXPECT_EQ(reload_->generation(), 1u);
}

TEST_F(ReloadTest, NamesWhatNeedsARestart) {
  reload_->OnFsReady();
  next_.mount = "/elsewhere";
  reload_->Request(std::nullopt);
  EXPECT_THAT(errors_.at(0), HasSubstr("mount"));
  EXPECT_TRUE(offered_.empty());
}

}  // namespace
}  // namespace leasefs
