#include "fs/config/toml_document.h"

#include <toml++/toml.h>

#include <algorithm>
#include <exception>
#include <tuple>

#include "fs/base/strings.h"

namespace leasefs {
namespace {

constexpr int kMaxDepth = 16;        // tables and arrays inside each other
constexpr int kMaxDotsPerKey = 8;

struct Mistake {
  TomlPosition where;
  std::string what;
  std::string remedy;
};

TomlPosition PositionOf(const toml::source_region& region) {
  return {std::max<uint32_t>(region.begin.line, 1), std::max<uint32_t>(region.begin.column, 1)};
}

// The first byte that is a NUL or no UTF-8.
std::optional<Mistake> FindBadByte(std::string_view text) {
  TomlPosition at;
  for (size_t i = 0; i < text.size();) {
    if (text[i] == '\0') return Mistake{at, "NUL byte", "this is no text file; remove the byte"};
    size_t length = 1;
    while (length <= 4 && !IsValidUtf8(text.substr(i, length))) ++length;
    if (length > 4 || i + length > text.size()) return Mistake{at, "invalid UTF-8", "save the file as UTF-8"};
    at = text[i] == '\n' ? TomlPosition{at.line + 1, 1} : TomlPosition{at.line, at.column + 1};
    i += length;
  }
  return std::nullopt;
}

// SECURITY: the library makes one table for each dot of a key and destroys nested tables by recursion, so that a long
// row of dots would overflow the stack. A lexer that agrees with TOML up to its first error counts the dots that
// stand outside of strings.
class DotCounter {
 public:
  explicit DotCounter(std::string_view text) : text_(text) {}

  std::optional<Mistake> FindDeepKey() {
    while (at_ < text_.size()) {
      char c = text_[at_];
      if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (c == '"' || c == '\'') {
        SkipString(c);
      } else {
        ++at_;
        if (c == '\n') NewLine();
        if (c == '=' || c == ',' || c == '{' || c == '[' || c == '\n') dots_ = 0;
        if (c == '.' && ++dots_ > kMaxDotsPerKey) {
          return Mistake{{line_, Column()}, "key of too many parts",
                         StrCat("a key has at most ", kMaxDotsPerKey, " dots")};
        }
      }
    }
    return std::nullopt;
  }

 private:
  void NewLine() {
    ++line_;
    line_start_ = at_;
  }

  // Of the character before at_.
  uint32_t Column() const {
    std::string_view line = text_.substr(line_start_, at_ - line_start_);
    return static_cast<uint32_t>(std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xC0) != 0x80; }));
  }

  void SkipString(char quote) {
    const std::string fence(3, quote);
    bool multi_line = text_.substr(at_, 3) == fence;
    at_ += multi_line ? 3 : 1;
    while (at_ < text_.size()) {
      if (multi_line ? text_.substr(at_, 3) == fence : text_[at_] == quote) {
        at_ += multi_line ? 3 : 1;
        // A text may end with one or two quotes of its own: """He said "no""""".
        for (int i = 0; multi_line && i < 2 && at_ < text_.size() && text_[at_] == quote; ++i) ++at_;
        return;
      }
      char c = text_[at_];
      if (c == '\n' && !multi_line) return;  // an error, at which the library stops
      at_ += c == '\\' && quote == '"' && at_ + 1 < text_.size() && text_[at_ + 1] != '\n' ? 2 : 1;
      if (c == '\n') NewLine();
    }
  }

  std::string_view text_;
  size_t at_ = 0;
  uint32_t line_ = 1;
  size_t line_start_ = 0;
  int dots_ = 0;
};

// What the library says, with what is most probably meant.
Mistake Explain(const toml::parse_error& error) {
  std::string_view said = error.description();
  constexpr std::string_view kBegin = "Error while ";
  if (said.starts_with(kBegin)) said.remove_prefix(kBegin.size());
  std::string_view remedy = "correct the line";
  if (said.find("could not determine value type") != std::string_view::npos) remedy = "put text between double quotes";
  if (said.find("leading zeroes") != std::string_view::npos) remedy = "put a mode between double quotes, as \"0440\"";
  if (said.find("cannot redefine") != std::string_view::npos) remedy = "it stands twice in this file; keep one";
  return {PositionOf(error.source()), StrCat("not TOML, ", said), std::string(remedy)};
}

