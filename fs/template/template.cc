#include "fs/template/template.h"

#include <algorithm>

#include "fs/base/strings.h"

namespace leasefs {
namespace {

bool IsNameByte(char byte) {
  return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '_' ||
         byte == '-';
}

class TemplateParser {
 public:
  TemplateParser(std::string_view text, std::vector<Template::Piece>& out) : text_(text), out_(out) {}

  std::optional<TemplateFault> Run() {
    if (text_.size() > kMaxTemplateBytes) {
      return TemplateFault{{}, "is too long", StrCat("a template has at most ", kMaxTemplateBytes, " bytes")};
    }
    while (at_ < text_.size()) {
      size_t tag = std::min(text_.find("{{", at_), text_.size());
      AddText(text_.substr(at_, tag - at_));
      Advance(tag - at_);
      if (at_ < text_.size() && !Tag()) return std::move(fault_);
    }
    return std::nullopt;
  }

 private:
  void AddText(std::string_view text) {
    if (text.empty()) return;
    Template::Piece piece;
    piece.text = text;
    piece.where = place_;
    out_.push_back(std::move(piece));
  }

  void Advance(size_t bytes) {
    for (size_t end = at_ + bytes; at_ < end; ++at_) {
      ++place_.column;
      if (text_[at_] != '\n') continue;
      ++place_.line;
      place_.column = 1;
    }
  }

  bool Fail(std::string what, std::string remedy) {
    fault_ = {place_, std::move(what), std::move(remedy)};
    return false;
  }

  char Next() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void SkipBlanks() {
    while (Next() == ' ' || Next() == '\t') Advance(1);
  }

  // {{ … }}, from its first byte on.
  bool Tag() {
    if (++tags_ > kMaxTemplateTags) return Fail("has too many tags", StrCat("use at most ", kMaxTemplateTags));
    Template::Piece piece;
    piece.where = place_;
    Advance(2);
    SkipBlanks();
    if (Next() == '"') {
      if (!Quoted(piece.text)) return false;
      SkipBlanks();
    } else if (!Reference(piece) || !Filters(piece)) {
      return false;
    }
    if (!text_.substr(at_).starts_with("}}")) {
      return Fail("has a tag that does not end here", "end it with }} on the same line");
    }
    Advance(2);
    if (!piece.secret.empty() || !piece.text.empty()) out_.push_back(std::move(piece));
    return true;
  }

  bool Reference(Template::Piece& piece) {
    if (!Name(piece.secret)) return Fail("has a tag without a name", "write {{ SECRET.KEY }}");
    if (Next() == '.') {
      Advance(1);
      if (!Name(piece.key)) return Fail("has a name without a key", "write {{ SECRET.KEY }} or {{ SECRET[\"KEY\"] }}");
      if (Next() == '.') {
        return Fail("has a dot in a key", StrCat("write {{ ", piece.secret, "[\"", piece.key, ".…\"] }}"));
      }
      return true;
    }
    if (Next() != '[') return Fail("has a name without a key", "write {{ SECRET.KEY }} or {{ SECRET[\"KEY\"] }}");
    Advance(1);
    if (Next() != '"') return Fail("has a key without quotes", "write {{ SECRET[\"KEY\"] }}");
    if (!Quoted(piece.key)) return false;
    if (piece.key.empty()) return Fail("has an empty key", "name a key");
    if (Next() != ']') return Fail("has a key that does not end", "write ] after the quotes");
    Advance(1);
    return true;
  }

  bool Filters(Template::Piece& piece) {
    for (SkipBlanks(); Next() == '|'; SkipBlanks()) {
      Advance(1);
      SkipBlanks();
      TemplatePlace begin = place_;
      std::string name;
      if (!Name(name)) return Fail("has no filter after |", "name one");
      auto filter = FilterByName(name);
      if (!filter) {
        place_ = begin;
        std::string nearest = NearestWord(name, FilterNames());
        return Fail(StrCat("names the unknown filter \"", name, "\""),
                    nearest.empty() ? StrCat("there are ", AllFilters()) : StrCat("did you mean \"", nearest, "\"?"));
      }
      piece.filters.push_back(*filter);
    }
    return true;
  }

  static std::string AllFilters() {
    std::string all;
    for (const std::string& name : FilterNames()) all += all.empty() ? name : ", " + name;
    return all;
  }

  bool Name(std::string& out) {
    size_t end = at_;
    while (end < text_.size() && IsNameByte(text_[end])) ++end;
    out = text_.substr(at_, end - at_);
    if (!IsTemplateName(out)) return false;
    Advance(end - at_);
    return true;
  }

  bool Quoted(std::string& out) {
    for (Advance(1); Next() != '"'; Advance(1)) {
      if (at_ >= text_.size() || Next() == '\n' || Next() == '\0') {
        return Fail("has quotes that do not end", "end them with \" on the same line");
      }
      if (Next() == '\\') {
        Advance(1);
        if (Next() != '"' && Next() != '\\')
          return Fail("has a \\ in quotes before another byte", "write \\\\ or \\\"");
      }
      out += Next();
    }
    Advance(1);
    return true;
  }

  std::string_view text_;
  std::vector<Template::Piece>& out_;
  size_t at_ = 0;
  size_t tags_ = 0;
  TemplatePlace place_;
  TemplateFault fault_;
};

}  // namespace

std::optional<TemplateFault> Template::Parse(std::string_view text, Template& out) {
  out.pieces_.clear();
  return TemplateParser(text, out.pieces_).Run();
}

bool IsTemplateName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxTemplateNameBytes && std::all_of(name.begin(), name.end(), IsNameByte);
}

}  // namespace leasefs
