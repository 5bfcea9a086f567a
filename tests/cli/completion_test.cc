#include "fs/cli/completion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>

#include "fs/cli/verb.h"
#include "tests/cli/run_cli.h"

namespace leasefs::cli {
namespace {

using testing::HasSubstr;

// What a shell command prints, and its exit status.
std::pair<std::string, int> Shell(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "re");
  std::string out;
  std::array<char, 4096> buffer{};
  while (fgets(buffer.data(), buffer.size(), pipe) != nullptr) out += buffer.data();
  return {out, pclose(pipe)};
}

// What bash offers for this command line, the last word of which is being typed.
std::string Offered(const TempDirectory& directory, const std::string& words) {
  directory.Write("completion", BashCompletion());
  directory.Write("ask", "source " + directory / "completion" + "\ncompopt() { :; }\nCOMP_WORDS=(" + words +
                             ")\nCOMP_CWORD=$((${#COMP_WORDS[@]}-1))\n_leasefs\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n");
  return Shell("PATH=" + directory.path() + ":$PATH bash --norc " + directory / "ask").first;
}

TEST(CompletionTest, EveryVerbAndOptionIsInAllThree) {
  for (const std::string& text : {BashCompletion(), ZshCompletion(), FishCompletion()}) {
    for (const VerbSpec* verb : Verbs()) {
      EXPECT_THAT(text, HasSubstr(std::string(verb->name)));
      for (const OptionSpec& option : verb->options) EXPECT_THAT(text, HasSubstr(std::string(option.name.substr(2))));
    }
    for (const OptionSpec& option : GlobalOptions()) EXPECT_THAT(text, HasSubstr(std::string(option.name.substr(2))));
  }
}

TEST(ManPageTest, EveryVerbAndOptionIsInIt) {
  const std::string page = ReadText("packaging/man/leasefs.1.scd");
  ASSERT_NE(page, "") << "run from the top of the source tree";
  for (const VerbSpec* verb : Verbs()) {
    EXPECT_THAT(page, HasSubstr("\n*" + verb->FullName() + "*"));
    for (const OptionSpec& option : verb->options) {
      if (option.name != "--backend")
        EXPECT_THAT(page, HasSubstr("*" + std::string(option.name) + "*")) << verb->FullName();
    }
  }
  for (const OptionSpec& option : GlobalOptions()) EXPECT_THAT(page, HasSubstr("*" + std::string(option.name) + "*"));
}

TEST(CompletionTest, TheVerbPrintsThem) {
  EXPECT_EQ(RunCli({"completion", "bash"}).out, BashCompletion());
  EXPECT_EQ(RunCli({"completion", "zsh"}).out, ZshCompletion());
  EXPECT_EQ(RunCli({"completion", "fish"}).out, FishCompletion());
  EXPECT_EQ(RunCli({"completion", "tcsh"}).exit, 1);
}

TEST(CompletionTest, TheOtherShellsCanReadTheirs) {
  TempDirectory directory;
  std::string missing;
  for (const auto& [shell, text] : {std::pair("zsh", ZshCompletion()), {"fish", FishCompletion()}}) {
    directory.Write(shell, text);
    if (Shell(std::string("command -v ") + shell).second != 0) {
      missing += std::string(" ") + shell;
      continue;
    }
    EXPECT_EQ(Shell(std::string(shell) + " -n " + directory / shell + " 2>&1"), std::pair(std::string(), 0));
  }
  if (!missing.empty()) GTEST_SKIP() << "not installed:" << missing;
}

TEST(CompletionTest, BashOffersVerbsOptionsAndArguments) {
  TempDirectory directory;
  EXPECT_EQ(Offered(directory, "leasefs ro"), "rollback\n");
  EXPECT_EQ(Offered(directory, "leasefs store re"), "rekey\n");
  EXPECT_EQ(Offered(directory, "leasefs put x --rep"), "--replace\n");
  EXPECT_EQ(Offered(directory, "leasefs -o js"), "json\n");
  EXPECT_EQ(Offered(directory, "leasefs --config /x completion z"), "zsh\n");
  EXPECT_THAT(Offered(directory, "leasefs explain --user roo"), HasSubstr("root\n"));
}

TEST(CompletionTest, BashOffersSecretsAndRunsNothingThatIsInTheirNames) {
  TempDirectory directory;
  directory.Write("leasefs",
                  "#!/bin/sh\necho \"$@\" > " + directory / "asked" + "\nprintf '%s\\n' web/tls 'web/$(touch " +
                      directory / "pwned" + ")' db\n",
                  0755);
  const std::string offered = Offered(directory, "leasefs get web");
  EXPECT_THAT(offered, HasSubstr("web/tls\n"));
  EXPECT_THAT(offered, testing::Not(HasSubstr("db")));
  EXPECT_THAT(ReadText(directory / "asked"), HasSubstr("ls -r"));
  EXPECT_EQ(access((directory / "pwned").c_str(), F_OK), -1);
  Offered(directory, "leasefs get other : web");
  EXPECT_EQ(ReadText(directory / "asked"), "ls -r other:\n");
}

}  // namespace
}  // namespace leasefs::cli
