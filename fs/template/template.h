// Template: the text of a [[file]], parsed. Names and filters, no logic, so that what a file shows can be read off its
// configuration (S7).
//
//   {{ db.password }}            a key of one of the file's secrets, by the alias that `secrets` gives it
//   {{ db["tls.crt"] | raw }}    the same for a key with other characters than A-Z a-z 0-9 _ -; \" and \\ in quotes
//   {{ db.user | trim | url }}   filters, from left to right (filters.h)
//   {{ "{{" }}                   a text as it stands in quotes: how to write what would begin a tag
//
// Everything outside of tags is copied byte for byte. A tag is on one line. Immutable when parsed; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fs/template/filters.h"

namespace leasefs {

inline constexpr size_t kMaxTemplateBytes = size_t{64} << 10;
inline constexpr size_t kMaxTemplateTags = 1024;
inline constexpr size_t kMaxTemplateNameBytes = 64;

struct TemplatePlace {
  uint32_t line = 1;
  uint32_t column = 1;  // in bytes
};

struct TemplateFault {
  TemplatePlace where;
  std::string what;    // "names the unknown filter \"b64\""
  std::string remedy;  // what to do
};

class Template {
 public:
  struct Piece {
    std::string text;    // a literal, if `secret` is empty
    std::string secret;  // the alias
    std::string key;     // raw
    std::vector<Filter> filters;
    TemplatePlace where;
  };

  // The first thing that is wrong, or nothing and the template in `out`.
  static std::optional<TemplateFault> Parse(std::string_view text, Template& out);

  const std::vector<Piece>& pieces() const { return pieces_; }

 private:
  std::vector<Piece> pieces_;
};

// [A-Za-z0-9_-]{1,64}: what an alias looks like, and a key that needs no quotes.
bool IsTemplateName(std::string_view name);

}  // namespace leasefs
