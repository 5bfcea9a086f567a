// Another key: added, and everything sealed anew under a new data key.
#include "backend/store/store_file.h"
#include "fs/base/codec.h"
#include "fs/base/strings.h"

namespace leasefs::store {
namespace {

constexpr size_t kRowCost = size_t{4} << 10;  // what a row takes beside its bytes, in bytes that take as long

std::span<const std::byte> BytesOf(const std::string& text) {
  return std::as_bytes(std::span(text));
}

}  // namespace

Status StoreFile::AddKey(const StoreKey& key) {
  LEASEFS_ASSIGN_OR_RETURN(next, MakeWrappingKey(key, random_));
  std::vector<KeySlot> slots;
  slots.push_back(Wrap(wrapping_key_, data_key_, id_, random_));
  slots.push_back(Wrap(next, data_key_, id_, random_));
  LEASEFS_RETURN_IF_ERROR(Begin());
  Status status = Ok();
  if (Result<RowTable::Row> old = meta_.Read(kSlotsRow); !old.ok()) {
    status = std::move(old).error();
  } else {
    status = UpdateRow(meta_, *old, {kSlotsRow, {}, EncodeSlots(slots)});
  }
  LEASEFS_RETURN_IF_ERROR(CommitOrAbandon(std::move(status), *keys_));
  slots_ = std::move(slots);
  next_wrapping_key_ = std::move(next);
  return Ok();
}

Status StoreFile::BeginReseal() {
  if (!next_wrapping_key_) {
    return Error(ErrorKind::kInvalid,
                 "the store was opened with the old key: open it with the new one first, which shows that the new one "
                 "is at hand");
  }
  SecretBuffer data_key(kKeyBytes);
  random_.Fill(data_key.ExposeMutable());
  RowKeys next(data_key, id_);
  std::vector<KeySlot> slots;
  slots.push_back(Wrap(*next_wrapping_key_, data_key, id_, random_));

  LEASEFS_RETURN_IF_ERROR(Begin());
  const int64_t end = staged_.next_row;
  LEASEFS_RETURN_IF_ERROR(CommitOrAbandon(WriteReseal(next, slots), next));
  old_.emplace(OldKeys{end, std::move(*keys_)});
  slots_ = std::move(slots);
  wrapping_key_ = *std::exchange(next_wrapping_key_, std::nullopt);
  data_key_ = std::move(data_key);
  keys_.emplace(std::move(next));
  return Ok();
}

// The slots give the new data key from now on, and the old one is opened by that: who has the old key only gets
// neither.
Status StoreFile::WriteReseal(const RowKeys& next, const std::vector<KeySlot>& slots) {
  Writer plain;
  plain.I64(staged_.next_row);
  plain.Secret(data_key_);
  const std::string context = ResealContext(id_);
  const std::vector<std::byte> reseal = next.state.Seal(random_, BytesOf(context), std::move(plain).Take().Expose());
  const std::vector<std::byte> encoded = EncodeSlots(slots);
  for (const int64_t id : {kIdentityRow, kSlotsRow}) {
    LEASEFS_ASSIGN_OR_RETURN(old, meta_.Read(id));
    const RowView now = id == kSlotsRow ? RowView{id, {}, encoded} : old.View(id);
    if (id == kSlotsRow) LEASEFS_RETURN_IF_ERROR(meta_.Update(now));
    staged_.set.Remove(RowMac(keys_->set, Table::kMeta, old.View(id)));
    staged_.set.Add(RowMac(next.set, Table::kMeta, now));
  }
  LEASEFS_RETURN_IF_ERROR(meta_.Insert({kResealRow, {}, reseal}));
  staged_.set.Add(RowMac(next.set, Table::kMeta, {kResealRow, {}, reseal}));
  return Ok();
}

// Of the file that is being opened: is it sealed anew at the moment?
Status StoreFile::ReadReseal() {
  LEASEFS_ASSIGN_OR_RETURN(begun, database_.ReadInt("SELECT count(*) FROM meta WHERE id = 4"));
  static_assert(kResealRow == 4);
  if (begun == 0) return Ok();
  LEASEFS_ASSIGN_OR_RETURN(row, meta_.Read(kResealRow));
  Result<SecretBuffer> plain = keys_->state.Open(BytesOf(ResealContext(id_)), row.body);
  if (!plain.ok()) return meta_.Damaged(kResealRow, "does not open");
  Reader reader(plain->Expose());
  const int64_t end = reader.I64();
  const SecretBuffer data_key = reader.Secret(kKeyBytes);
  if (!reader.AtEnd() || data_key.size() != kKeyBytes) return meta_.Damaged(kResealRow, "is unreadable");
  old_.emplace(OldKeys{end, RowKeys(data_key, id_)});
  return Ok();
}

bool StoreFile::SealedBefore(const StoreIndex::Secret& secret) const {
  return IsOld(secret.row);  // the head goes last
}

Result<size_t> StoreFile::ResealVersion(std::string_view path, KeptVersion& kept) {
  LEASEFS_ASSIGN_OR_RETURN(old, version_.Read(kept.row));
  const std::string context = VersionContext(id_, kept.row, path, kept.version);
  Result<SecretBuffer> head = old_->keys.version.Open(BytesOf(context), old.head);
  Result<SecretBuffer> body = old_->keys.fields.Open(BytesOf(context), old.body);
  if (!head.ok() || !body.ok()) return version_.Damaged(kept.row, "does not open");
  const int64_t id = staged_.next_row++;
  const std::string new_context = VersionContext(id_, id, path, kept.version);
  const std::vector<std::byte> new_head = keys_->version.Seal(random_, BytesOf(new_context), head->Expose());
  const std::vector<std::byte> new_body = keys_->fields.Seal(random_, BytesOf(new_context), body->Expose());
  LEASEFS_RETURN_IF_ERROR(InsertRow(version_, {id, new_head, new_body}));
  LEASEFS_RETURN_IF_ERROR(DeleteRow(version_, old, kept.row));
  kept.row = id;
  return old.head.size() + old.body.size();
}

Status StoreFile::ResealHead(std::string_view path, StoreIndex::Secret& secret) {
  LEASEFS_ASSIGN_OR_RETURN(old, secret_.Read(secret.row));
  LEASEFS_RETURN_IF_ERROR(CheckKnown(old, secret));
  const bool last = std::none_of(secret.head.kept.begin(), secret.head.kept.end(),
                                 [this](const KeptVersion& kept) { return IsOld(kept.row); });
  const int64_t id = last ? staged_.next_row++ : secret.row;
  const std::vector<std::byte> body =
      KeysOf(Table::kSecret, id)
          .head.Seal(random_, BytesOf(HeadContext(id_, id)), EncodeHead(path, secret.head).Expose());
  if (!last) return UpdateRow(secret_, old, {id, {}, body});
  LEASEFS_RETURN_IF_ERROR(InsertRow(secret_, {id, {}, body}));
  LEASEFS_RETURN_IF_ERROR(DeleteRow(secret_, old, secret.row));
  secret.row = id;
  return Ok();
}

Status StoreFile::Reseal(std::string_view path, StoreIndex::Secret& secret, size_t& bytes) {
  for (KeptVersion& kept : secret.head.kept) {
    if (!IsOld(kept.row)) continue;
    if (bytes == 0) break;
    LEASEFS_ASSIGN_OR_RETURN(size, ResealVersion(path, kept));
    bytes -= std::min(bytes, size + kRowCost);
  }
  bytes -= std::min(bytes, kRowCost);
  return ResealHead(path, secret);
}

Status StoreFile::EndReseal() {
  for (const char* table : {"secret", "version"}) {
    LEASEFS_ASSIGN_OR_RETURN(
        left, database_.ReadInt(StrCat("SELECT count(*) FROM ", table, " WHERE id < ", old_->end).c_str()));
    if (left != 0)
      return Error(ErrorKind::kRemote,
                   StrCat("damaged: table ", table, " has ", left, " rows of which nothing is known"));
  }
  LEASEFS_RETURN_IF_ERROR(Begin());
  Result<RowTable::Row> old = meta_.Read(kResealRow);
  Status status = old.ok() ? DeleteRow(meta_, *old, kResealRow) : Status(old.error());
  LEASEFS_RETURN_IF_ERROR(CommitOrAbandon(std::move(status), *keys_));
  old_.reset();
  return Ok();
}

}  // namespace leasefs::store
