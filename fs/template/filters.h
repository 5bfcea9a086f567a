// Filters: how a value is written so that a format reads it back exactly. What a format cannot hold is an error, never
// an approximation (S7).
//
// A template does not know the format that it makes. So a value that no filter has made fit is refused if it holds a
// NUL or a line break, which end a line or a file in most formats; `raw` says that it is meant.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fs/base/result.h"
#include "fs/base/secret_buffer.h"

namespace leasefs {

enum class Filter : uint8_t {
  kJson,    // a JSON string with its quotes, which is one in YAML and TOML too; a value that is JSON stays as it is
  kUrl,     // RFC 3986: everything but A-Z a-z 0-9 - . _ ~ as %XX
  kBase64,  // RFC 4648, section 4
  kShell,   // one word for sh, in single quotes; no NUL
  kPgpass,  // one field of .pgpass; no NUL and no line break
  kTrim,    // without white space at both ends
  kRaw,     // as it is, line breaks and NULs included
};
std::optional<Filter> FilterByName(std::string_view name);
std::vector<std::string> FilterNames();

// A value on its way into a text.
struct FilteredValue {
  SecretBuffer bytes;
  bool json = false;    // the bytes are JSON text (protocol::Field)
  bool fitted = false;  // a filter has made it fit
};
// Errors are kRemote and complete "the value of db.password …"; they hold no byte of it.
Status ApplyFilter(Filter filter, FilteredValue& value);
// To be called when all filters were applied.
Status CheckFits(const FilteredValue& value);

// Appends a JSON string with its quotes. False: `text` is not UTF-8, which JSON cannot say.
bool AppendJsonString(SecretBuffer& out, std::string_view text);

}  // namespace leasefs
