// The file of the store: rows sealed and opened, and the set of all rows kept right, one transaction at a time.
//
// Knows nothing of what a put means. Used by one thread. Rows are found by the ids that the index has; what is not
// where the index says, or does not open, is damage (kRemote) and never absence.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/store/row_table.h"
#include "backend/store/store_index.h"
#include "backend/store/store_keys.h"
#include "backend/store/store_rows.h"
#include "backend/store/store_set.h"
#include "backend/store/store_sqlite.h"
#include "fs/base/random.h"
#include "fs/base/result.h"

namespace leasefs::store {

class StoreFile {
 public:
  // Fills an empty file at `path` with a store that has no secrets, and closes it.
  static Status Format(const std::string& path, const char* vfs, const StoreKey& key, Random& random);
  // Opens, unlocks and checks the whole set of rows, and fills `index`.
  static Result<std::unique_ptr<StoreFile>> Open(const std::string& path, const char* vfs, const StoreKey& key,
                                                 Random& random, StoreIndex& index);

  // A change begins, takes any number of the calls below it, and is committed or abandoned. After an error: abandon.
  Status Begin();
  Result<KeptVersion> AddVersion(std::string_view path, const VersionInfo& version,
                                 const std::vector<protocol::Field>& fields);
  Status DropVersion(const KeptVersion& kept);
  // Gives the head a new generation and writes it. `known`: the head as it is in the file, or null for a new row.
  Result<int64_t> PutHead(std::string_view path, SecretHead& head, const StoreIndex::Secret* known);
  Status DropHead(const StoreIndex::Secret& known);
  State& staged() { return staged_; }
  // Durable when it returns Ok. On an error the file is as it was before Begin.
  Status Commit();
  void Abandon();

  Result<VersionInfo> ReadVersion(std::string_view path, const KeptVersion& kept);
  Result<std::vector<protocol::Field>> ReadFields(std::string_view path, const KeptVersion& kept);

  // See Store::Rekey. A change of its own.
  Status AddKey(const StoreKey& key);
  // Sealing anew takes many changes: one begins it, then Reseal is called within changes until no secret is sealed
  // under the old data key, then one ends it. Rows get new ids meanwhile, from which it can be told under which data
  // key they are. A crash in between leaves it begun.
  bool key_added() const { return slots_.size() > 1; }
  bool resealing() const { return old_.has_value(); }
  Status BeginReseal();
  bool SealedBefore(const StoreIndex::Secret& secret) const;
  // As many of its rows as `bytes` are enough for, at least one; `bytes` is reduced.
  Status Reseal(std::string_view path, StoreIndex::Secret& secret, size_t& bytes);
  Status EndReseal();

  Result<std::unique_ptr<StoreCopy>> BeginCopy(const std::string& path, const char* vfs);

  const State& state() const { return state_; }
  Result<int64_t> FileBytes();

 private:
  class Copy;
  struct Loading {  // how far the check of all rows came
    State state;
    RowSet found;
    size_t table = 0;
  };
  // While everything is sealed anew.
  struct OldKeys {
    int64_t end = 0;  // rows below it, but meta's, are sealed under these keys
    RowKeys keys;
  };

  explicit StoreFile(Random& random) : random_(random) {}
  Status OpenTables(const std::string& path, const char* vfs, bool check_pages);
  Status CheckSchema();
  Result<Loading> BeginLoad();
  // True: all rows were read, and they are those that were written. `index`: null to check only.
  Result<bool> LoadSome(Loading& loading, size_t bytes, StoreIndex* index);
  Status LoadHead(const RowView& row, StoreIndex& index);
  Status TakeKey(SecretBuffer data_key);
  const RowKeys& KeysOf(Table table, int64_t id) const;
  bool IsOld(int64_t id) const { return old_ && id < old_->end; }

  Status InsertRow(RowTable& table, const RowView& row);
  Status UpdateRow(RowTable& table, const RowTable::Row& old, const RowView& row);
  Status DeleteRow(RowTable& table, const RowTable::Row& old, int64_t id);
  Status CheckKnown(const RowTable::Row& row, const StoreIndex::Secret& known) const;
  Status CommitUnder(const RowKeys& keys);
  Status CommitOrAbandon(Status status, const RowKeys& keys);
  Status WriteReseal(const RowKeys& next, const std::vector<KeySlot>& slots);
  Status ReadReseal();
  Result<size_t> ResealVersion(std::string_view path, KeptVersion& kept);
  Status ResealHead(std::string_view path, StoreIndex::Secret& secret);

  Random& random_;
  Database database_;
  RowTable meta_, secret_, version_;
  StoreId id_{};
  std::vector<KeySlot> slots_;
  WrappingKey wrapping_key_;                      // opened the store, or was proven by FinishRekey
  std::optional<WrappingKey> next_wrapping_key_;  // of the last slot, if it is known
  SecretBuffer data_key_;
  std::optional<RowKeys> keys_;
  std::optional<OldKeys> old_;
  State state_;   // as it is in the file
  State staged_;  // as it will be after Commit
};

}  // namespace leasefs::store
