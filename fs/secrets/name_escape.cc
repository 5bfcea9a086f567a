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

}  // namespace

std::string EscapeName(std::string_view raw) {
  std::string out;
  out.reserve(raw.size());
  bool dots = raw == "." || raw == "..";
  for (size_t i = 0; i < raw.size(); ++i) {
    char byte = raw[i];
    if (byte == '/' || byte == '\0' || byte == '%' || (dots && i == 0)) {
      AppendEscaped(out, byte);
    } else {
      out += byte;
    }
  }
  return out;
}

std::string EscapeNameForCollision(std::string_view raw) {
  if (raw.empty()) return {};
  char last = raw.back();
  std::string out = EscapeName(raw);
  if (last == '/' || last == '\0' || last == '%' || raw == ".") return out;  // escaped already
  out.pop_back();
  AppendEscaped(out, last);
  return out;
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
