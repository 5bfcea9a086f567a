// A string between double quotes for TOML and HCL, which escape as JSON does.
#pragma once

#include <string>
#include <string_view>

namespace leasefs::cli {

// `text` has no control characters.
inline std::string DoubleQuoted(std::string_view text) {
  std::string quoted = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

}  // namespace leasefs::cli
