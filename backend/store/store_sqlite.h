// The little of SQLite that the store needs: a database that one process has to itself, and prepared statements.
//
// What is bound and read is ciphertext and numbers only, so that SQLite's caches, its log and its error texts hold no
// secret. Used by one thread. store_sqlite.cc is the only includer of <sqlite3.h>.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "fs/base/result.h"

struct sqlite3;
struct sqlite3_backup;
struct sqlite3_stmt;

namespace leasefs::store {

struct CloseDatabase {
  void operator()(sqlite3* db) const noexcept;
};
struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const noexcept;
};

class Statement {
 public:
  Statement() = default;

  // Parameters and columns: parameters count from 1, columns from 0. Bound bytes must live until Reset.
  Status Bind(int parameter, int64_t value);
  Status Bind(int parameter, std::span<const std::byte> bytes);
  // True: a row is there. False: done, and reset.
  Result<bool> Step();
  // Steps to the end, ignoring rows.
  Status Run();
  void Reset();

  int64_t Int(int column) const;
  // Valid until the next Step or Reset. kRemote when the column is of another type: someone else wrote it.
  Result<std::span<const std::byte>> Blob(int column) const;
  std::string Text(int column) const;

 private:
  friend class Database;
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
  std::unique_ptr<sqlite3_stmt, FinalizeStatement> statement_;
};

struct FinishBackup {
  void operator()(sqlite3_backup* backup) const noexcept;
};

// A copy of a database in the making. What the source's connection writes meanwhile is in it. Gone before both.
class PageCopy {
 public:
  PageCopy() = default;
  // Copies at most so many pages more. True: all are there, as the source is now.
  Result<bool> Step(int pages);

 private:
  friend class Database;
  PageCopy(sqlite3_backup* backup, sqlite3* target) : backup_(backup), target_(target) {}
  std::unique_ptr<sqlite3_backup, FinishBackup> backup_;
  sqlite3* target_ = nullptr;
};

class Database {
 public:
  Database() = default;

  // Opens an existing file and takes it for this process alone. kUnreachable: another process has it. kInvalid: no
  // database.
  static Result<Database> Open(const std::string& path, const char* vfs);

  Status Run(const char* sql);
  Result<int64_t> ReadInt(const char* sql);
  Result<std::string> ReadText(const char* sql);
  Result<Statement> Prepare(const std::string& sql);
  int64_t changed_rows() const;  // of the last insert, update or delete
  bool in_transaction() const;

  // Until this is called, closing leaves the write-ahead log as it is: it may be that of another file.
  void TakeLogOnClose();
  // Takes what the write-ahead log holds into the file, durably, and empties the log.
  Status Checkpoint();
  // Into `target`, which nobody else uses until the copy has ended.
  Result<PageCopy> BeginCopy(Database& target) const;

 private:
  Error LastError(const char* what) const;
  std::unique_ptr<sqlite3, CloseDatabase> db_;
};

}  // namespace leasefs::store
