#include "fs/keeper/child_process.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>

#include "fs/base/strings.h"

namespace leasefs {
namespace {

constexpr int kFirstFree = 64;  // above every number that a child knows
constexpr int kCannotStart = 127;

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

[[noreturn]] void GiveUp(const char* what) {
  dprintf(STDERR_FILENO, "leasefsd: cannot start a child: %s: %s\n", what, strerror(errno));
  _exit(kCannotStart);
}

// In the child. First out of the way, then to their places, so that no move overwrites one that is still to be moved.
void PlaceDescriptors(const ChildSpec& spec) {
  int null_device = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null_device < 0) GiveUp("/dev/null");
  std::vector<std::pair<int, int>> moves{{null_device, STDIN_FILENO}, {null_device, STDOUT_FILENO}};
  for (const auto& [number, fd] : spec.descriptors) moves.emplace_back(fd.get(), number);
  int last = STDERR_FILENO;
  for (auto& [from, to] : moves) {
    from = fcntl(from, F_DUPFD_CLOEXEC, kFirstFree);
    if (from < 0) GiveUp("a descriptor");
    last = std::max(last, to);
  }
  for (const auto& [from, to] : moves) {
    if (dup2(from, to) < 0) GiveUp("a descriptor");
  }
  for (int fd = STDERR_FILENO + 1; fd < last; ++fd) {
    bool wanted = std::any_of(moves.begin(), moves.end(), [fd](const auto& move) { return move.second == fd; });
    if (!wanted) close(fd);
  }
  if (syscall(SYS_close_range, static_cast<unsigned>(last + 1), ~0u, 0) != 0) GiveUp("close_range");
}

std::string InWords(const siginfo_t& info) {
  if (info.si_code == CLD_EXITED) return StrCat("exit status ", info.si_status);
  return StrCat("signal ", info.si_status, " (", strsignal(info.si_status), ")");
}

}  // namespace

bool OnlyDeadOrUninterruptible(const std::string& task_directory) {
  auto close_directory = [](DIR* open_directory) { closedir(open_directory); };
  std::unique_ptr<DIR, decltype(close_directory)> directory(opendir(task_directory.c_str()));
  if (directory == nullptr) return false;
  while (const dirent* entry = readdir(directory.get())) {
    if (entry->d_name[0] == '.') continue;
    std::ifstream file(StrCat(task_directory, "/", entry->d_name, "/stat"));
    std::string text{std::istreambuf_iterator<char>(file), {}};
    if (text.empty()) continue;         // it ended meanwhile
    size_t name_end = text.rfind(')');  // of the thread's name, which may hold anything
    if (name_end == std::string::npos || name_end + 2 >= text.size()) return false;
    if (std::string_view("ZXxD").find(text[name_end + 2]) == std::string_view::npos) return false;
  }
  return true;
}

Result<ChildProcess> ChildProcess::Spawn(const ChildSpec& spec) {
  std::vector<char*> arguments = Pointers(spec.arguments);
  std::vector<char*> environment = Pointers(spec.environment);
  pid_t pid = fork();
  if (pid < 0) return ErrnoError("fork", errno);
  if (pid == 0) {
    setsid();
    PlaceDescriptors(spec);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    execve(spec.executable.c_str(), arguments.data(), environment.data());
    GiveUp(spec.executable.c_str());
  }
  // Not reaped yet, so the number is still this child's.
  int pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (pidfd < 0) {
    int error_number = errno;
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return ErrnoError("pidfd_open", error_number);
  }
  return ChildProcess(pid, UniqueFd(pidfd));
}

void ChildProcess::Kill() const {
  syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
}

void ChildProcess::KillAndReap() const {
  Kill();
  (void)Wait(0);
}

std::optional<std::string> ChildProcess::Reap() const {
  return Wait(WNOHANG);
}

bool ChildProcess::HeldUpInKernel() const {
  return OnlyDeadOrUninterruptible(StrCat("/proc/", pid_, "/task"));
}

std::optional<std::string> ChildProcess::Wait(int flags) const {
  siginfo_t info{};
  int result;
  do {
    result = waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED | flags);
  } while (result != 0 && errno == EINTR);
  if (result != 0) return std::string("an unknown end");
  if (info.si_pid == 0) return std::nullopt;
  return InWords(info);
}

}  // namespace leasefs
