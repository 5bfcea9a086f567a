// One table of the store's file: rows by id, nothing else. A row that is not there is damage: the index knows what must
// be.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "backend/store/store_set.h"
#include "backend/store/store_sqlite.h"
#include "fs/base/result.h"

namespace leasefs::store {

class RowTable {
 public:
  struct Row {
    std::vector<std::byte> head, body;
    RowView View(int64_t id) const { return {id, head, body}; }
  };

  RowTable() = default;
  // `database` outlives the table and does not move.
  static Result<RowTable> Prepare(Database& database, Table table);
  // CREATE TABLE …, and what sqlite_schema then says, to the letter.
  static std::string Schema(Table table);

  Result<Row> Read(int64_t id);
  Status Insert(const RowView& row);
  Status Update(const RowView& row);
  Status Delete(int64_t id);
  // The next row, which lives until the next call; nothing after the last one, and then the first one again. Ids rise,
  // or the tree is damaged. The table must not be changed meanwhile.
  Result<std::optional<RowView>> Next();

  Table table() const { return table_; }
  Error Damaged(int64_t id, std::string_view how) const;  // "damaged: row 7 of the secrets …"

 private:
  Status Write(Statement& statement, const RowView& row);
  Result<RowView> Current(Statement& statement) const;

  Table table_ = Table::kMeta;
  bool has_head_ = false;
  Database* database_ = nullptr;
  Statement read_, insert_, update_, delete_, scan_;
  int64_t last_ = 0;  // that Next gave
};

}  // namespace leasefs::store
