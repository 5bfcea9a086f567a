#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <string>

#include "fs/base/strings.h"
#include "fs/base/unique_fd.h"
#include "fs/caller/caller.h"

namespace leasefs {
namespace {

constexpr size_t kTextBytes = 4096;  // the lines that are looked for come early; stat is one line of some 300 bytes
constexpr size_t kStateField = 3, kStartField = 22;  // of proc_pid_stat(5), counted from 1

std::string ReadStart(int procfs, const std::string& path) {
  UniqueFd file(openat(procfs, path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return {};
  std::array<char, kTextBytes> text;
  ssize_t count = read(file.get(), text.data(), text.size());
  return count <= 0 ? std::string() : std::string(text.data(), static_cast<size_t>(count));
}

template <class T>
bool ParseNumber(std::string_view text, T& value) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

pid_t ParseThreadGroup(std::string_view status) {
  constexpr std::string_view kLine = "\nTgid:\t";
  size_t begin = status.find(kLine);
  if (begin == std::string_view::npos) return 0;
  begin += kLine.size();
  size_t end = status.find('\n', begin);
  pid_t pid = 0;
  if (end == std::string_view::npos || !ParseNumber(status.substr(begin, end - begin), pid)) return 0;
  return pid;
}

// SECURITY: the program chooses its name, which may hold spaces and parentheses: what follows the last one counts.
uint64_t ParseStartOfLiving(std::string_view stat) {
  size_t name_end = stat.rfind(')');
  if (name_end == std::string_view::npos) return 0;
  std::string_view rest = stat.substr(name_end + 1);
  std::string_view field;
  for (size_t number = kStateField; number <= kStartField; ++number) {
    size_t begin = rest.find_first_not_of(' ');
    if (begin == std::string_view::npos) return 0;
    rest.remove_prefix(begin);
    field = rest.substr(0, rest.find_first_of(" \n"));
    rest.remove_prefix(field.size());
    bool dead = number == kStateField && (field == "Z" || field == "X" || field == "x");
    if (dead) return 0;
  }
  uint64_t start = 0;
  return ParseNumber(field, start) ? start : 0;
}

Result<ProcessId> ProcGroupReader::Process(const Caller& caller) const {
  if (!caller.known()) return Error(ErrorKind::kDenied, "the kernel does not say who calls");
  ProcessId process;
  process.pid = ParseThreadGroup(ReadStart(procfs_, StrCat(caller.tid, "/status")));
  if (process.pid != 0) process.start = ParseStartOfLiving(ReadStart(procfs_, StrCat(process.pid, "/stat")));
  if (process.start == 0) return Error(ErrorKind::kDenied, "procfs does not know the calling process");
  return process;
}

bool ProcGroupReader::Alive(const ProcessId& process) const {
  return ParseStartOfLiving(ReadStart(procfs_, StrCat(process.pid, "/stat"))) == process.start;
}

}  // namespace leasefs
