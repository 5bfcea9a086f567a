// `leasefs run`: what comes into the environment, and what cannot.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "fs/cli/environment_source.h"
#include "tests/cli/run_cli.h"

namespace leasefs::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// "NAME=VALUE" of each, or the message.
std::vector<std::string> ReadFrom(const std::string& path) {
  auto entries = ReadEnvironmentFrom(path);
  if (!entries.ok()) return {entries.error().message};
  std::vector<std::string> texts;
  for (const EnvironmentEntry& entry : *entries) {
    std::string text(entry.text.ExposeText());
    EXPECT_TRUE(text.starts_with(entry.name + "="));
    EXPECT_EQ(text.find('\0'), text.size() - 1);
    text.pop_back();
    texts.push_back(text);
  }
  return texts;
}

TEST(RunCommandTest, EveryKeyOfADirectoryIsAVariableWithItsBytesAsTheyAre) {
  TempDirectory directory;
  directory.Write("db/USER", "joe");
  directory.Write("db/empty", "");
  directory.Write("db/p_1", " a'b\"\n$x\xff\n");
  directory.Write("db/below/other-key", "not a key of this secret");
  directory.Write("db/.json", "{}");
  directory.Write("db/.env", "X=1\n");
  EXPECT_THAT(ReadFrom(directory / "db"), ElementsAre("USER=joe", "empty=", "p_1= a'b\"\n$x\xff\n"));
}

TEST(RunCommandTest, AFileOfLinesWillDo) {
  TempDirectory directory;
  directory.Write(".env", "A=1\nB=x=y\n");
  EXPECT_THAT(ReadFrom(directory / ".env"), ElementsAre("A=1", "B=x=y"));
}

TEST(RunCommandTest, WhatNoEnvironmentCanHoldIsAnErrorThatNamesTheKey) {
  TempDirectory directory;
  directory.Write("a/tls.key", "SECRET");
  directory.Write("b/nul", std::string("SEC\0RET", 7));
  std::filesystem::create_directory(directory / "c");
  EXPECT_THAT(ReadFrom(directory / "a"), ElementsAre(directory / "a: the key tls.key is no identifier, so no variable "
                                                                 "can have its name"));
  EXPECT_THAT(ReadFrom(directory / "b"),
              ElementsAre(directory / "b: the key nul has a NUL, which no variable can hold"));
  EXPECT_THAT(ReadFrom(directory / "c"), ElementsAre(directory / "c has no keys"));
  EXPECT_THAT(ReadFrom(directory / "d"), ElementsAre(HasSubstr("No such file or directory")));
}

TEST(RunCommandTest, S15_ALeaseOfEachOpenIsRefused) {
  TempDirectory directory;
  directory.Write("db/A", "1");
  for (const std::string& path : {directory / "db", directory / "db/A"}) {
    ASSERT_EQ(setxattr(path.c_str(), "user.leasefs.scope", "open", 4, 0), 0) << std::strerror(errno);
    EXPECT_THAT(ReadFrom(path), ElementsAre(HasSubstr("each open has a lease of its own")));
  }
  ASSERT_EQ(setxattr((directory / "db").c_str(), "user.leasefs.scope", "process", 7, 0), 0);
  EXPECT_THAT(ReadFrom(directory / "db"), ElementsAre("A=1"));
}

TEST(RunCommandTest, TheProgramTakesItsPlace) {
  TempDirectory directory;
  directory.Write("one/A", "first");
  directory.Write("one/B", "from one");
  directory.Write("two/B", "from two");
  directory.Write("two/LEASEFS_TEST_INHERITED", "replaced");
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    setenv("LEASEFS_TEST_INHERITED", "before", 1);
    setenv("LEASEFS_TEST_KEPT", "kept", 1);
    const std::string script =
        "test \"$A:$B:$LEASEFS_TEST_INHERITED:$LEASEFS_TEST_KEPT:$1\" = 'first:from two:replaced:kept:an arg' "
        "&& test \"$(env | grep -c '^B=')\" = 1 && exit 7";
    (void)RunCli({"run", "--env-from", directory / "one", "--env-from=" + directory / "two/", "--", "sh", "-c", script,
                  "sh", "an arg"});
    _exit(99);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 7);
}

TEST(RunCommandTest, APathIsRelativeToTheMount) {
  TempDirectory directory;
  directory.Write("mount/db/A", "1");
  const std::string config = directory.Write("c.toml", "mount = \"" + directory / "mount\"\n", 0644);
  EXPECT_EQ(RunCli({"--config", config, "run", "--env-from", "db", "--", "/nonexistent/program"}).exit, 127);
  CliResult missing = RunCli({"--config", config, "run", "--env-from", "other", "--", "true"});
  EXPECT_EQ(missing.exit, 1);
  EXPECT_THAT(missing.err, HasSubstr(directory / "mount/other"));
}

TEST(RunCommandTest, ExitStatusAndUsage) {
  TempDirectory directory;
  directory.Write("db/A", "a-secret-value");
  CliResult refused = RunCli({"run", "--env-from", directory / "db", "--", directory / "db"});
  EXPECT_EQ(refused.exit, 126);
  EXPECT_THAT(refused.err, Not(HasSubstr("a-secret-value")));
  EXPECT_EQ(RunCli({"run", "--", "true"}).exit, 1);
  EXPECT_EQ(RunCli({"run", "--env-from", directory / "db"}).exit, 1);
  directory.Write("db/HUGE", std::string(200000, 'x'));
  EXPECT_THAT(RunCli({"run", "--env-from", directory / "db", "--", "true"}).err, HasSubstr("128 KiB"));
}

}  // namespace
}  // namespace leasefs::cli
