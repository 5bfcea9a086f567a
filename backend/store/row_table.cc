#include "backend/store/row_table.h"

#include <utility>

#include "fs/base/strings.h"

namespace leasefs::store {
namespace {

std::string_view NameOf(Table table) {
  switch (table) {
    case Table::kMeta:
      return "meta";
    case Table::kSecret:
      return "secret";
    case Table::kVersion:
      return "version";
  }
  std::abort();
}

bool HasHead(Table table) {
  return table == Table::kVersion;
}

}  // namespace

std::string RowTable::Schema(Table table) {
  return StrCat("CREATE TABLE ", NameOf(table), "(id INTEGER PRIMARY KEY, ",
                HasHead(table) ? "head BLOB NOT NULL, " : "", "body BLOB NOT NULL)");
}

Result<RowTable> RowTable::Prepare(Database& database, Table table) {
  RowTable out;
  out.table_ = table;
  out.has_head_ = HasHead(table);
  out.database_ = &database;
  const std::string name(NameOf(table));
  const bool head = out.has_head_;
  const std::string columns = head ? "id, head, body" : "id, body";
  const struct {
    Statement& statement;
    std::string sql;
  } statements[] = {
      {out.read_, StrCat("SELECT ", columns, " FROM ", name, " WHERE id = ?1")},
      {out.scan_, StrCat("SELECT ", columns, " FROM ", name, " ORDER BY id")},
      {out.insert_, StrCat("INSERT INTO ", name, "(", columns, ") VALUES (?1, ?2", head ? ", ?3" : "", ")")},
      {out.update_, StrCat("UPDATE ", name, head ? " SET head = ?2, body = ?3" : " SET body = ?2", " WHERE id = ?1")},
      {out.delete_, StrCat("DELETE FROM ", name, " WHERE id = ?1")},
  };
  for (const auto& one : statements) {
    LEASEFS_ASSIGN_OR_RETURN(prepared, database.Prepare(one.sql));
    one.statement = std::move(prepared);
  }
  return out;
}

Error RowTable::Damaged(int64_t id, std::string_view how) const {
  return {ErrorKind::kRemote, StrCat("damaged: row ", id, " of table ", NameOf(table_), " ", how)};
}

Result<RowView> RowTable::Current(Statement& statement) const {
  RowView row{statement.Int(0), {}, {}};
  LEASEFS_ASSIGN_OR_RETURN(first, statement.Blob(1));
  if (!has_head_) {
    row.body = first;
    return row;
  }
  LEASEFS_ASSIGN_OR_RETURN(second, statement.Blob(2));
  row.head = first;
  row.body = second;
  return row;
}

Result<RowTable::Row> RowTable::Read(int64_t id) {
  LEASEFS_RETURN_IF_ERROR(read_.Bind(1, id));
  LEASEFS_ASSIGN_OR_RETURN(found, read_.Step());
  if (!found) return Damaged(id, "is missing");
  const Result<RowView> row = Current(read_);
  Row out;
  if (row.ok()) {
    out.head.assign(row->head.begin(), row->head.end());
    out.body.assign(row->body.begin(), row->body.end());
  }
  const bool same = row.ok() && row->id == id;
  read_.Reset();
  if (!row.ok()) return row.error();
  if (!same) return Damaged(id, "is found under another number");
  return out;
}

Status RowTable::Write(Statement& statement, const RowView& row) {
  LEASEFS_RETURN_IF_ERROR(statement.Bind(1, row.id));
  if (has_head_) LEASEFS_RETURN_IF_ERROR(statement.Bind(2, row.head));
  LEASEFS_RETURN_IF_ERROR(statement.Bind(has_head_ ? 3 : 2, row.body));
  LEASEFS_RETURN_IF_ERROR(statement.Run());
  if (database_->changed_rows() != 1) return Damaged(row.id, "is missing");
  return Ok();
}

Status RowTable::Insert(const RowView& row) {
  return Write(insert_, row);
}
Status RowTable::Update(const RowView& row) {
  return Write(update_, row);
}

Status RowTable::Delete(int64_t id) {
  LEASEFS_RETURN_IF_ERROR(delete_.Bind(1, id));
  LEASEFS_RETURN_IF_ERROR(delete_.Run());
  if (database_->changed_rows() != 1) return Damaged(id, "is missing");
  return Ok();
}

Result<std::optional<RowView>> RowTable::Next() {
  LEASEFS_ASSIGN_OR_RETURN(found, scan_.Step());
  const int64_t before = std::exchange(last_, 0);
  if (!found) return std::optional<RowView>();
  Result<RowView> row = Current(scan_);
  if (row.ok() && row->id <= before) row = Damaged(row->id, "is out of order");
  if (!row.ok()) {
    scan_.Reset();
    return std::move(row).error();
  }
  last_ = row->id;
  return std::optional<RowView>(*row);
}

}  // namespace leasefs::store
