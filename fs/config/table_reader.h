// Typed extraction from one TOML table. Each Read takes a key, checks the type, range and form of its value and
// stores it; what is wrong goes to the draft's problems, and the target keeps what it had. Finish() complains of
// every key that nobody took.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "fs/config/draft.h"
#include "fs/config/paths.h"
#include "fs/config/toml_document.h"

namespace leasefs {

class TableReader {
 public:
  // Settings is for tables that exist once, in however many files: a key given again is an error that names both
  // places. Element is for one of an array of tables, or an inline table.
  enum class Kind { kSettings, kElement };

  // `name` stands before the keys in messages: "" (the document), "limits", "backend.local", "tree".
  TableReader(const TomlValue& table, const std::string& file, std::string name, Kind kind, Draft& draft)
      : table_(table), file_(file), name_(std::move(name)), kind_(kind), draft_(draft) {}

  // The entry of a key, of any type; null when there is none, or when it is refused as given twice.
  const TomlEntry* Take(const std::string& key);
  // These return where the value stands when one was stored.
  using Stored = std::optional<SourceLocation>;
  using Check = std::function<std::optional<Fault>(std::string_view)>;
  Stored ReadString(const std::string& key, std::string& out, const Check& check = nullptr);
  Stored ReadBool(const std::string& key, bool& out);
  Stored ReadInteger(const std::string& key, uint32_t min, uint32_t max, uint32_t& out);
  Stored ReadDuration(const std::string& key, std::chrono::milliseconds min, std::chrono::milliseconds max,
                      std::chrono::milliseconds& out);
  Stored ReadSize(const std::string& key, uint64_t min, uint64_t max, uint64_t& out);
  // Settings in a table of their own. Tables may be spread over files.
  std::optional<TableReader> ReadTable(const std::string& key);
  // Calls `each` for every table in an array of tables.
  void ReadTables(const std::string& key, const std::function<void(TableReader)>& each);

  // For keys that are read by hand. Stores nothing and complains when the type is another.
  bool IsType(const TomlValue& value, TomlValue::Type type, const std::string& key, std::string_view remedy);
  // A string without NUL; "" is a string.
  bool IsText(const TomlValue& value, const std::string& key, std::string_view remedy);
  void Complain(const SourceLocation& where, const std::string& key, std::string_view what, std::string_view remedy);
  void Missing(const std::string& key, std::string_view remedy);  // at the table

  void Finish();

  bool Has(const std::string& key) const;
  const TomlValue& table() const { return table_; }
  const std::string& file() const { return file_; }
  std::string FullName(const std::string& key) const { return name_.empty() ? key : name_ + "." + key; }
  SourceLocation Place(const TomlPosition& position) const { return {file_, position.line, position.column}; }
  SourceLocation place() const { return Place(table_.where); }
  Draft& draft() { return draft_; }

 private:
  const TomlEntry* Find(const std::string& key) const;
  std::string Advice(const std::string& unknown) const;  // "did you mean …?"
  const TomlEntry* Note(const std::string& key);  // Find, and the key is known from now on

  const TomlValue& table_;
  const std::string& file_;
  std::string name_;
  Kind kind_;
  Draft& draft_;
  std::vector<std::string> known_;
};

}  // namespace leasefs
