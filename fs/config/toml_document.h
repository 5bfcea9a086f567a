// A TOML document as plain values that know their place. The only file of leasefs that knows the TOML library is its
// .cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fs/config/problems.h"

namespace leasefs {

struct TomlPosition {
  uint32_t line = 1;
  uint32_t column = 1;  // in characters, not bytes
};

struct TomlEntry;

struct TomlValue {
  enum class Type : uint8_t { kString, kInteger, kFloat, kBoolean, kTime, kArray, kTable };
  Type type = Type::kTable;
  TomlPosition where;  // of the value; of a table its header
  std::string text;    // kString
  int64_t integer = 0;
  bool boolean = false;
  std::vector<TomlValue> items;    // kArray
  std::vector<TomlEntry> entries;  // kTable, as they stand in the file
};

struct TomlEntry {
  std::string key;
  TomlPosition where;
  TomlValue value;
};

std::string_view TypeName(TomlValue::Type type);  // "a string", "an integer", …

// A document of any content: nothing, and one problem for `file`, when it is not UTF-8, holds a NUL, is nested more
// than a configuration can be, or is not TOML.
std::optional<TomlValue> ParseToml(std::string_view text, const std::string& file, Problems& problems);

}  // namespace leasefs
