#include "fs/cli/table.h"

#include <pwd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

#include "fs/base/strings.h"

namespace leasefs::cli {
namespace {

constexpr size_t kMaxCell = 8192;

// Columns that UTF-8 text takes, near enough: one per code point.
size_t ShownWidth(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

void AppendRow(std::string& out, const std::vector<std::string>& row, const std::vector<size_t>& widths) {
  for (size_t i = 0; i < row.size(); ++i) {
    out += row[i];
    if (i + 1 < row.size()) out.append(widths[i] - ShownWidth(row[i]) + 2, ' ');
  }
  out.erase(out.find_last_not_of(' ') + 1);
  out += '\n';
}

}  // namespace

void Table::Add(std::vector<std::string> row) {
  for (std::string& cell : row) cell = Printable(cell, kMaxCell);
  row.resize(header_.size());
  rows_.push_back(std::move(row));
}

std::string Table::ToString() const {
  std::vector<size_t> widths;
  for (const std::string& title : header_) widths.push_back(ShownWidth(title));
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], ShownWidth(row[i]));
  }
  std::string out;
  AppendRow(out, header_, widths);
  for (const auto& row : rows_) AppendRow(out, row, widths);
  return out;
}

std::string ShowBytes(uint64_t bytes) {
  static constexpr std::array<const char*, 4> kUnits = {"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return StrCat(bytes, " B");
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (value >= 1023.95 && unit + 1 < kUnits.size()) value /= 1024, ++unit;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f", value);
  std::string_view number = text.data();
  if (number.ends_with(".0")) number.remove_suffix(2);
  return StrCat(number, ' ', kUnits[unit]);
}

std::string ShowTime(WallTime time) {
  const time_t seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  tm parts{};
  std::array<char, 40> text{};
  if (gmtime_r(&seconds, &parts) == nullptr) return "?";
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

std::string ShowDuration(uint64_t seconds) {
  if (seconds < 60) return StrCat(seconds, 's');
  if (seconds < 3600) return StrCat(seconds / 60, "m ", seconds % 60, 's');
  if (seconds < 86'400) return StrCat(seconds / 3600, "h ", seconds % 3600 / 60, 'm');
  return StrCat(seconds / 86'400, "d ", seconds % 86'400 / 3600, 'h');
}

std::string ShowUser(uint32_t uid) {
  std::array<char, 4096> memory{};
  passwd entry{};
  passwd* found = nullptr;
  if (getpwuid_r(uid, &entry, memory.data(), memory.size(), &found) != 0 || found == nullptr)
    return std::to_string(uid);
  return found->pw_name;
}

std::string Count(uint64_t count, std::string_view noun) {
  return StrCat(count, ' ', noun, count == 1 ? "" : "s");
}

}  // namespace leasefs::cli
