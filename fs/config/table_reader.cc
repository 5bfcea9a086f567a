#include "fs/config/table_reader.h"

#include <algorithm>

#include "fs/base/strings.h"
#include "fs/config/value_text.h"

namespace leasefs {
namespace {

using Type = TomlValue::Type;

std::string Quoted(std::string_view text) { return StrCat('"', Printable(text, 64), '"'); }

}  // namespace

const TomlEntry* TableReader::Find(const std::string& key) const {
  for (const TomlEntry& entry : table_.entries) {
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

bool TableReader::Has(const std::string& key) const { return Find(key) != nullptr; }

const TomlEntry* TableReader::Note(const std::string& key) {
  known_.push_back(key);
  return Find(key);
}

const TomlEntry* TableReader::Take(const std::string& key) {
  const TomlEntry* entry = Note(key);
  if (entry == nullptr || kind_ == Kind::kElement) return entry;
  auto [first, added] = draft_.settings.try_emplace(FullName(key), Place(entry->value.where));
  if (added) return entry;
  Complain(Place(entry->where), key, "is given twice",
           StrCat("it stands in ", ToString(first->second), " too; keep one"));
  return nullptr;
}

bool TableReader::IsType(const TomlValue& value, Type type, const std::string& key, std::string_view remedy) {
  if (value.type == type) return true;
  Complain(Place(value.where), key, StrCat("is ", TypeName(value.type), ", not ", TypeName(type)), remedy);
  return false;
}

bool TableReader::IsText(const TomlValue& value, const std::string& key, std::string_view remedy) {
  if (!IsType(value, Type::kString, key, remedy)) return false;
  if (value.text.find('\0') == std::string::npos) return true;
  Complain(Place(value.where), key, "has a NUL character", "remove it");
  return false;
}

TableReader::Stored TableReader::ReadString(const std::string& key, std::string& out, const Check& check) {
  const TomlEntry* entry = Take(key);
  if (entry == nullptr || !IsText(entry->value, key, "put it between double quotes")) return std::nullopt;
  SourceLocation where = Place(entry->value.where);
  if (auto fault = check ? check(entry->value.text) : std::nullopt) {
    Complain(where, key, fault->what, fault->remedy);
    return std::nullopt;
  }
  out = entry->value.text;
  return where;
}

TableReader::Stored TableReader::ReadBool(const std::string& key, bool& out) {
  const TomlEntry* entry = Take(key);
  if (entry == nullptr || !IsType(entry->value, Type::kBoolean, key, "write true or false, without quotes")) {
    return std::nullopt;
  }
  out = entry->value.boolean;
  return Place(entry->value.where);
}

TableReader::Stored TableReader::ReadInteger(const std::string& key, uint32_t min, uint32_t max, uint32_t& out) {
  const TomlEntry* entry = Take(key);
  const std::string range = StrCat("give a whole number from ", min, " to ", max);
  if (entry == nullptr || !IsType(entry->value, Type::kInteger, key, range)) return std::nullopt;
  SourceLocation where = Place(entry->value.where);
  if (entry->value.integer < int64_t{min} || entry->value.integer > int64_t{max}) {
    Complain(where, key, "is out of range", range);
    return std::nullopt;
  }
  out = static_cast<uint32_t>(entry->value.integer);
  return where;
}

TableReader::Stored TableReader::ReadDuration(const std::string& key, std::chrono::milliseconds min,
                                              std::chrono::milliseconds max, std::chrono::milliseconds& out) {
  const TomlEntry* entry = Take(key);
  if (entry == nullptr) return std::nullopt;
  if (!IsText(entry->value, key, "write a number with its unit in quotes, such as \"5s\"")) return std::nullopt;
  SourceLocation where = Place(entry->value.where);
  auto value = ParseDuration(entry->value.text);
  if (!value) {
    Complain(where, key, "is no duration", "write a whole number with its unit: \"500ms\", \"5s\", \"10m\" or \"24h\"");
    return std::nullopt;
  }
  if (*value < min || *value > max) {
    Complain(where, key, "is out of range", StrCat("give \"", DurationText(min), "\" to \"", DurationText(max), "\""));
    return std::nullopt;
  }
  out = *value;
  return where;
}

TableReader::Stored TableReader::ReadSize(const std::string& key, uint64_t min, uint64_t max, uint64_t& out) {
  const TomlEntry* entry = Take(key);
  if (entry == nullptr) return std::nullopt;
  SourceLocation where = Place(entry->value.where);
  std::optional<uint64_t> value;
  if (entry->value.type == Type::kInteger) {
    value = entry->value.integer < 0 ? 0 : static_cast<uint64_t>(entry->value.integer);
  } else if (IsText(entry->value, key, "write a size such as \"64KiB\", or a number of bytes")) {
    value = ParseSize(entry->value.text);
    if (!value) Complain(where, key, "is no size", "write a whole number and a unit: \"64KiB\", \"1MiB\" or \"1GiB\"");
  }
  if (!value) return std::nullopt;
  if (*value < min || *value > max) {
    Complain(where, key, "is out of range", StrCat("give \"", SizeText(min), "\" to \"", SizeText(max), "\""));
    return std::nullopt;
  }
  out = *value;
  return where;
}

std::optional<TableReader> TableReader::ReadTable(const std::string& key) {
  const TomlEntry* entry = Note(key);
  if (entry == nullptr) return std::nullopt;
  if (!IsType(entry->value, Type::kTable, key, StrCat("write a table, [", FullName(key), "]"))) return std::nullopt;
  return TableReader(entry->value, file_, FullName(key), kind_, draft_);
}

void TableReader::ReadTables(const std::string& key, const std::function<void(TableReader)>& each) {
  const TomlEntry* entry = Note(key);
  if (entry == nullptr) return;
  const std::string remedy = StrCat("write [[", FullName(key), "]] for each of them");
  if (!IsType(entry->value, Type::kArray, key, remedy)) return;
  for (const TomlValue& item : entry->value.items) {
    if (IsType(item, Type::kTable, key, remedy)) each(TableReader(item, file_, FullName(key), Kind::kElement, draft_));
  }
}

void TableReader::Complain(const SourceLocation& where, const std::string& key, std::string_view what,
                           std::string_view remedy) {
  draft_.problems.Add(where, StrCat(FullName(key), " ", what), remedy);
}

void TableReader::Missing(const std::string& key, std::string_view remedy) {
  Complain(place(), key, "is missing", remedy);
}

std::string TableReader::Advice(const std::string& unknown) const {
  std::string nearest = NearestWord(unknown, known_);
  if (!nearest.empty()) return StrCat("did you mean \"", nearest, "\"?");
  std::string all;
  for (const std::string& key : known_) all += StrCat(all.empty() ? "" : ", ", key);
  return StrCat("known are ", all);
}

void TableReader::Finish() {
  for (const TomlEntry& entry : table_.entries) {
    if (std::find(known_.begin(), known_.end(), entry.key) != known_.end()) continue;
    std::string what = StrCat("unknown key ", Quoted(entry.key), name_.empty() ? "" : StrCat(" in ", name_));
    // Advice takes time; a file of nothing but unknown keys must be refused quickly.
    draft_.problems.Add(Place(entry.where), what, draft_.problems.overflowing() ? "remove it" : Advice(entry.key));
  }
}

}  // namespace leasefs
