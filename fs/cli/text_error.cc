#include "fs/cli/text_error.h"

#include <algorithm>

#include "fs/base/strings.h"

namespace leasefs::cli {

std::string LocationIn(const std::string& file, std::string_view text, size_t offset) {
  const std::string_view before = text.substr(0, offset);
  const auto lines = std::count(before.begin(), before.end(), '\n');
  const size_t newline = before.rfind('\n');
  const std::string_view line = newline == std::string_view::npos ? before : before.substr(newline + 1);
  const auto columns = std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xC0) != 0x80; });
  return StrCat(Printable(file), ':', lines + 1, ':', columns + 1);
}

Error TextError(const std::string& file, std::string_view text, size_t offset, std::string_view what) {
  return {ErrorKind::kInvalid, StrCat(LocationIn(file, text, offset), ": ", what)};
}

size_t FirstInvalidUtf8(std::string_view text) {
  size_t start = 0;
  while (start < text.size()) {  // a line at a time: a newline is never inside a sequence
    size_t end = std::min(text.find('\n', start), text.size());
    if (IsValidUtf8(text.substr(start, end - start))) {
      start = end + 1;
      continue;
    }
    while (start < end) {
      const auto lead = static_cast<unsigned char>(text[start]);
      const size_t size = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
      if (!IsValidUtf8(text.substr(start, size))) return start;
      start += size;
    }
    return end;
  }
  return text.size();
}

}  // namespace leasefs::cli
