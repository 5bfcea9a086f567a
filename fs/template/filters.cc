#include "fs/template/filters.h"

#include <algorithm>
#include <array>
#include <utility>

#include "fs/base/strings.h"

namespace leasefs {
namespace {

struct Named {
  std::string_view name;
  Filter filter;
};
constexpr std::array<Named, 7> kFilters{{{"base64", Filter::kBase64},
                                         {"json", Filter::kJson},
                                         {"pgpass", Filter::kPgpass},
                                         {"raw", Filter::kRaw},
                                         {"shell", Filter::kShell},
                                         {"trim", Filter::kTrim},
                                         {"url", Filter::kUrl}}};

constexpr std::string_view kHexDigits = "0123456789ABCDEF";
constexpr std::string_view kSpace = " \t\n\v\f\r";
constexpr std::string_view kLineBreaks = "\n\r";

bool HasNul(std::string_view text) {
  return text.find('\0') != std::string_view::npos;
}

bool HasLineBreak(std::string_view text) {
  return text.find_first_of(kLineBreaks) != std::string_view::npos;
}

Error DoesNotFit(std::string_view what) {
  return {ErrorKind::kRemote, std::string(what)};
}

void AppendByte(SecretBuffer& out, char byte) {
  out.Append(std::string_view(&byte, 1));
}

Result<SecretBuffer> Json(const FilteredValue& value) {
  SecretBuffer out;
  if (value.json) {
    out.Append(value.bytes.Expose());
  } else if (!AppendJsonString(out, value.bytes.ExposeText())) {
    return DoesNotFit("is not UTF-8, which JSON cannot say: use base64");
  }
  return out;
}

SecretBuffer Url(std::string_view text) {
  SecretBuffer out;
  out.Reserve(text.size() * 3);
  for (char byte : text) {
    bool plain = (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') ||
                 byte == '-' || byte == '.' || byte == '_' || byte == '~';
    if (!plain) {
      auto number = static_cast<unsigned char>(byte);
      const std::array<char, 3> escape{'%', kHexDigits[number >> 4], kHexDigits[number & 15]};
      out.Append(std::string_view(escape.data(), escape.size()));
    } else {
      AppendByte(out, byte);
    }
  }
  return out;
}

SecretBuffer Base64(std::string_view text) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  SecretBuffer out;
  out.Reserve((text.size() + 2) / 3 * 4);
  for (size_t i = 0; i < text.size(); i += 3) {
    size_t left = std::min<size_t>(3, text.size() - i);
    uint32_t bits = 0;
    for (size_t k = 0; k < 3; ++k) bits = bits << 8 | (k < left ? static_cast<unsigned char>(text[i + k]) : 0u);
    const std::array<char, 4> group{kDigits[bits >> 18], kDigits[bits >> 12 & 63],
                                    left > 1 ? kDigits[bits >> 6 & 63] : '=', left > 2 ? kDigits[bits & 63] : '='};
    out.Append(std::string_view(group.data(), group.size()));
  }
  return out;
}

Result<SecretBuffer> Shell(std::string_view text) {
  if (HasNul(text)) return DoesNotFit("has a NUL, which no word of sh can hold");
  SecretBuffer out;
  out.Reserve(text.size() + 2);
  out.Append("'");
  for (char byte : text) {
    if (byte == '\'') {
      out.Append("'\\''");
    } else {
      AppendByte(out, byte);
    }
  }
  out.Append("'");
  return out;
}

// libpq takes a backslash off whatever it stands before. A '*' alone would match anything, a '#' at the beginning of a
// line would make a comment of it.
Result<SecretBuffer> Pgpass(std::string_view text) {
  if (HasNul(text) || HasLineBreak(text)) return DoesNotFit("has a NUL or a line break, which .pgpass cannot hold");
  SecretBuffer out;
  out.Reserve(text.size() * 2);
  for (size_t i = 0; i < text.size(); ++i) {
    bool escaped = text[i] == ':' || text[i] == '\\' || (i == 0 && (text[i] == '*' || text[i] == '#'));
    if (escaped) out.Append("\\");
    AppendByte(out, text[i]);
  }
  return out;
}

SecretBuffer Trim(std::string_view text) {
  size_t first = std::min(text.find_first_not_of(kSpace), text.size());
  text.remove_prefix(first);
  size_t last = text.find_last_not_of(kSpace);
  text = text.substr(0, last == std::string_view::npos ? 0 : last + 1);
  return SecretBuffer::CopyOf(text);
}

Result<SecretBuffer> Filtered(Filter filter, FilteredValue& value) {
  std::string_view text = value.bytes.ExposeText();
  switch (filter) {
    case Filter::kJson:
      return Json(value);
    case Filter::kUrl:
      return Url(text);
    case Filter::kBase64:
      return Base64(text);
    case Filter::kShell:
      return Shell(text);
    case Filter::kPgpass:
      return Pgpass(text);
    case Filter::kTrim:
      return Trim(text);
    case Filter::kRaw:
      return std::move(value.bytes);
  }
  std::abort();
}

// A character that begins a text and is not written as it is; size 0: there is none.
struct Odd {
  char16_t code = 0;
  size_t size = 0;
};

// JSON has more characters as they are than TOML (not DEL) and YAML (which reads some of them as line breaks, or not at
// all).
Odd OddAtFront(std::string_view utf8) {
  constexpr std::pair<std::string_view, char16_t> kOddInYaml[] = {
      {"\u2028", 0x2028}, {"\u2029", 0x2029}, {"\ufeff", 0xfeff}, {"\ufffe", 0xfffe}, {"\uffff", 0xffff}};
  auto byte = [&](size_t i) { return static_cast<unsigned char>(utf8[i]); };
  if (byte(0) < 0x20 || byte(0) == 0x7f || byte(0) == '"' || byte(0) == '\\') return {byte(0), 1};
  if (byte(0) == 0xc2 && byte(1) < 0xa0) return {byte(1), 2};  // U+0080 to U+009F
  if (byte(0) < 0xe0) return {};
  for (const auto& [odd, code] : kOddInYaml)
    if (utf8.starts_with(odd)) return {code, odd.size()};
  return {};
}

}  // namespace

std::optional<Filter> FilterByName(std::string_view name) {
  auto found = std::find_if(kFilters.begin(), kFilters.end(), [&](const Named& each) { return each.name == name; });
  if (found == kFilters.end()) return std::nullopt;
  return found->filter;
}

std::vector<std::string> FilterNames() {
  std::vector<std::string> names;
  for (const Named& each : kFilters) names.emplace_back(each.name);
  return names;
}

Status ApplyFilter(Filter filter, FilteredValue& value) {
  LEASEFS_ASSIGN_OR_RETURN(bytes, Filtered(filter, value));
  value.bytes = std::move(bytes);
  if (filter == Filter::kTrim) return Ok();  // which takes away and fits nothing
  value.fitted = true;
  value.json = false;  // it is a text of another format now
  return Ok();
}

Status CheckFits(const FilteredValue& value) {
  if (value.fitted) return Ok();
  std::string_view text = value.bytes.ExposeText();
  if (HasNul(text)) return DoesNotFit("has a NUL: use a filter of the file's format, or raw if it is meant so");
  if (HasLineBreak(text)) {
    return DoesNotFit(
        "has a line break: use a filter of the file's format, trim if it is at the end only, or raw if "
        "it is meant so");
  }
  return Ok();
}

bool AppendJsonString(SecretBuffer& out, std::string_view text) {
  if (!IsValidUtf8(text)) return false;
  out.Append("\"");
  size_t plain = 0;  // what was not written yet begins here
  for (size_t i = 0; i < text.size(); ++i) {
    const Odd odd = OddAtFront(text.substr(i));
    if (odd.size == 0) continue;
    out.Append(text.substr(plain, i - plain));
    plain = i + odd.size;
    i = plain - 1;
    const std::array<char, 6> number{'\\',
                                     'u',
                                     kHexDigits[odd.code >> 12],
                                     kHexDigits[odd.code >> 8 & 15],
                                     kHexDigits[odd.code >> 4 & 15],
                                     kHexDigits[odd.code & 15]};
    if (odd.code == '"') {
      out.Append("\\\"");
    } else if (odd.code == '\\') {
      out.Append("\\\\");
    } else if (odd.code == '\n') {
      out.Append("\\n");
    } else {
      out.Append(std::string_view(number.data(), number.size()));
    }
  }
  out.Append(text.substr(plain));
  out.Append("\"");
  return true;
}

}  // namespace leasefs
