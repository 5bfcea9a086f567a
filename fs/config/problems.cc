#include "fs/config/problems.h"

#include <algorithm>
#include <tuple>

#include "fs/base/strings.h"

namespace leasefs {
namespace {

constexpr size_t kMaxTextBytes = 400;  // of either half of a message

template <class Line>
std::vector<std::string> Sorted(std::vector<Line> lines) {
  std::stable_sort(lines.begin(), lines.end(), [](const Line& a, const Line& b) {
    return std::tie(a.file, a.line, a.column) < std::tie(b.file, b.line, b.column);
  });
  std::vector<std::string> texts;
  for (Line& line : lines) texts.push_back(std::move(line.text));
  return texts;
}

}  // namespace

void Problems::Add(const SourceLocation& where, std::string_view what, std::string_view remedy) {
  Put(errors_, where, what, remedy);
}

void Problems::Warn(const SourceLocation& where, std::string_view what, std::string_view remedy) {
  Put(warnings_, where, what, remedy);
}

void Problems::Put(List& list, const SourceLocation& where, std::string_view what, std::string_view remedy) {
  if (list.lines.size() >= kMaxKept) {
    ++list.lost;
    return;
  }
  auto file = static_cast<size_t>(std::find(files_.begin(), files_.end(), where.file) - files_.begin());
  list.lines.push_back({file, where.line, where.column,
                        StrCat(ToString(where), ": ", Printable(what, kMaxTextBytes), ": ",
                               Printable(remedy, kMaxTextBytes))});
}

std::string Problems::Errors() const {
  std::vector<std::string> lines = Sorted(errors_.lines);
  std::string text;
  for (size_t i = 0; i < std::min(lines.size(), kMaxLines); ++i) {
    if (i > 0) text += '\n';
    text += lines[i];
  }
  if (lines.size() > kMaxLines) {
    text += StrCat("\nand ", lines.size() - kMaxLines + errors_.lost, " more: correct these first");
  }
  return text;
}

std::vector<std::string> Problems::Warnings() const { return Sorted(warnings_.lines); }

}  // namespace leasefs
