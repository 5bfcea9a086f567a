// The file made, opened and checked.
#include <algorithm>

#include "backend/store/store_file.h"
#include "fs/base/strings.h"

namespace leasefs::store {
namespace {

constexpr size_t kRowCost = size_t{1} << 10;  // what reading a row takes beside its bytes, in bytes that take as long
constexpr Table kTables[] = {Table::kMeta, Table::kSecret, Table::kVersion};

std::span<const std::byte> BytesOf(const std::string& text) {
  return std::as_bytes(std::span(text));
}

Status CheckHeader(Database& database) {
  LEASEFS_ASSIGN_OR_RETURN(application, database.ReadInt("PRAGMA application_id"));
  if (application != kApplicationId)
    return Error(ErrorKind::kInvalid, "not a leasefs store: the database is another program's");
  LEASEFS_ASSIGN_OR_RETURN(format, database.ReadInt("PRAGMA user_version"));
  if (format != kFormat) {
    return Error(ErrorKind::kInvalid, StrCat("the store has format ", format, " and this leasefs knows format ",
                                             kFormat, " only: use the leasefs that wrote it, or a newer one"));
  }
  return Ok();
}

}  // namespace

Status StoreFile::Format(const std::string& path, const char* vfs, const StoreKey& key, Random& random) {
  StoreFile file(random);
  LEASEFS_ASSIGN_OR_RETURN(wrapping_key, MakeWrappingKey(key, random));
  LEASEFS_ASSIGN_OR_RETURN(database, Database::Open(path, vfs));
  file.database_ = std::move(database);
  LEASEFS_RETURN_IF_ERROR(file.database_.Run("PRAGMA auto_vacuum=NONE; PRAGMA journal_mode=WAL"));
  LEASEFS_RETURN_IF_ERROR(file.database_.Run("BEGIN IMMEDIATE"));
  LEASEFS_RETURN_IF_ERROR(
      file.database_.Run(StrCat("PRAGMA application_id=", kApplicationId, "; PRAGMA user_version=", kFormat).c_str()));
  for (const Table table : kTables) LEASEFS_RETURN_IF_ERROR(file.database_.Run(RowTable::Schema(table).c_str()));
  LEASEFS_ASSIGN_OR_RETURN(meta, RowTable::Prepare(file.database_, Table::kMeta));
  file.meta_ = std::move(meta);

  random.Fill(file.id_);
  SecretBuffer data_key(kKeyBytes);
  random.Fill(data_key.ExposeMutable());
  file.data_key_ = std::move(data_key);
  file.keys_.emplace(file.data_key_, file.id_);
  const std::vector<KeySlot> slots = {Wrap(wrapping_key, file.data_key_, file.id_, random)};
  LEASEFS_RETURN_IF_ERROR(file.InsertRow(file.meta_, {kIdentityRow, {}, file.id_}));
  LEASEFS_RETURN_IF_ERROR(file.InsertRow(file.meta_, {kSlotsRow, {}, EncodeSlots(slots)}));
  LEASEFS_RETURN_IF_ERROR(file.meta_.Insert({kStateRow, {}, {}}));
  LEASEFS_RETURN_IF_ERROR(file.Commit());
  file.database_.TakeLogOnClose();
  return file.database_.Checkpoint();
}

Result<std::unique_ptr<StoreFile>> StoreFile::Open(const std::string& path, const char* vfs, const StoreKey& key,
                                                   Random& random, StoreIndex& index) {
  std::unique_ptr<StoreFile> file(new StoreFile(random));
  LEASEFS_RETURN_IF_ERROR(file->OpenTables(path, vfs, true));
  LEASEFS_ASSIGN_OR_RETURN(row, file->meta_.Read(kSlotsRow));
  LEASEFS_ASSIGN_OR_RETURN(slots, DecodeSlots(row.body));
  LEASEFS_ASSIGN_OR_RETURN(unlocked, Unlock(slots, key, file->id_));
  if (unlocked.slot + 1 == slots.size()) file->next_wrapping_key_ = unlocked.wrapping_key.Clone();
  file->wrapping_key_ = std::move(unlocked.wrapping_key);
  file->slots_ = std::move(slots);
  LEASEFS_RETURN_IF_ERROR(file->TakeKey(std::move(unlocked.data_key)));
  LEASEFS_ASSIGN_OR_RETURN(loading, file->BeginLoad());
  for (bool whole = false; !whole;) {
    LEASEFS_ASSIGN_OR_RETURN(loaded, file->LoadSome(loading, SIZE_MAX, &index));
    whole = loaded;
  }
  // What a crash left in the log, now that it is known to be right.
  LEASEFS_RETURN_IF_ERROR(file->database_.Checkpoint());
  file->database_.TakeLogOnClose();
  return file;
}

Status StoreFile::OpenTables(const std::string& path, const char* vfs, bool check_pages) {
  LEASEFS_ASSIGN_OR_RETURN(database, Database::Open(path, vfs));
  database_ = std::move(database);
  LEASEFS_RETURN_IF_ERROR(CheckHeader(database_));
  LEASEFS_ASSIGN_OR_RETURN(journal, database_.ReadText("PRAGMA journal_mode=WAL"));
  if (journal != "wal")
    return Error(ErrorKind::kInternal, StrCat("the store cannot be written (journal mode ", journal, ")"));
  LEASEFS_RETURN_IF_ERROR(CheckSchema());
  if (check_pages) {
    LEASEFS_ASSIGN_OR_RETURN(check, database_.ReadText("PRAGMA quick_check(1)"));
    if (check != "ok") return Error(ErrorKind::kRemote, StrCat("damaged: ", Printable(check)));
  }
  for (const auto& [table, kind] :
       {std::pair(&meta_, Table::kMeta), {&secret_, Table::kSecret}, {&version_, Table::kVersion}}) {
    LEASEFS_ASSIGN_OR_RETURN(prepared, RowTable::Prepare(database_, kind));
    *table = std::move(prepared);
  }
  LEASEFS_ASSIGN_OR_RETURN(identity, meta_.Read(kIdentityRow));
  if (identity.body.size() != id_.size()) return meta_.Damaged(kIdentityRow, "is no store's identity");
  std::copy(identity.body.begin(), identity.body.end(), id_.begin());
  return Ok();
}

// SECURITY: the statements mean what we think only if the tables are ours to the letter: no index that hides a row, no
// view, no trigger, no generated column.
Status StoreFile::CheckSchema() {
  LEASEFS_ASSIGN_OR_RETURN(statement, database_.Prepare("SELECT type, sql FROM sqlite_schema ORDER BY rowid"));
  size_t count = 0;
  for (;; ++count) {
    LEASEFS_ASSIGN_OR_RETURN(row, statement.Step());
    if (!row) break;
    if (count == std::size(kTables) || statement.Text(0) != "table" ||
        statement.Text(1) != RowTable::Schema(kTables[count])) {
      return Error(ErrorKind::kRemote, "damaged: the tables are not those that leasefs makes");
    }
  }
  if (count != std::size(kTables)) return Error(ErrorKind::kRemote, "damaged: tables are missing");
  return Ok();
}

Status StoreFile::TakeKey(SecretBuffer data_key) {
  data_key_ = std::move(data_key);
  keys_.emplace(data_key_, id_);
  return ReadReseal();
}

Result<StoreFile::Loading> StoreFile::BeginLoad() {
  LEASEFS_ASSIGN_OR_RETURN(row, meta_.Read(kStateRow));
  Result<SecretBuffer> plain = keys_->state.Open(BytesOf(StateContext(id_)), row.body);
  if (!plain.ok()) return meta_.Damaged(kStateRow, "does not open");
  Loading loading;
  LEASEFS_ASSIGN_OR_RETURN(state, DecodeState(plain->Expose()));
  loading.state = std::move(state);
  return loading;
}

Result<bool> StoreFile::LoadSome(Loading& loading, size_t bytes, StoreIndex* index) {
  RowTable* const tables[] = {&meta_, &secret_, &version_};
  for (size_t read = 0; loading.table < std::size(tables) && read < bytes;) {
    RowTable& table = *tables[loading.table];
    LEASEFS_ASSIGN_OR_RETURN(row, table.Next());
    if (!row) {
      ++loading.table;
      continue;
    }
    read += kRowCost + row->head.size() + row->body.size();
    if (&table == &meta_ && row->id == kStateRow) continue;
    loading.found.Add(RowMac(KeysOf(table.table(), row->id).set, table.table(), *row));
    if (&table == &secret_ && index != nullptr) LEASEFS_RETURN_IF_ERROR(LoadHead(*row, *index));
  }
  if (loading.table < std::size(tables)) return false;
  const RowSet& written = loading.state.set;
  if (loading.found.rows != written.rows) {
    return Error(ErrorKind::kRemote, StrCat("damaged: rows were added or removed: ", loading.found.rows, " are there, ",
                                            written.rows, " were written. Put a backup back"));
  }
  if (loading.found != written) {
    return Error(
        ErrorKind::kRemote,
        "damaged: the rows are not those that were written: some were changed, or come from another copy of the store. "
        "Put a backup back");
  }
  state_ = std::move(loading.state);
  staged_ = state_;
  return true;
}

Status StoreFile::LoadHead(const RowView& row, StoreIndex& index) {
  Result<SecretBuffer> plain = KeysOf(Table::kSecret, row.id).head.Open(BytesOf(HeadContext(id_, row.id)), row.body);
  if (!plain.ok()) return secret_.Damaged(row.id, "does not open");
  LEASEFS_ASSIGN_OR_RETURN(head, DecodeHead(plain->Expose()));
  if (index.Find(head.first) != nullptr) return secret_.Damaged(row.id, "is there twice");
  index.Set(head.first, {row.id, std::move(head.second)});
  return Ok();
}

Result<int64_t> StoreFile::FileBytes() {
  LEASEFS_ASSIGN_OR_RETURN(pages, database_.ReadInt("PRAGMA page_count"));
  LEASEFS_ASSIGN_OR_RETURN(page_size, database_.ReadInt("PRAGMA page_size"));
  return pages * page_size;
}

}  // namespace leasefs::store
