#include "fs/cli/json_import.h"

#include <array>
#include <unordered_map>

#include "fs/base/limits.h"
#include "fs/base/strings.h"
#include "fs/cli/text_error.h"

namespace leasefs::cli {
namespace {

class JsonReader {
 public:
  JsonReader(const std::string& file, std::string_view text) : file_(file), text_(text) {}

  Result<std::vector<JsonSecret>> Read() {
    if (const size_t bad = FirstInvalidUtf8(text_); bad < text_.size()) return Bad(bad, "this is not UTF-8");
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
    SkipSpace();
    if (Peek() != '{') return Bad(at_, "an object is expected: {\"key\": value} or {\"secret\": {\"key\": value}}");
    secrets_.push_back({});
    LEASEFS_RETURN_IF_ERROR(ReadObject(0));
    SkipSpace();
    if (at_ < text_.size()) return Bad(at_, "something stands behind the object");
    if (secrets_.front().fields.empty()) secrets_.erase(secrets_.begin());
    return std::move(secrets_);
  }

 private:
  Error Bad(size_t offset, std::string_view what) const { return TextError(file_, text_, offset, what); }
  char Peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void SkipSpace() { at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size()); }
  Status Expect(char c, std::string_view what) {
    SkipSpace();
    if (Peek() != c) return Bad(at_, at_ < text_.size() ? what : "the text ends too early");
    ++at_;
    return Ok();
  }

  // The members of the document, or those of the secret with this index in secrets_.
  Status ReadObject(size_t secret) {
    std::unordered_map<std::string, size_t> names;
    const size_t opening = at_++;
    SkipSpace();
    if (Peek() == '}') return ++at_, secret == 0 ? Ok() : Status(Bad(opening, "a secret without keys"));
    for (;;) {
      SkipSpace();
      const size_t name_at = at_;
      if (Peek() != '"')
        return Bad(at_, at_ < text_.size() ? "a name in double quotes is expected" : "the text ends too early");
      SecretBuffer name_bytes;
      LEASEFS_RETURN_IF_ERROR(ReadString(&name_bytes));
      const std::string name(name_bytes.ExposeText());
      const auto [known, is_new] = names.emplace(name, name_at);
      if (!is_new)
        return Bad(name_at, StrCat("this name is there already, at ", LocationIn(file_, text_, known->second)));
      LEASEFS_RETURN_IF_ERROR(Expect(':', "':' is missing after the name"));
      SkipSpace();
      LEASEFS_RETURN_IF_ERROR(Peek() == '{' ? ReadNested(secret, name, name_at) : ReadKey(secret, name, name_at));
      SkipSpace();
      if (Peek() == '}') return ++at_, Ok();
      LEASEFS_RETURN_IF_ERROR(Expect(',', "',' or '}' is missing"));
    }
  }

  Status ReadNested(size_t parent, const std::string& name, size_t name_at) {
    if (parent != 0) {
      return Bad(
          at_,
          "objects nest only as {\"secret\": {\"key\": value}}: write a deeper secret as {\"a/b\": {\"key\": value}}");
    }
    if (!protocol::IsValidPath(name) || name.empty()) {
      return Bad(name_at, "this cannot be the path of a secret: names joined by '/', none of them empty, '.' or '..'");
    }
    secrets_.push_back({.path = name, .fields = {}});
    return ReadObject(secrets_.size() - 1);
  }

  Status ReadKey(size_t secret, const std::string& name, size_t name_at) {
    if (!protocol::IsValidKey(name))
      return Bad(name_at, StrCat("a key has 1 to ", kMaxKeyBytes, " bytes, none of them NUL"));
    std::vector<protocol::Field>& fields = secrets_[secret].fields;
    if (fields.size() == kMaxKeysPerSecret)
      return Bad(name_at, StrCat("more than ", kMaxKeysPerSecret, " keys in one secret"));
    if (++keys_ > kMaxImportedKeys) return Bad(name_at, StrCat("more than ", kMaxImportedKeys, " keys in one file"));
    const size_t value_at = at_;
    protocol::Field field{.key = name, .too_large = false, .value = {}};
    if (Peek() == '"') {
      LEASEFS_RETURN_IF_ERROR(ReadString(&field.value));
    } else {
      LEASEFS_RETURN_IF_ERROR(ReadCompact(field.value));
    }
    if (field.value.size() > kHardMaxValueBytes)
      return Bad(value_at, StrCat("a value of more than ", kHardMaxValueBytes, " bytes"));
    fields.push_back(std::move(field));
    return Ok();
  }

  // Any value as compact JSON text. Does not recurse: what comes from outside may not choose the depth of our stack.
  Status ReadCompact(SecretBuffer& out) {
    std::string open;  // the brackets that are open
    for (;;) {
      SkipSpace();
      const size_t start = at_;
      if (Peek() == '{' || Peek() == '[') {
        if (open.size() == kMaxJsonDepth) return Bad(at_, StrCat("nested deeper than ", kMaxJsonDepth));
        open += text_[at_++];
        out.Append(text_.substr(start, 1));
        SkipSpace();
        if (Peek() != (open.back() == '{' ? '}' : ']')) {
          LEASEFS_RETURN_IF_ERROR(open.back() == '{' ? ReadMemberName(out) : Ok());
          continue;
        }
      } else if (Peek() == '"') {
        LEASEFS_RETURN_IF_ERROR(ReadString(nullptr));
        out.Append(text_.substr(start, at_ - start));
      } else {
        LEASEFS_RETURN_IF_ERROR(ReadWord());
        out.Append(text_.substr(start, at_ - start));
      }
      bool next_value = false;
      LEASEFS_RETURN_IF_ERROR(CloseBrackets(open, out, &next_value));
      if (!next_value) return Ok();
    }
  }

