#include "fs/keeper/process_limits.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string>

#include "fs/base/log.h"
#include "fs/base/strings.h"
#include "fs/base/unique_fd.h"

namespace leasefs {
namespace {

constexpr char kOomScore[] = "/proc/self/oom_score_adj";
constexpr int kWantedOomScore = -900;
constexpr rlim_t kOpenFiles = 65536;

std::optional<int64_t> ReadNumber(const char* path) {
  UniqueFd fd(open(path, O_RDONLY | O_CLOEXEC));
  std::array<char, 32> text{};
  ssize_t got = fd ? read(fd.get(), text.data(), text.size()) : -1;
  int64_t number = 0;
  if (got <= 0 || std::from_chars(text.data(), text.data() + got, number).ec != std::errc()) return std::nullopt;
  return number;
}

void LowerOomScore() {
  auto now = ReadNumber(kOomScore);
  if (now && *now <= kWantedOomScore) return;  // the unit did it
  UniqueFd fd(open(kOomScore, O_WRONLY | O_CLOEXEC));
  std::string text = std::to_string(kWantedOomScore);
  if (!fd || write(fd.get(), text.data(), text.size()) < 0) {
    LogInfo(StrCat("oom_score_adj: ", std::strerror(errno), ": this process may be chosen when memory runs out"));
  }
}

// To `wanted`, or as far as the hard limit allows.
void RaiseLimit(decltype(RLIMIT_CORE) which, const char* name, rlim_t wanted) {
  rlimit limit{};
  getrlimit(which, &limit);
  if (limit.rlim_cur >= wanted) return;
  rlimit raised{wanted, std::max(limit.rlim_max, wanted)};
  if (setrlimit(which, &raised) == 0) return;
  LogDebug(StrCat(name, " stays at its hard limit: ", std::strerror(errno)));
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(which, &limit);
}

}  // namespace

void SetProcessLimits() {
  (void)prctl(PR_SET_DUMPABLE, 0);
  (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  rlimit none{0, 0};
  (void)setrlimit(RLIMIT_CORE, &none);
  RaiseLimit(RLIMIT_MEMLOCK, "RLIMIT_MEMLOCK", RLIM_INFINITY);
  RaiseLimit(RLIMIT_NOFILE, "RLIMIT_NOFILE", kOpenFiles);
  LowerOomScore();
}

std::optional<std::chrono::seconds> KernelRequestTimeout() {
  int64_t shortest = 0;
  for (const char* path : {"/proc/sys/fs/fuse/default_request_timeout", "/proc/sys/fs/fuse/max_request_timeout"}) {
    int64_t seconds = ReadNumber(path).value_or(0);
    if (seconds > 0 && (shortest == 0 || seconds < shortest)) shortest = seconds;
  }
  if (shortest == 0) return std::nullopt;
  return std::chrono::seconds(shortest);
}

void CheckKernelRequestTimeout(std::chrono::milliseconds deadline) {
  auto timeout = KernelRequestTimeout();
  if (!timeout || deadline * 3 <= *timeout) return;
  LogWarning(StrCat("limits.deadline of ", deadline.count(),
                    " ms is more than a third of the kernel's fs.fuse request timeout of ", timeout->count(),
                    " s, after which it aborts the whole mount: lower the one or raise the other"));
}

}  // namespace leasefs
