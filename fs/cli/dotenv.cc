#include "fs/cli/dotenv.h"

#include <map>
#include <optional>

#include "fs/base/limits.h"
#include "fs/base/strings.h"
#include "fs/cli/text_error.h"

namespace leasefs::cli {
namespace {

bool IsNameStart(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}
bool IsNamePart(char c) {
  return IsNameStart(c) || (c >= '0' && c <= '9') || c == '.' || c == '-';
}

constexpr std::string_view kExpansion =
    "variables are not expanded: put the value in single quotes if it is meant as it is written";

class DotenvReader {
 public:
  DotenvReader(const std::string& file, std::string_view text) : file_(file), text_(text) {}

  Result<std::vector<protocol::Field>> Read() {
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
    if (const size_t nul = text_.find('\0'); nul != std::string_view::npos)
      return Bad(nul, "a NUL byte, which an environment cannot hold");
    for (SkipBlank(); at_ < text_.size(); SkipBlank()) LEASEFS_RETURN_IF_ERROR(ReadLine());
    return std::move(fields_);
  }

 private:
  Error Bad(size_t offset, std::string_view what) const { return TextError(file_, text_, offset, what); }
  char Peek() const { return at_ < text_.size() ? text_[at_] : '\n'; }
  bool AtLineEnd() const { return Peek() == '\n' || text_.substr(at_, 2) == "\r\n" || text_.substr(at_) == "\r"; }
  // "$NAME", "${", "$(": some readers put something else there.
  bool IsExpansion(size_t offset) const {
    if (text_[offset] != '$' || offset + 1 >= text_.size()) return false;
    const char next = text_[offset + 1];
    return IsNameStart(next) || next == '{' || next == '(';
  }
  void SkipSpaces() {
    while (Peek() == ' ' || Peek() == '\t') ++at_;
  }
  void SkipLine() { at_ = std::min(text_.find('\n', at_), text_.size()); }
  // Empty lines and comments.
  void SkipBlank() {
    while (at_ < text_.size()) {
      if (Peek() == '#') SkipLine();
      if (at_ >= text_.size() || (Peek() != ' ' && Peek() != '\t' && Peek() != '\n' && !AtLineEnd())) return;
      ++at_;
    }
  }

  Status ReadLine() {
    const size_t line_start = at_;
    size_t start = at_;
    while (IsNamePart(Peek())) ++at_;
    if (text_.substr(start, at_ - start) == "export" && (Peek() == ' ' || Peek() == '\t')) {
      SkipSpaces();
      start = at_;
      while (IsNamePart(Peek())) ++at_;
    }
    const std::string name(text_.substr(start, at_ - start));
    if (name.empty()) return Bad(at_, "a line is NAME=VALUE, a comment, or empty");
    if (!IsNameStart(name[0])) return Bad(start, "a name begins with a letter or '_'");
    if (name.size() > kMaxKeyBytes) return Bad(start, StrCat("a name of more than ", kMaxKeyBytes, " bytes"));
    SkipSpaces();
    if (Peek() != '=') {
      return Bad(at_, "'=' is missing after the name (letters, digits, '_', '.' and '-')");
    }
    ++at_;
    const auto [known, is_new] = names_.emplace(name, line_start);
    if (!is_new) return Bad(start, StrCat("this name is there already, at ", LocationIn(file_, text_, known->second)));
    SkipSpaces();
    SecretBuffer value;
    LEASEFS_RETURN_IF_ERROR(ReadValue(value));
    fields_.push_back({.key = name, .too_large = false, .value = std::move(value)});
    if (fields_.size() > kMaxKeysPerSecret) return Bad(start, StrCat("more than ", kMaxKeysPerSecret, " names"));
    return Ok();
  }

  Status ReadValue(SecretBuffer& value) {
    const char quote = Peek();
    if (quote != '\'' && quote != '"') return ReadPlain(value);
    const size_t opening = at_++;
    LEASEFS_RETURN_IF_ERROR(quote == '"' ? ReadDoubleQuoted(opening, value) : ReadSingleQuoted(opening, value));
    const bool spaced = Peek() == ' ' || Peek() == '\t';
    SkipSpaces();
    if (spaced && Peek() == '#') SkipLine();
    if (!AtLineEnd()) return Bad(at_, "something stands behind the closing quote");
    return Ok();
  }

  Status ReadPlain(SecretBuffer& value) {
    const size_t start = at_;
    size_t end = at_;  // behind the last byte that is no space
    while (!AtLineEnd()) {
      if (Peek() == '#' && at_ > 0 && (text_[at_ - 1] == ' ' || text_[at_ - 1] == '\t')) break;
      if (IsExpansion(at_)) return Bad(at_, kExpansion);
      const bool space = Peek() == ' ' || Peek() == '\t';
      ++at_;
      if (!space) end = at_;
    }
    value.Append(text_.substr(start, end - start));
    SkipLine();
    return Ok();
  }

  Status ReadSingleQuoted(size_t opening, SecretBuffer& value) {
    const size_t closing = text_.find('\'', at_);
    if (closing == std::string_view::npos) return Bad(opening, "this quote is never closed");
    value.Append(text_.substr(at_, closing - at_));
    at_ = closing + 1;
    return Ok();
  }

  Status ReadDoubleQuoted(size_t opening, SecretBuffer& value) {
    for (;;) {
      const size_t stop = text_.find_first_of("\"\\$", at_);
      if (stop == std::string_view::npos) return Bad(opening, "this quote is never closed");
      value.Append(text_.substr(at_, stop - at_));
      at_ = stop + 1;
      if (text_[stop] == '"') return Ok();
      if (text_[stop] == '$') {
        if (IsExpansion(stop)) return Bad(stop, kExpansion);
        value.Append(std::string_view("$"));
        continue;
      }
      const std::optional<char> meant = Escape(at_ < text_.size() ? text_[at_] : '\0');
      if (!meant)
        return Bad(stop, "only \\n \\r \\t \\\\ \\\" \\$ and \\` have a meaning here: write \\\\ for a backslash");
      value.Append(std::string_view(&*meant, 1));
      ++at_;
    }
  }

  static std::optional<char> Escape(char c) {
    switch (c) {
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case 't':
        return '\t';
      case '\\':
      case '"':
      case '$':
      case '`':
        return c;
      default:
        return std::nullopt;
    }
  }

  const std::string& file_;
  std::string_view text_;
  size_t at_ = 0;
  std::map<std::string, size_t> names_;
  std::vector<protocol::Field> fields_;
};

}  // namespace

Result<std::vector<protocol::Field>> ParseDotenv(const std::string& file, const SecretBuffer& text) {
  return DotenvReader(file, text.ExposeText()).Read();
}

}  // namespace leasefs::cli
