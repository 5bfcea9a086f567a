#include "fs/secrets/name_escape.h"

namespace leasefs {
namespace {

void AppendEscaped(std::string& out, char byte) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  auto value = static_cast<unsigned char>(byte);
  out += '%';
  out += kDigits[value >> 4];
  out += kDigits[value & 15];
}

int HexValue(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  return -1;
}

bool IsEscaped(std::string_view raw, size_t place) {
  char byte = raw[place];
  bool dots = raw == "." || raw == "..";
  return byte == '/' || byte == '\0' || byte == '%' || (dots && place == 0);
}

// With the byte at `extra` escaped, too.
std::string Escape(std::string_view raw, size_t extra) {
  std::string out;
  out.reserve(raw.size());
  for (size_t i = 0; i < raw.size(); ++i) {
    if (i == extra || IsEscaped(raw, i)) {
      AppendEscaped(out, raw[i]);
    } else {
      out += raw[i];
    }
  }
  return out;
}

}  // namespace

std::string EscapeName(std::string_view raw) {
  return Escape(raw, raw.size());
}

std::string EscapeNameForCollision(std::string_view raw) {
  for (size_t last = raw.size(); last-- > 0;) {
    if (!IsEscaped(raw, last)) return Escape(raw, last);
  }
  return {};
}

std::optional<std::string> UnescapeName(std::string_view name) {
  std::string out;
  out.reserve(name.size());
  for (size_t i = 0; i < name.size(); ++i) {
    if (name[i] != '%') {
      out += name[i];
      continue;
    }
    if (i + 2 >= name.size()) return std::nullopt;
    int high = HexValue(name[i + 1]);
    int low = HexValue(name[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high << 4 | low);
    i += 2;
  }
  return out;
}

}  // namespace leasefs