  // Behind a value: closing brackets, then a comma and what leads to the next value; or the end.
  Status CloseBrackets(std::string& open, SecretBuffer& out, bool* next_value) {
    while (!open.empty()) {
      SkipSpace();
      const char closing = open.back() == '{' ? '}' : ']';
      if (Peek() == closing) {
        out.Append(text_.substr(at_++, 1));
        open.pop_back();
        continue;
      }
      LEASEFS_RETURN_IF_ERROR(Expect(',', closing == '}' ? "',' or '}' is missing" : "',' or ']' is missing"));
      out.Append(std::string_view(","));
      *next_value = true;
      return closing == '}' ? ReadMemberName(out) : Ok();
    }
    return Ok();
  }

  Status ReadMemberName(SecretBuffer& out) {
    SkipSpace();
    const size_t start = at_;
    if (Peek() != '"')
      return Bad(at_, at_ < text_.size() ? "a name in double quotes is expected" : "the text ends too early");
    LEASEFS_RETURN_IF_ERROR(ReadString(nullptr));
    out.Append(text_.substr(start, at_ - start));
    LEASEFS_RETURN_IF_ERROR(Expect(':', "':' is missing after the name"));
    out.Append(std::string_view(":"));
    return Ok();
  }

  // true, false, null, or a number as RFC 8259 has it.
  Status ReadWord() {
    for (const std::string_view word : {"true", "false", "null"}) {
      if (text_.substr(at_).starts_with(word)) return at_ += word.size(), Ok();
    }
    const size_t start = at_;
    const auto digits = [this] {
      const size_t first = at_;
      while (Peek() >= '0' && Peek() <= '9') ++at_;
      return at_ - first;
    };
    if (Peek() == '-') ++at_;
    const bool zero = Peek() == '0';
    const size_t whole = digits();
    bool good = whole == 1 || (whole > 1 && !zero);
    if (good && Peek() == '.') ++at_, good = digits() > 0;
    if (good && (Peek() == 'e' || Peek() == 'E')) {
      ++at_;
      if (Peek() == '+' || Peek() == '-') ++at_;
      good = digits() > 0;
    }
    if (good) return Ok();
    return Bad(start, start < text_.size() ? "this is not a JSON value" : "the text ends too early");
  }

  // A string with its quotes. `out` null: only checked.
  Status ReadString(SecretBuffer* out) {
    const size_t opening = at_++;
    for (;;) {
      const size_t plain = at_;
      while (at_ < text_.size() && text_[at_] != '"' && text_[at_] != '\\' &&
             static_cast<unsigned char>(text_[at_]) >= 0x20)
        ++at_;
      if (out != nullptr) out->Append(text_.substr(plain, at_ - plain));
      if (at_ == text_.size()) return Bad(opening, "this string is never closed");
      if (text_[at_] == '"') return ++at_, Ok();
      if (text_[at_] != '\\') return Bad(at_, "a control character inside a string: write it as \\n, \\t or \\u00XX");
      LEASEFS_RETURN_IF_ERROR(ReadEscape(out));
    }
  }

  Status ReadEscape(SecretBuffer* out) {
    static constexpr std::string_view kShort = "\"\\/bfnrt";
    static constexpr std::string_view kMeaning = "\"\\/\b\f\n\r\t";
    const size_t start = at_++;
    if (const size_t index = kShort.find(Peek()); index != std::string_view::npos) {
      ++at_;
      if (out != nullptr) out->Append(kMeaning.substr(index, 1));
      return Ok();
    }
    uint32_t code = 0;
    if (!ReadHex(&code)) return Bad(start, "an escape that JSON does not have");
    if (code >= 0xDC00 && code < 0xE000) return Bad(start, "half of a surrogate pair");
    if (code >= 0xD800 && code < 0xDC00) {
      uint32_t low = 0;
      const bool pair = Peek() == '\\' && (++at_, ReadHex(&low)) && low >= 0xDC00 && low < 0xE000;
      if (!pair) return Bad(start, "half of a surrogate pair");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    if (out != nullptr) AppendUtf8(*out, code);
    return Ok();
  }

  // "uXXXX"
  bool ReadHex(uint32_t* code) {
    if (Peek() != 'u' || text_.size() - at_ < 5) return false;
    for (size_t i = 1; i <= 4; ++i) {
      const char c = text_[at_ + i];
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) return false;
      *code = *code << 4 | static_cast<uint32_t>(digit);
    }
    at_ += 5;
    return true;
  }

  static void AppendUtf8(SecretBuffer& out, uint32_t code) {
    std::array<unsigned char, 4> bytes{};
    size_t size = 0;
    const auto add = [&](uint32_t byte) { bytes[size++] = static_cast<unsigned char>(byte); };
    if (code < 0x80) {
      add(code);
    } else if (code < 0x800) {
      add(0xC0 | code >> 6);
      add(0x80 | (code & 63));
    } else if (code < 0x10000) {
      add(0xE0 | code >> 12);
      add(0x80 | (code >> 6 & 63));
      add(0x80 | (code & 63));
    } else {
      add(0xF0 | code >> 18);
      add(0x80 | (code >> 12 & 63));
      add(0x80 | (code >> 6 & 63));
      add(0x80 | (code & 63));
    }
    out.Append(std::as_bytes(std::span(bytes.data(), size)));
    Wipe(bytes.data(), bytes.size());
  }

  const std::string& file_;
  std::string_view text_;
  size_t at_ = 0;
  size_t keys_ = 0;
  std::vector<JsonSecret> secrets_;
};

}  // namespace

Result<std::vector<JsonSecret>> ParseJsonSecrets(const std::string& file, const SecretBuffer& text) {
  return JsonReader(file, text.ExposeText()).Read();
}

}  // namespace leasefs::cli
