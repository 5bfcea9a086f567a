// Which process calls, and whether it lives. Against the real /proc.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "fs/base/unique_fd.h"
#include "fs/caller/caller.h"

namespace leasefs {
namespace {

class ProcProcessReaderTest : public testing::Test {
 protected:
  UniqueFd proc_{open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC)};
  ProcGroupReader reader_{proc_.get()};
};

TEST_F(ProcProcessReaderTest, ThreadsAreOfOneProcess) {
  Result<ProcessId> main = reader_.Process({geteuid(), getegid(), gettid()});
  ASSERT_TRUE(main.ok()) << main.error().message();
  EXPECT_EQ(main->pid, getpid());
  EXPECT_GT(main->start, 0u);
  std::thread([&] {
    ASSERT_NE(gettid(), getpid());
    Result<ProcessId> other = reader_.Process({geteuid(), getegid(), gettid()});
    ASSERT_TRUE(other.ok());
    EXPECT_EQ(*other, *main);
  }).join();
  EXPECT_TRUE(reader_.Alive(*main));
  EXPECT_FALSE(reader_.Alive({main->pid, main->start + 1})) << "an id that was used again";
}

TEST_F(ProcProcessReaderTest, AZombieIsNotAlive) {
  int hold[2];
  ASSERT_EQ(pipe2(hold, O_CLOEXEC), 0);
  pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    char byte;
    close(hold[1]);
    (void)!read(hold[0], &byte, 1);
    _exit(0);
  }
  Result<ProcessId> process = reader_.Process({geteuid(), getegid(), child});
  ASSERT_TRUE(process.ok());
  EXPECT_TRUE(reader_.Alive(*process));
  close(hold[0]);
  close(hold[1]);
  siginfo_t info{};
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
  EXPECT_FALSE(reader_.Alive(*process)) << "its descriptors are closed";
  EXPECT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_FALSE(reader_.Alive(*process));
}

TEST_F(ProcProcessReaderTest, WhomProcfsDoesNotKnowIsDenied) {
  for (pid_t tid : {0, -5, 0x7ffffff0}) {
    Result<ProcessId> process = reader_.Process({geteuid(), getegid(), tid});
    ASSERT_FALSE(process.ok()) << tid;
    EXPECT_EQ(process.error().kind(), ErrorKind::kDenied);
  }
}

TEST(ProcessTextTest, TheNameOfAProgramCannotForgeItsStart) {
  const std::string rest = " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21\n";
  EXPECT_EQ(ParseStartOfLiving("12 (sh)" + rest), 4711u);
  EXPECT_EQ(ParseStartOfLiving("12 (a) Z 1 2 (b) c)" + rest), 4711u);
  EXPECT_EQ(ParseStartOfLiving("12 (sh) Z" + rest.substr(2)), 0u);
  for (size_t cut = 0; cut + 14 < rest.size(); ++cut)
    EXPECT_EQ(ParseStartOfLiving("12 (sh)" + rest.substr(0, cut)), 0u);
  EXPECT_EQ(ParseThreadGroup("Name:\tTgid:\t7\nTgid:\t42\nPid:\t43\n"), 42);
  for (const char* bad : {"", "Tgid:\t42", "\nTgid:\t\n", "\nTgid:\tx\n", "\nTgid:\t42"})
    EXPECT_EQ(ParseThreadGroup(bad), 0);
}

}  // namespace
}  // namespace leasefs
