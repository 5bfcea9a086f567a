#include "fs/base/log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>

#include "fs/base/strings.h"
#include "fs/base/unique_fd.h"

namespace leasefs {
namespace {

// Standard error is a pipe while the test runs.
class LogTest : public testing::Test {
 protected:
  LogTest() : saved_(dup(STDERR_FILENO)) {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) std::abort();
    read_end_.Reset(ends[0]);
    UniqueFd write_end(ends[1]);
    dup2(write_end.get(), STDERR_FILENO);
  }
  ~LogTest() override {
    dup2(saved_.get(), STDERR_FILENO);
    unsetenv("JOURNAL_STREAM");
    InitLog("test", LogLevel::kInfo);
  }
  std::string Output() {
    std::string text(65536, 0);
    ssize_t got = read(read_end_.get(), text.data(), text.size());
    text.resize(got > 0 ? static_cast<size_t>(got) : 0);
    return text;
  }
  static std::string StreamOfStderr() {
    struct stat status = {};
    fstat(STDERR_FILENO, &status);
    return StrCat(status.st_dev, ":", status.st_ino);
  }

  UniqueFd saved_;
  UniqueFd read_end_;
};

TEST_F(LogTest, LinesCarryTimeLevelAndProcess) {
  InitLog("keeper", LogLevel::kInfo);
  LogWarning("no room");
  std::string line = Output();
  EXPECT_TRUE(line.ends_with(" warning keeper: no room\n")) << line;
  EXPECT_TRUE(line.starts_with("20")) << line;
}

TEST_F(LogTest, LinesForTheJournalCarryAPriority) {
  setenv("JOURNAL_STREAM", StreamOfStderr().c_str(), 1);
  InitLog("store local", LogLevel::kDebug);
  LogDebug("a");
  LogInfo("b");
  LogWarning("c");
  LogError("d");
  EXPECT_EQ(Output(), "<7>store local: a\n<6>store local: b\n<4>store local: c\n<3>store local: d\n");
}

TEST_F(LogTest, AJournalThatIsNotStandardErrorIsNone) {
  setenv("JOURNAL_STREAM", "1:1", 1);
  InitLog("fs", LogLevel::kInfo);
  LogError("d");
  std::string line = Output();
  EXPECT_TRUE(line.starts_with("20")) << line;
}

TEST_F(LogTest, LevelIsALowerBound) {
  InitLog("fs", LogLevel::kWarning);
  LogDebug("a");
  LogInfo("b");
  EXPECT_EQ(Output(), "");
  SetLogLevel(LogLevel::kInfo);
  LogDebug("a");
  LogInfo("b");
  EXPECT_NE(Output().find("fs: b"), std::string::npos);
}

TEST_F(LogTest, ATextIsOneLineAndNoFormat) {
  InitLog("fs", LogLevel::kInfo);
  LogInfo("{} %v one\n<0>two\x1b[31m");
  std::string line = Output();
  EXPECT_TRUE(line.ends_with("fs: {} %v one\\x0a<0>two\\x1b[31m\n")) << line;
  EXPECT_EQ(line.find('\n'), line.size() - 1);
}

}  // namespace
}  // namespace leasefs
