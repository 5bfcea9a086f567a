// Asking on a terminal, with a real one: nothing typed is shown, and the terminal comes back as it was, whatever
// happens.
#include "fs/cli/prompt.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>

#include "fs/base/unique_fd.h"
#include "tests/cli/run_cli.h"
#include "tests/cli/scripted_peer.h"

namespace leasefs::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

// A command in a child whose terminal is ours to type on.
class TerminalTest : public testing::Test {
 protected:
  void Start(std::vector<std::string> words) {
    master_ = UniqueFd(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    ASSERT_TRUE(master_ && grantpt(master_.get()) == 0 && unlockpt(master_.get()) == 0);
    const std::string name = ptsname(master_.get());
    terminal_ = UniqueFd(open(name.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC));
    ASSERT_TRUE(terminal_);
    child_ = fork();
    ASSERT_GE(child_, 0);
    if (child_ != 0) return;
    setsid();
    ioctl(terminal_.get(), TIOCSCTTY, 0);
    Invocation invocation;
    invocation.words = std::move(words);
    invocation.descriptors = {terminal_.get(), terminal_.get(), terminal_.get()};
    invocation.environment = [](const std::string&) { return std::optional<std::string>(); };
    _exit(cli::Run(invocation));
  }
  void TearDown() override {
    if (child_ > 0) {
      kill(child_, SIGKILL);
      waitpid(child_, nullptr, 0);
    }
  }

  // Reads what is shown until `text` comes.
  void Expect(const std::string& text) {
    while (shown_.find(text, expected_) == std::string::npos) {
      pollfd ready{master_.get(), POLLIN, 0};
      ASSERT_GT(poll(&ready, 1, 20'000), 0) << "waiting for " << text << " after " << shown_;
      std::array<char, 4096> bytes{};
      const ssize_t got = read(master_.get(), bytes.data(), bytes.size());
      ASSERT_GT(got, 0);
      shown_.append(bytes.data(), static_cast<size_t>(got));
    }
    expected_ = shown_.find(text, expected_) + text.size();
  }
  void Type(const std::string& text) {
    ASSERT_EQ(write(master_.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  int Wait() {
    int status = 0;
    waitpid(std::exchange(child_, -1), &status, 0);
    return status;
  }
  bool Echoes() {
    termios mode{};
    return tcgetattr(terminal_.get(), &mode) == 0 && (mode.c_lflag & ECHO) != 0;
  }

  UniqueFd master_, terminal_;
  pid_t child_ = -1;
  std::string shown_;
  size_t expected_ = 0;
  TempDirectory run_;
};

class PutOnTerminalTest : public TerminalTest {
 protected:
  void StartPut() {
    store_.emplace(run_ / "store-local.sock", [](store_admin::AdminRequest&) { return store_admin::AdminReply(); });
    Start({"--socket-dir", run_.path(), "put", "web", "password"});
  }
  std::optional<ScriptedStore> store_;
};

TEST_F(PutOnTerminalTest, AsksTwiceAndShowsNothing) {
  StartPut();
  Expect("password: ");
  EXPECT_FALSE(Echoes());
  Type("s3cret word\n");
  Expect("password (again): ");
  Type("s3cret word\n");
  Expect("version 0");
  EXPECT_EQ(Wait(), 0);
  EXPECT_TRUE(Echoes());
  EXPECT_THAT(shown_, Not(HasSubstr("s3cret")));
  ASSERT_EQ(store_->requests().size(), 1u);
  EXPECT_EQ(store_->requests()[0].puts[0].fields[0].value.ExposeText(), "s3cret word");
}

TEST_F(PutOnTerminalTest, TwoDifferentAnswersChangeNothing) {
  StartPut();
  Expect("password: ");
  Type("one\n");
  Expect("(again): ");
  Type("two\n");
  Expect("not the same");
  EXPECT_EQ(WEXITSTATUS(Wait()), 1);
  EXPECT_TRUE(store_->requests().empty());
}

TEST_F(PutOnTerminalTest, SignalsRestoreTheTerminalAndDoWhatTheyDo) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    unlink((run_ / "store-local.sock").c_str());
    shown_.clear();
    expected_ = 0;
    StartPut();
    Expect("password: ");
    EXPECT_FALSE(Echoes());
    kill(child_, signal);
    const int status = Wait();
    EXPECT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), signal);
    EXPECT_TRUE(Echoes());
  }
}

TEST_F(PutOnTerminalTest, AnEndOfFileIsNoAnswer) {
  StartPut();
  Expect("password: ");
  Type("\x04");
  Expect("no answer was given");
  EXPECT_EQ(WEXITSTATUS(Wait()), 1);
}

TEST_F(TerminalTest, GetMasksOnATerminalUnlessRevealed) {
  ScriptedStore store(run_ / "store-local.sock", [](store_admin::AdminRequest& request) {
    store_admin::AdminReply reply;
    const std::string_view value = request.keys[0] == "evil" ? "a\033]0;canary\a" : "canary";
    reply.fields.push_back({.key = request.keys[0], .too_large = false, .value = SecretBuffer::CopyOf(value)});
    return reply;
  });
  Start({"--socket-dir", run_.path(), "get", "web", "key"});
  Expect("********  (6 B)");
  EXPECT_EQ(Wait(), 0);
  EXPECT_THAT(shown_, Not(HasSubstr("canary")));
  Start({"--socket-dir", run_.path(), "get", "web", "key", "--reveal"});
  Expect("canary\r\n");
  EXPECT_EQ(Wait(), 0);
  shown_.clear();
  expected_ = 0;
  Start({"--socket-dir", run_.path(), "get", "web", "evil", "--reveal"});
  Expect("a terminal would obey");
  EXPECT_EQ(WEXITSTATUS(Wait()), 1);
  EXPECT_THAT(shown_, Not(HasSubstr("canary")));
}

TEST_F(TerminalTest, RmAsksFirst) {
  ScriptedStore store(run_ / "store-local.sock", [](store_admin::AdminRequest&) { return store_admin::AdminReply(); });
  Start({"--socket-dir", run_.path(), "rm", "web"});
  Expect("remove local:web with all its versions? [y/N] ");
  Type("n\n");
  Expect("nothing was removed");
  EXPECT_EQ(WEXITSTATUS(Wait()), 1);
  Start({"--socket-dir", run_.path(), "rm", "web"});
  Expect("[y/N] ");
  Type("y\n");
  Expect("removed local:web");
  EXPECT_EQ(Wait(), 0);
  Start({"--socket-dir", run_.path(), "rm", "--yes", "web"});
  Expect("removed local:web");
  EXPECT_EQ(Wait(), 0);
  EXPECT_EQ(store.requests().size(), 2u);
}

}  // namespace
}  // namespace leasefs::cli