class Converter {
 public:
  std::optional<Mistake> mistake() const { return mistake_; }

  TomlValue Convert(const toml::node& node, int depth) {
    TomlValue value;
    value.where = PositionOf(node.source());
    if (depth > kMaxDepth) {
      if (!mistake_) mistake_ = Mistake{value.where, "nested too deeply", "no setting is that deep; correct it"};
      return value;
    }
    if (auto* table = node.as_table()) {
      ConvertTable(*table, depth, value);
    } else if (auto* array = node.as_array()) {
      value.type = TomlValue::Type::kArray;
      for (const toml::node& item : *array) value.items.push_back(Convert(item, depth + 1));
    } else {
      ConvertScalar(node, value);
    }
    return value;
  }

 private:
  void ConvertTable(const toml::table& table, int depth, TomlValue& value) {
    value.type = TomlValue::Type::kTable;
    // The library keeps keys in alphabetical order.
    std::vector<std::pair<const toml::key*, const toml::node*>> in_file_order;
    for (auto&& [key, node] : table) in_file_order.emplace_back(&key, &node);
    std::sort(in_file_order.begin(), in_file_order.end(), [](const auto& a, const auto& b) {
      const auto &left = a.first->source().begin, &right = b.first->source().begin;
      return std::tie(left.line, left.column) < std::tie(right.line, right.column);
    });
    value.entries.reserve(in_file_order.size());
    for (auto [key, node] : in_file_order) {
      value.entries.push_back({std::string(key->str()), PositionOf(key->source()), Convert(*node, depth + 1)});
    }
  }

  static void ConvertScalar(const toml::node& node, TomlValue& value) {
    if (auto* text = node.as_string()) {
      value.type = TomlValue::Type::kString;
      value.text = text->get();
    } else if (auto* integer = node.as_integer()) {
      value.type = TomlValue::Type::kInteger;
      value.integer = integer->get();
    } else if (auto* boolean = node.as_boolean()) {
      value.type = TomlValue::Type::kBoolean;
      value.boolean = boolean->get();
    } else {
      value.type = node.is_floating_point() ? TomlValue::Type::kFloat : TomlValue::Type::kTime;
    }
  }

  std::optional<Mistake> mistake_;
};

}  // namespace

std::string_view TypeName(TomlValue::Type type) {
  switch (type) {
    case TomlValue::Type::kString:
      return "a string";
    case TomlValue::Type::kInteger:
      return "an integer";
    case TomlValue::Type::kFloat:
      return "a floating-point number";
    case TomlValue::Type::kBoolean:
      return "a boolean";
    case TomlValue::Type::kTime:
      return "a date or time";
    case TomlValue::Type::kArray:
      return "an array";
    case TomlValue::Type::kTable:
      return "a table";
  }
  return "nothing";
}

std::optional<TomlValue> ParseToml(std::string_view text, const std::string& file, Problems& problems) {
  std::optional<TomlValue> value;
  std::optional<Mistake> mistake = FindBadByte(text);
  if (!mistake) mistake = DotCounter(text).FindDeepKey();
  if (!mistake) {
    try {
      Converter converter;
      value = converter.Convert(toml::parse(text), 0);
      mistake = converter.mistake();
    } catch (const toml::parse_error& error) {
      mistake = Explain(error);
    } catch (const std::exception& error) {
      mistake = Mistake{{}, StrCat("not TOML, ", error.what()), "correct the file"};
    }
  }
  if (!mistake) return value;
  problems.Add({file, mistake->where.line, mistake->where.column}, mistake->what, mistake->remedy);
  return std::nullopt;
}

}  // namespace leasefs
