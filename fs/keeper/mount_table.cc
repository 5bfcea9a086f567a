#include "fs/keeper/mount_table.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

#include "fs/base/strings.h"
#include "fs/base/unique_fd.h"

namespace leasefs {
namespace {

bool IsOctal(char c) {
  return c >= '0' && c <= '7';
}

// The kernel writes space, tab, newline and backslash as \ooo.
std::string Unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && std::all_of(&text[i + 1], &text[i + 4], IsOctal)) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

// "36 35 98:0 /root /mnt rw,noatime master:1 - ext3 /dev/root rw": the number of optional fields before "-" varies.
std::optional<MountEntry> ParseLine(std::string_view line) {
  std::vector<std::string> fields = Split(line, ' ');
  auto dash = std::find(fields.begin(), fields.end(), "-");
  if (fields.size() < 7 || dash - fields.begin() < 6 || fields.end() - dash < 2) return std::nullopt;
  MountEntry entry;
  const std::string& id = fields[0];
  if (std::from_chars(id.data(), id.data() + id.size(), entry.id).ec != std::errc()) return std::nullopt;
  entry.device = fields[2];
  entry.path = Unescape(fields[4]);
  entry.options = fields[5];
  entry.type = dash[1];
  return entry;
}

}  // namespace

std::vector<MountEntry> ParseMountTable(std::string_view text) {
  std::vector<MountEntry> table;
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    if (auto entry = ParseLine(text.substr(0, end))) table.push_back(std::move(*entry));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return table;
}

Result<std::vector<MountEntry>> ReadMountTable() {
  UniqueFd fd(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  if (!fd) return ErrnoError("open /proc/self/mountinfo", errno);
  std::string text;
  std::array<char, 16384> part;
  for (;;) {
    ssize_t got = read(fd.get(), part.data(), part.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoError("read /proc/self/mountinfo", errno);
    if (got == 0) return ParseMountTable(text);
    text.append(part.data(), static_cast<size_t>(got));
  }
}

std::optional<MountEntry> TopMountAt(const std::vector<MountEntry>& table, std::string_view path) {
  auto top = std::find_if(table.rbegin(), table.rend(), [&](const MountEntry& entry) { return entry.path == path; });
  if (top == table.rend()) return std::nullopt;
  return *top;
}

}  // namespace leasefs
