// One table of the store's file: rows by id, nothing else. A row that is not there is damage: the index knows what must
// be.
#pragma once

#include <cstdint>
#include <functional>
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
  // Ids rise, or the tree is damaged. `visit` must not change the table.
  Status ForEach(const std::function<Status(const RowView&)>& visit);

  Table table() const { return table_; }
  Error Damaged(int64_t id, std::string_view how) const;  // "damaged: row 7 of the secrets …"

 private:
  Status Write(Statement& statement, const RowView& row);
  Result<RowView> Current(Statement& statement) const;

  Table table_ = Table::kMeta;
  bool has_head_ = false;
  Database* database_ = nullptr;
  Statement read_, insert_, update_, delete_, scan_;
};

}  // namespace leasefs::store
