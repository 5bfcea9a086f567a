#include "backend/store/store_sqlite.h"

#include <sqlite3.h>

#include <cstring>

#include "fs/base/strings.h"

namespace leasefs::store {
namespace {

// No row of ours is larger: kMaxSecretBytes of names and values, and what the codec adds.
constexpr int kMaxRowBytes = 32 << 20;

Error SqliteError(sqlite3* db, int code, const char* what) {
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {ErrorKind::kUnreachable, "the file is in use by another process: only one leasefsd may serve a store"};
    case SQLITE_NOTADB:
      return {ErrorKind::kInvalid, "not a leasefs store: the file is no database"};
    case SQLITE_FULL:
      return {ErrorKind::kInternal, StrCat(what, ": no space left on the file system of the store")};
    case SQLITE_NOMEM:
      return {ErrorKind::kNoMemory, StrCat(what, ": out of memory")};
    case SQLITE_CORRUPT:
    case SQLITE_SCHEMA:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
    case SQLITE_ERROR:
      return {ErrorKind::kRemote, StrCat("damaged: ", what, ": ", sqlite3_errstr(code))};
    default:
      break;
  }
  // A failing disk is an outage, over which what is known already is served on.
  const ErrorKind kind = (code & 0xff) == SQLITE_IOERR ? ErrorKind::kRemote : ErrorKind::kInternal;
  const int system_error = db != nullptr ? sqlite3_system_errno(db) : 0;
  return {kind, StrCat(what, ": ", sqlite3_errstr(code), system_error != 0 ? ": " : "",
                       system_error != 0 ? std::strerror(system_error) : "")};
}

Error StatementError(sqlite3_stmt* statement, int code, const char* what) {
  return SqliteError(sqlite3_db_handle(statement), code, what);
}

}  // namespace

void CloseDatabase::operator()(sqlite3* db) const noexcept {
  sqlite3_close_v2(db);
}
void FinishBackup::operator()(sqlite3_backup* backup) const noexcept {
  sqlite3_backup_finish(backup);
}
void FinalizeStatement::operator()(sqlite3_stmt* statement) const noexcept {
  sqlite3_finalize(statement);
}

Status Statement::Bind(int parameter, int64_t value) {
  const int code = sqlite3_bind_int64(statement_.get(), parameter, value);
  if (code != SQLITE_OK) return StatementError(statement_.get(), code, "binding a number");
  return Ok();
}

Status Statement::Bind(int parameter, std::span<const std::byte> bytes) {
  // A null pointer would bind NULL instead of a blob of no bytes.
  const void* data = bytes.empty() ? "" : static_cast<const void*>(bytes.data());
  const int code = sqlite3_bind_blob64(statement_.get(), parameter, data, bytes.size(), SQLITE_STATIC);
  if (code != SQLITE_OK) return StatementError(statement_.get(), code, "binding bytes");
  return Ok();
}

Result<bool> Statement::Step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  Reset();
  if (code == SQLITE_DONE) return false;
  return StatementError(statement_.get(), code, "reading or writing the store");
}

Status Statement::Run() {
  for (;;) {
    LEASEFS_ASSIGN_OR_RETURN(row, Step());
    if (!row) return Ok();
  }
}

void Statement::Reset() {
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
}

int64_t Statement::Int(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

Result<std::span<const std::byte>> Statement::Blob(int column) const {
  if (sqlite3_column_type(statement_.get(), column) != SQLITE_BLOB) {
    return Error(ErrorKind::kRemote, "damaged: a row holds something else than bytes");
  }
  const void* data = sqlite3_column_blob(statement_.get(), column);
  const auto size = static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column));
  if (data == nullptr && size != 0) return Error(ErrorKind::kNoMemory, "no memory for a row of the store");
  return std::span(static_cast<const std::byte*>(data), size);
}

std::string Statement::Text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  return text == nullptr ? std::string() : std::string(text);
}

Result<Database> Database::Open(const std::string& path, const char* vfs) {
  // Never a "file:" URI, ":memory:" or a temporary file, whatever the path looks like.
  const std::string name = path.starts_with('/') ? path : StrCat("./", path);
  sqlite3* raw = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int code = sqlite3_open_v2(name.c_str(), &raw, flags, vfs);
  Database database;
  database.db_.reset(raw);
  if (code != SQLITE_OK) return SqliteError(raw, code, "opening the file");

  sqlite3_db_config(raw, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  sqlite3_db_config(raw, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(raw, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(raw, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
  sqlite3_db_config(raw, SQLITE_DBCONFIG_ENABLE_VIEW, 0, nullptr);
  sqlite3_db_config(raw, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
  sqlite3_db_config(raw, SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);
  sqlite3_limit(raw, SQLITE_LIMIT_LENGTH, kMaxRowBytes);
  sqlite3_limit(raw, SQLITE_LIMIT_ATTACHED, 0);

  // Exclusive before the first access: then the index of the log lies on the heap and not in a -shm file, and the lock
  // on the file stays taken.
  LEASEFS_RETURN_IF_ERROR(database.Run(
      "PRAGMA locking_mode=EXCLUSIVE; PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY; PRAGMA cell_size_check=ON;"
      "PRAGMA secure_delete=ON; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;"));
  return database;
}

Error Database::LastError(const char* what) const {
  return SqliteError(db_.get(), sqlite3_extended_errcode(db_.get()), what);
}

Status Database::Run(const char* sql) {
  const int code = sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return SqliteError(db_.get(), code, "reading or writing the store");
  return Ok();
}

Result<int64_t> Database::ReadInt(const char* sql) {
  LEASEFS_ASSIGN_OR_RETURN(statement, Prepare(sql));
  LEASEFS_ASSIGN_OR_RETURN(row, statement.Step());
  return row ? statement.Int(0) : int64_t{0};
}

Result<std::string> Database::ReadText(const char* sql) {
  LEASEFS_ASSIGN_OR_RETURN(statement, Prepare(sql));
  LEASEFS_ASSIGN_OR_RETURN(row, statement.Step());
  return row ? statement.Text(0) : std::string();
}

Result<Statement> Database::Prepare(const std::string& sql) {
  sqlite3_stmt* raw = nullptr;
  const int code = sqlite3_prepare_v3(db_.get(), sql.c_str(), -1, SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
  if (code != SQLITE_OK) return SqliteError(db_.get(), code, "reading the tables");
  return Statement(raw);
}

int64_t Database::changed_rows() const {
  return sqlite3_changes64(db_.get());
}
bool Database::in_transaction() const {
  return sqlite3_get_autocommit(db_.get()) == 0;
}

void Database::TakeLogOnClose() {
  sqlite3_db_config(db_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, nullptr);
}

Status Database::Checkpoint() {
  const int code = sqlite3_wal_checkpoint_v2(db_.get(), nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  if (code != SQLITE_OK) return SqliteError(db_.get(), code, "taking the write-ahead log into the file");
  return Ok();
}

Result<PageCopy> Database::BeginCopy(Database& target) const {
  sqlite3_backup* backup = sqlite3_backup_init(target.db_.get(), "main", db_.get(), "main");
  if (backup == nullptr) return target.LastError("starting the copy");
  return PageCopy(backup, target.db_.get());
}

Result<bool> PageCopy::Step(int pages) {
  const int step = sqlite3_backup_step(backup_.get(), pages);
  if (step == SQLITE_OK) return false;
  const int code = sqlite3_backup_finish(backup_.release());
  if (step != SQLITE_DONE) return SqliteError(target_, step, "writing the copy");
  if (code != SQLITE_OK) return SqliteError(target_, code, "finishing the copy");
  return true;
}

}  // namespace leasefs::store
