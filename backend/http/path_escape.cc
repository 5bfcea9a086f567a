#include "backend/http/path_escape.h"

#include <algorithm>

#include "fs/base/limits.h"
#include "fs/base/strings.h"

namespace leasefs::http {
namespace {

// RFC 3986, section 2.3.
bool IsUnreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

void AppendEscaped(std::string& out, std::string_view text) {
  static constexpr std::string_view kDigits = "0123456789ABCDEF";
  for (const char c : text) {
    if (IsUnreserved(c)) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
}

Error Refused(std::string_view what) {
  return {ErrorKind::kInvalid, StrCat("this is no path of a request: ", what)};
}

// Undoes %XX. False: a broken one.
bool Unescape(std::string_view text, std::string* out) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      *out += text[i];
      continue;
    }
    if (text.size() - i < 3 || HexDigit(text[i + 1]) < 0 || HexDigit(text[i + 2]) < 0) return false;
    *out += static_cast<char>(HexDigit(text[i + 1]) << 4 | HexDigit(text[i + 2]));
    i += 2;
  }
  return true;
}

Status CheckSegment(std::string_view segment) {
  if (segment.empty()) return Refused("an empty segment, which servers remove");
  std::string name;
  if (!Unescape(segment, &name)) return Refused("a '%' that is not followed by two hexadecimal digits");
  if (name == "." || name == "..") return Refused("\".\" or \"..\", which servers resolve");
  if (name.find('/') != std::string::npos) return Refused("%2F, which servers decode to a separator");
  if (name.find('\0') != std::string::npos) return Refused("%00");
  return Ok();
}

}  // namespace

Result<std::string> EscapeSegment(std::string_view name) {
  std::string out;
  AppendEscaped(out, name);
  LEASEFS_RETURN_IF_ERROR(CheckSegment(out));
  return out;
}

Result<std::string> EscapePath(std::string_view path) {
  std::string out;
  for (const std::string& name : Split(path, '/')) {
    LEASEFS_ASSIGN_OR_RETURN(segment, EscapeSegment(name));
    if (!out.empty()) out += '/';
    out += segment;
  }
  return out;
}

std::string EscapeQuery(std::string_view text) {
  std::string out;
  AppendEscaped(out, text);
  return out;
}

Status CheckEscapedPath(std::string_view path) {
  // Escaping makes three bytes of one; a query comes on top.
  if (path.size() > 4 * kMaxPathBytes) return Refused(StrCat("more than ", 4 * kMaxPathBytes, " bytes"));
  if (!path.starts_with('/')) return Refused("it does not begin with '/'");
  const size_t query_at = std::min(path.find('?'), path.size());
  const std::string_view query = path.substr(query_at);
  // What RFC 3986, section 3.3 lets stand in a segment or query as it is.
  static constexpr std::string_view kPlain = "!$&'()*+,;=:@%/";
  const auto is_plain = [](char c) { return IsUnreserved(c) || kPlain.find(c) != std::string_view::npos; };
  if (!std::ranges::all_of(path.substr(0, query_at), is_plain) ||
      !std::ranges::all_of(query.substr(query.empty() ? 0 : 1), is_plain)) {
    return Refused("a byte that must be written as %XX");
  }
  std::string ignored;
  if (!Unescape(query, &ignored)) return Refused("a '%' that is not followed by two hexadecimal digits");
  std::string_view segments = path.substr(1, query_at - 1);
  if (segments.ends_with('/')) segments.remove_suffix(1);  // a listing
  if (segments.empty()) return path.substr(0, query_at) == "/" ? Ok() : Refused("an empty segment");
  for (const std::string& segment : Split(segments, '/')) LEASEFS_RETURN_IF_ERROR(CheckSegment(segment));
  return Ok();
}

}  // namespace leasefs::http
