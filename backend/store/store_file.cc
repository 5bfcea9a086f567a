// Changes: what is written, and how the set of all rows follows.
#include "backend/store/store_file.h"

#include "fs/base/log.h"
#include "fs/base/strings.h"

namespace leasefs::store {
namespace {

std::span<const std::byte> BytesOf(const std::string& text) {
  return std::as_bytes(std::span(text));
}

}  // namespace

Status StoreFile::Begin() {
  LEASEFS_RETURN_IF_ERROR(database_.Run("BEGIN IMMEDIATE"));
  staged_ = state_;
  return Ok();
}

void StoreFile::Abandon() {
  staged_ = state_;
  // A failure may have ended the transaction already.
  if (!database_.in_transaction()) return;
  const Status status = database_.Run("ROLLBACK");
  if (!status.ok()) LogError(StrCat("store: giving up a change: ", status.error().message()));
}

Status StoreFile::Commit() {
  return CommitUnder(*keys_);
}

Status StoreFile::CommitOrAbandon(Status status, const RowKeys& keys) {
  if (status.ok()) status = CommitUnder(keys);
  if (!status.ok()) Abandon();
  return status;
}

Status StoreFile::CommitUnder(const RowKeys& keys) {
  const SecretBuffer plain = EncodeState(staged_);
  const std::string context = StateContext(id_);
  const std::vector<std::byte> sealed = keys.state.Seal(random_, BytesOf(context), plain.Expose());
  LEASEFS_RETURN_IF_ERROR(meta_.Update({kStateRow, {}, sealed}));
  LEASEFS_RETURN_IF_ERROR(database_.Run("COMMIT"));
  state_ = staged_;
  // The change is durable already, in the log. While the log holds it, cutting the log off would take it back
  // unnoticed; so it is taken into the file before anyone is told. Should that fail, the change stands all the same and
  // the next one tries again.
  const Status status = database_.Checkpoint();
  if (!status.ok()) LogWarning(StrCat("store: the change is kept in the write-ahead log: ", status.error().message()));
  return Ok();
}

const RowKeys& StoreFile::KeysOf(Table table, int64_t id) const {
  return table != Table::kMeta && IsOld(id) ? old_->keys : *keys_;
}

Status StoreFile::InsertRow(RowTable& table, const RowView& row) {
  LEASEFS_RETURN_IF_ERROR(table.Insert(row));
  staged_.set.Add(RowMac(KeysOf(table.table(), row.id).set, table.table(), row));
  return Ok();
}

Status StoreFile::UpdateRow(RowTable& table, const RowTable::Row& old, const RowView& row) {
  LEASEFS_RETURN_IF_ERROR(table.Update(row));
  staged_.set.Remove(RowMac(KeysOf(table.table(), row.id).set, table.table(), old.View(row.id)));
  staged_.set.Add(RowMac(KeysOf(table.table(), row.id).set, table.table(), row));
  return Ok();
}

Status StoreFile::DeleteRow(RowTable& table, const RowTable::Row& old, int64_t id) {
  LEASEFS_RETURN_IF_ERROR(table.Delete(id));
  staged_.set.Remove(RowMac(KeysOf(table.table(), id).set, table.table(), old.View(id)));
  return Ok();
}

Result<KeptVersion> StoreFile::AddVersion(std::string_view path, const VersionInfo& version,
                                          const std::vector<protocol::Field>& fields) {
  const KeptVersion kept{version.version, staged_.next_row++};
  const std::string context = VersionContext(id_, kept.row, path, kept.version);
  const RowKeys& keys = KeysOf(Table::kVersion, kept.row);
  const std::vector<std::byte> head = keys.version.Seal(random_, BytesOf(context), EncodeVersion(version).Expose());
  const std::vector<std::byte> body = keys.fields.Seal(random_, BytesOf(context), EncodeFields(fields).Expose());
  LEASEFS_RETURN_IF_ERROR(InsertRow(version_, {kept.row, head, body}));
  return kept;
}

Status StoreFile::DropVersion(const KeptVersion& kept) {
  LEASEFS_ASSIGN_OR_RETURN(old, version_.Read(kept.row));
  return DeleteRow(version_, old, kept.row);
}

// The row that goes out of the set must be the one that went in: not an older copy put there while we run.
Status StoreFile::CheckKnown(const RowTable::Row& row, const StoreIndex::Secret& known) const {
  Result<SecretBuffer> plain =
      KeysOf(Table::kSecret, known.row).head.Open(BytesOf(HeadContext(id_, known.row)), row.body);
  if (!plain.ok()) return secret_.Damaged(known.row, "does not open");
  LEASEFS_ASSIGN_OR_RETURN(head, DecodeHead(plain->Expose()));
  if (head.second.generation != known.head.generation) return secret_.Damaged(known.row, "is an older copy");
  return Ok();
}

Result<int64_t> StoreFile::PutHead(std::string_view path, SecretHead& head, const StoreIndex::Secret* known) {
  // Steps are random, so that a generation says which history it is from: after a backup was put back, one that was
  // told before is not mistaken for one of the new history.
  head.generation = staged_.generation() + 1 + random_.Below(uint64_t{1} << 32);
  staged_.generations.push_back(head.generation);
  if (staged_.generations.size() > kRememberedGenerations) staged_.generations.erase(staged_.generations.begin());

  const int64_t id = known != nullptr ? known->row : staged_.next_row++;
  const std::vector<std::byte> body =
      KeysOf(Table::kSecret, id).head.Seal(random_, BytesOf(HeadContext(id_, id)), EncodeHead(path, head).Expose());
  if (known == nullptr) {
    LEASEFS_RETURN_IF_ERROR(InsertRow(secret_, {id, {}, body}));
    return id;
  }
  LEASEFS_ASSIGN_OR_RETURN(old, secret_.Read(id));
  LEASEFS_RETURN_IF_ERROR(CheckKnown(old, *known));
  LEASEFS_RETURN_IF_ERROR(UpdateRow(secret_, old, {id, {}, body}));
  return id;
}

Status StoreFile::DropHead(const StoreIndex::Secret& known) {
  LEASEFS_ASSIGN_OR_RETURN(old, secret_.Read(known.row));
  LEASEFS_RETURN_IF_ERROR(CheckKnown(old, known));
  return DeleteRow(secret_, old, known.row);
}

Result<VersionInfo> StoreFile::ReadVersion(std::string_view path, const KeptVersion& kept) {
  LEASEFS_ASSIGN_OR_RETURN(row, version_.Read(kept.row));
  const std::string context = VersionContext(id_, kept.row, path, kept.version);
  Result<SecretBuffer> plain = KeysOf(Table::kVersion, kept.row).version.Open(BytesOf(context), row.head);
  if (!plain.ok()) return version_.Damaged(kept.row, "does not open");
  return DecodeVersion(plain->Expose());
}

Result<std::vector<protocol::Field>> StoreFile::ReadFields(std::string_view path, const KeptVersion& kept) {
  LEASEFS_ASSIGN_OR_RETURN(row, version_.Read(kept.row));
  const std::string context = VersionContext(id_, kept.row, path, kept.version);
  Result<SecretBuffer> plain = KeysOf(Table::kVersion, kept.row).fields.Open(BytesOf(context), row.body);
  if (!plain.ok()) return version_.Damaged(kept.row, "does not open");
  return DecodeFields(plain->Expose());
}

}  // namespace leasefs::store
