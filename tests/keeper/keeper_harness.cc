#include "tests/keeper/keeper_harness.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "fs/base/log.h"
#include "fs/base/strings.h"
#include "fs/keeper/log_lines.h"
#include "fs/keeper/mount_table.h"

namespace leasefs {
namespace {

class FixedAccounts : public AccountDatabase {
 public:
  std::optional<RuleUser> User(const std::string& name) const override {
    if (name == "leasefs") return RuleUser{60001, 60001, name};
    if (name == "leasefs-backend") return RuleUser{60002, 60003, name};
    return std::nullopt;
  }
  std::optional<RuleGroup> Group(const std::string& name) const override {
    if (name == "leasefs") return RuleGroup{60003, name};
    return std::nullopt;
  }
};

// Mounts of the tests are nobody else's business and go with the process.
void EnterPrivateMounts() {
  static const bool done = unshare(CLONE_NEWNS) == 0 && mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
  if (!done) std::abort();
}

std::string ReadAll(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

const AccountDatabase& TestAccounts() {
  static const FixedAccounts accounts;
  return accounts;
}

KeeperHarness::KeeperHarness() {
  EnterPrivateMounts();
  char pattern[] = "/tmp/leasefs-keeper-XXXXXX";
  folder_ = mkdtemp(pattern);
  mkdir(Path("mnt").c_str(), 0755);
  std::filesystem::copy_file(LEASEFS_FAKE_CHILD, Path("child"));
  notify_.Reset(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  Path("notify").copy(address.sun_path, sizeof address.sun_path - 1);
  if (bind(notify_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) std::abort();
  options_.config_path = Path("leasefs.toml");
  options_.child_executable = Path("child");
  options_.memory = {1 << 20, 1 << 20, 1 << 20};
  WriteFile("store.key", "not a key", 0400);
  WriteConfig();
}

KeeperHarness::~KeeperHarness() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  for (const std::string& line : Lines(" start pid=")) {
    pid_t child = std::atoi(line.c_str() + line.find("pid=") + 4);
    std::error_code gone;  // the number may be another's by now
    if (std::filesystem::read_symlink(StrCat("/proc/", child, "/exe"), gone) == Path("child")) kill(child, SIGKILL);
  }
  while (Mounted() && umount2(Path("mnt").c_str(), MNT_DETACH) == 0) {
  }
  std::filesystem::remove_all(folder_);
}

void KeeperHarness::WriteConfig(const std::string& extra) const {
  std::string text = StrCat("mount = \"", Path("mnt"), "\"\nrun_directory = \"", Path("run"), "\"\n");
  text += StrCat("[audit]\nfile = \"", Path("audit.jsonl"), "\"\n[backend.local]\ntype = \"store\"\npath = \"",
                 Path("store.db"), "\"\nkey = { file = \"", Path("store.key"),
                 "\" }\n[[tree]]\npath = \"web\"\nsource = \"local:web\"\n");
  WriteFile("leasefs.toml", text + extra, 0644);
}

void KeeperHarness::WriteFile(const std::string& name, const std::string& text, mode_t mode) const {
  std::ofstream(Path(name)) << text;
  chmod(Path(name).c_str(), mode);
}

void KeeperHarness::Tell(const std::string& behaviour) const {
  WriteFile(behaviour, "", 0600);
}
void KeeperHarness::Untell(const std::string& behaviour) const {
  unlink(Path(behaviour).c_str());
}

void KeeperHarness::Start(const std::function<void()>& before) {
  pid_ = fork();
  if (pid_ != 0) return;
  int log = open(Path("keeper.log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  dup2(log, STDERR_FILENO);
  setenv("NOTIFY_SOCKET", Path("notify").c_str(), 1);
  setenv("NO_COLOR", "1", 1);
  setenv("SECRET_OF_THE_ADMINISTRATOR", "x", 1);
  if (before) before();
  InitLog("keeper", LogLevel::kInfo);
  Result<Config> config = LoadConfig(options_.config_path, TestAccounts());
  if (!config.ok()) LogErrorLines(config.error().message());
  if (!config.ok()) _exit(kExitConfiguration);
  Keeper keeper(options_, std::move(*config), TestAccounts());
  _exit(keeper.Run());
}

bool KeeperHarness::StartAndWaitUntilReady() {
  Start();
  return WaitFor([this] { return Heard("READY=1"); });
}

void KeeperHarness::Signal(int number) const {
  kill(pid_, number);
}

std::optional<int> KeeperHarness::WaitForExit() {
  int status = 0;
  if (!WaitFor([&] { return waitpid(pid_, &status, WNOHANG) == pid_; })) return std::nullopt;
  pid_ = 0;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

std::vector<std::string> KeeperHarness::Lines(const std::string& containing) const {
  std::vector<std::string> found;
  for (const std::string& line : Split(ReadAll(Path("log")), '\n')) {
    if (line.find(containing) != std::string::npos) found.push_back(line);
  }
  return found;
}

std::string KeeperHarness::Log() const {
  return ReadAll(Path("keeper.log"));
}

std::vector<std::string> KeeperHarness::Notifications() {
  char text[2048];
  for (ssize_t got; (got = recv(notify_.get(), text, sizeof text, 0)) > 0;)
    notifications_.emplace_back(text, static_cast<size_t>(got));
  return notifications_;
}

bool KeeperHarness::Heard(const std::string& text) {
  for (const std::string& notification : Notifications()) {
    if (notification.find(text) != std::string::npos) return true;
  }
  return false;
}

pid_t KeeperHarness::ChildPid(const std::string& role) const {
  std::vector<std::string> starts = Lines(role + " start pid=");
  if (starts.empty()) return 0;
  return std::atoi(starts.back().c_str() + starts.back().find("pid=") + 4);
}

bool KeeperHarness::Mounted() const {
  auto table = ReadMountTable();
  return table.ok() && TopMountAt(*table, Path("mnt")).has_value();
}

bool KeeperHarness::WaitFor(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace leasefs
