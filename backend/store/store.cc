// The format, number 1. A SQLite file (application_id "lefs", user_version 1) with three tables:
//
//   meta    (id, body)        1 the store's id, in clear · 2 the key slots · 3 the state, sealed
//   secret  (id, body)        one row per path: sealed path, generation, next version, kept versions and their rows,
//   key names version (id, head, body)  one row per kept version: sealed number, time, author, note, sizes · sealed
//   keys and values
//
// A random data key is wrapped in the key slots; by HKDF it gives a key for each kind of column and one for the set.
// Columns are sealed with AES-256-GCM; kind, store, row, path and version are authenticated with each. The state has
// the keyed hash and the number of all other rows (store_set.h), changed in the transaction that changes a row and
// checked against every row when the store is opened. So a row that was changed, swapped, removed, added or taken from
// an older copy is refused; the whole of an older copy is not.
//
// There is no index in the file, since a damaged one could make a row look absent: names are in memory (store_index.h).
// A removed secret leaves its row, with its numbers only, so that they go on when it is put again and ChangedSince can
// tell of it; the oldest beyond kMaxRemoved are forgotten, and new paths begin above their numbers.
//
// After a rekey everything is sealed anew, in many changes: the slots give the new data key from the first of them on,
// row 4 of meta has the old one, sealed under the new one, and rows sealed anew get new ids, so that every row's id
// tells its key. The last change removes row 4.
//
// Every change is one transaction: written to the write-ahead log, synced, taken into the file, synced, and the log
// emptied, all before the call returns. A crash leaves the state before or after it.
#include "backend/store/store.h"

#include <algorithm>

#include "backend/store/store_change.h"
#include "backend/store/store_create.h"
#include "backend/store/store_file.h"
#include "fs/base/limits.h"
#include "fs/base/strings.h"

namespace leasefs {
namespace {

using store::Fields;
using store::KeptVersion;
using store::SecretHead;
using store::StoreFile;
using store::StoreIndex;

constexpr size_t kMaxRemoved = 4096;
constexpr size_t kResealSlice = size_t{1} << 20;

Error NoSuchSecret(const std::string& path) {
  return {ErrorKind::kNotFound, StrCat("no secret ", Printable(path))};
}

class EmbeddedStore final : public Store {
 public:
  EmbeddedStore(StoreSettings settings, std::unique_ptr<StoreFile> file, StoreIndex index)
      : settings_(settings), file_(std::move(file)), index_(std::move(index)) {}

  Result<std::vector<uint64_t>> Apply(std::vector<Put> puts, uint32_t author, const std::string& note,
                                      WallTime now) override;
  Status Remove(const std::string& secret, const std::vector<std::string>& keys, uint32_t author,
                WallTime now) override;
  Result<uint64_t> Rollback(const std::string& secret, uint64_t version, uint32_t author, WallTime now) override;
  Result<std::pair<uint64_t, Fields>> Get(const std::string& secret, uint64_t version) const override;
  Result<std::vector<VersionInfo>> History(const std::string& secret) const override;
  Result<std::vector<protocol::Entry>> List(const std::string& directory) const override {
    return index_.List(directory);
  }
  std::vector<std::string> Secrets(const std::string& prefix) const override { return index_.AtOrBelow(prefix); }
  uint64_t generation() const override { return file_->state().generation(); }
  Result<std::vector<std::string>> ChangedSince(uint64_t generation) const override;
  Status Rekey(const StoreKey& new_key) override { return file_->AddKey(new_key); }
  Result<bool> FinishRekeySome() override;
  Result<std::unique_ptr<StoreCopy>> BeginCopy(const std::string& path) override {
    return file_->BeginCopy(path, settings_.vfs);
  }
  void SetLimits(uint32_t keep_versions, uint64_t value_bytes) override {
    settings_.keep_versions = keep_versions;
    settings_.value_bytes = value_bytes;
  }
  StoreFigures figures() const override;

 private:
  // What becomes of the index once the file has it.
  struct Change {
    std::string path;
    StoreIndex::Secret secret;
    bool forget = false;
  };
  struct Stamp {
    uint32_t author = 0;
    std::string note;
    WallTime now{};
  };
  struct Kept {
    const StoreIndex::Secret* secret;
    KeptVersion version;
  };
  uint64_t value_bytes() const;
  Result<Kept> FindVersion(const std::string& secret, uint64_t version) const;
  // `write` makes the changes inside one transaction. Nothing is kept of it when it fails or makes none.
  Status Transact(const std::function<Status(std::vector<Change>&)>& write);
  Result<uint64_t> PutOne(const std::string& path, Fields fields, bool replace, const Stamp& stamp,
                          std::vector<Change>& changes);
  Result<uint64_t> AddVersion(const std::string& path, const Fields& fields, const Stamp& stamp,
                              std::vector<Change>& changes);
  Status RemoveOne(const std::string& path, std::vector<Change>& changes);
  Status ForgetOldest(std::vector<Change>& changes);
  Status ResealSome(std::vector<Change>& changes);

  StoreSettings settings_;
  std::unique_ptr<StoreFile> file_;
  StoreIndex index_;
  std::string reseal_at_;  // what is before it, is sealed anew
};

uint64_t EmbeddedStore::value_bytes() const {
  return settings_.value_bytes == 0 ? kHardMaxValueBytes
                                    : std::min<uint64_t>(settings_.value_bytes, kHardMaxValueBytes);
}

Result<EmbeddedStore::Kept> EmbeddedStore::FindVersion(const std::string& secret, uint64_t version) const {
  const StoreIndex::Secret* known = index_.FindLive(secret);
  if (known == nullptr) return NoSuchSecret(secret);
  const KeptVersion* kept = known->head.Find(version);
  if (kept == nullptr) {
    return Error(ErrorKind::kNotFound, StrCat(Printable(secret), " has no version ", version, ": kept are ",
                                              known->head.kept.front().version, " to ", known->head.current()));
  }
  return Kept{known, *kept};
}

Status EmbeddedStore::Transact(const std::function<Status(std::vector<Change>&)>& write) {
  LEASEFS_RETURN_IF_ERROR(file_->Begin());
  std::vector<Change> changes;
  Status status = write(changes);
  if (status.ok() && !changes.empty()) status = file_->Commit();
  if (!status.ok() || changes.empty()) {
    file_->Abandon();
    return status;
  }
  for (Change& change : changes) {
    if (change.forget) {
      index_.Forget(change.path);
    } else {
      index_.Set(change.path, std::move(change.secret));
    }
  }
  return Ok();
}

Result<uint64_t> EmbeddedStore::AddVersion(const std::string& path, const Fields& fields, const Stamp& stamp,
                                           std::vector<Change>& changes) {
  LEASEFS_RETURN_IF_ERROR(store::CheckWhole(path, fields));
  const StoreIndex::Secret* known = index_.Find(path);
  SecretHead head;
  head.next_version = file_->staged().first_version;
  if (known != nullptr) head = known->head;
  const uint64_t version = head.next_version++;
  LEASEFS_ASSIGN_OR_RETURN(
      kept, file_->AddVersion(path, store::Describe(version, fields, stamp.author, stamp.note, stamp.now), fields));
  head.kept.push_back(kept);
  const size_t keep = std::max<size_t>(settings_.keep_versions, 1);
  while (head.kept.size() > keep) {
    LEASEFS_RETURN_IF_ERROR(file_->DropVersion(head.kept.front()));
    head.kept.erase(head.kept.begin());
  }
  head.keys = store::JoinKeys(fields);
  LEASEFS_ASSIGN_OR_RETURN(row, file_->PutHead(path, head, known));
  changes.push_back({path, {row, std::move(head)}});
  return version;
}

Result<uint64_t> EmbeddedStore::PutOne(const std::string& path, Fields fields, bool replace, const Stamp& stamp,
                                       std::vector<Change>& changes) {
  store::SortByKey(fields);
  if (const StoreIndex::Secret* known = index_.FindLive(path); known != nullptr) {
    LEASEFS_ASSIGN_OR_RETURN(current, file_->ReadFields(path, known->head.kept.back()));
    if (!replace) {
      // The current values are compared below, so they are read once more instead of being copied key by key.
      LEASEFS_ASSIGN_OR_RETURN(base, file_->ReadFields(path, known->head.kept.back()));
      fields = store::Merge(std::move(base), std::move(fields));
    }
    if (store::SameFields(fields, current)) return known->head.current();
  }
  return AddVersion(path, fields, stamp, changes);
}

Result<std::vector<uint64_t>> EmbeddedStore::Apply(std::vector<Put> puts, uint32_t author, const std::string& note,
                                                   WallTime now) {
  LEASEFS_RETURN_IF_ERROR(store::CheckPuts(puts, value_bytes()));
  if (note.size() > store::kMaxNoteBytes) {
    return Error(ErrorKind::kInvalid, StrCat("the note has ", note.size(), " bytes: at most ", store::kMaxNoteBytes));
  }
  std::vector<uint64_t> versions;
  LEASEFS_RETURN_IF_ERROR(Transact([&](std::vector<Change>& changes) -> Status {
    for (Put& put : puts) {
      LEASEFS_ASSIGN_OR_RETURN(version,
                               PutOne(put.secret, std::move(put.fields), put.replace, {author, note, now}, changes));
      versions.push_back(version);
    }
    return Ok();
  }));
  return versions;
}

Status EmbeddedStore::RemoveOne(const std::string& path, std::vector<Change>& changes) {
  const StoreIndex::Secret* known = index_.FindLive(path);
  if (known == nullptr) return NoSuchSecret(path);
  for (const KeptVersion& kept : known->head.kept) LEASEFS_RETURN_IF_ERROR(file_->DropVersion(kept));
  SecretHead head;
  head.next_version = known->head.next_version;
  LEASEFS_ASSIGN_OR_RETURN(row, file_->PutHead(path, head, known));
  changes.push_back({path, {row, std::move(head)}});
  return ForgetOldest(changes);
}

Status EmbeddedStore::ForgetOldest(std::vector<Change>& changes) {
  if (index_.removed().size() < kMaxRemoved) return Ok();
  const auto& [generation, path] = *index_.removed().begin();
  const StoreIndex::Secret& oldest = *index_.Find(path);
  store::State& staged = file_->staged();
  staged.forgotten = std::max(staged.forgotten, generation);
  staged.first_version = std::max(staged.first_version, oldest.head.next_version);
  LEASEFS_RETURN_IF_ERROR(file_->DropHead(oldest));
  changes.push_back({path, {}, true});
  return Ok();
}

Status EmbeddedStore::Remove(const std::string& secret, const std::vector<std::string>& keys, uint32_t author,
                             WallTime now) {
  const StoreIndex::Secret* known = index_.FindLive(secret);
  if (known == nullptr) return NoSuchSecret(secret);
  return Transact([&](std::vector<Change>& changes) -> Status {
    if (keys.empty()) return RemoveOne(secret, changes);
    LEASEFS_ASSIGN_OR_RETURN(fields, file_->ReadFields(secret, known->head.kept.back()));
    for (const std::string& key : keys) {
      const size_t erased = std::erase_if(fields, [&](const protocol::Field& field) { return field.key == key; });
      if (erased == 0) return Error(ErrorKind::kNotFound, StrCat(Printable(secret), " has no key ", Printable(key)));
    }
    if (fields.empty()) return RemoveOne(secret, changes);
    LEASEFS_RETURN_IF_ERROR(AddVersion(secret, fields, {author, "rm", now}, changes));
    return Ok();
  });
}

Result<uint64_t> EmbeddedStore::Rollback(const std::string& secret, uint64_t version, uint32_t author, WallTime now) {
  LEASEFS_ASSIGN_OR_RETURN(kept, FindVersion(secret, version));
  uint64_t made = 0;
  LEASEFS_RETURN_IF_ERROR(Transact([&](std::vector<Change>& changes) -> Status {
    LEASEFS_ASSIGN_OR_RETURN(fields, file_->ReadFields(secret, kept.version));
    const Stamp stamp{author, StrCat("rollback to ", kept.version.version), now};
    LEASEFS_ASSIGN_OR_RETURN(put, PutOne(secret, std::move(fields), true, stamp, changes));
    made = put;
    return Ok();
  }));
  return made;
}

Result<std::pair<uint64_t, Fields>> EmbeddedStore::Get(const std::string& secret, uint64_t version) const {
  LEASEFS_ASSIGN_OR_RETURN(kept, FindVersion(secret, version));
  LEASEFS_ASSIGN_OR_RETURN(fields, file_->ReadFields(secret, kept.version));
  for (protocol::Field& field : fields) {
    if (field.value.size() <= value_bytes()) continue;
    field.too_large = true;
    field.value.Clear();
  }
  return std::pair(kept.version.version, std::move(fields));
}

Result<std::vector<VersionInfo>> EmbeddedStore::History(const std::string& secret) const {
  LEASEFS_ASSIGN_OR_RETURN(newest, FindVersion(secret, 0));
  std::vector<VersionInfo> history;
  for (const KeptVersion& kept : newest.secret->head.kept) {
    LEASEFS_ASSIGN_OR_RETURN(version, file_->ReadVersion(secret, kept));
    history.push_back(std::move(version));
  }
  std::reverse(history.begin(), history.end());
  return history;
}

Result<std::vector<std::string>> EmbeddedStore::ChangedSince(uint64_t generation) const {
  const store::State& state = file_->state();
  const auto& known = state.generations;
  const bool ours = generation == 0 || std::binary_search(known.begin(), known.end(), generation);
  if (!ours || generation < state.forgotten) {
    return Error(ErrorKind::kNotFound, StrCat("changes since ", generation,
                                              " are not known: it is too long ago, or of another copy of "
                                              "the store"));
  }
  return index_.ChangedAfter(generation);
}

Status EmbeddedStore::ResealSome(std::vector<Change>& changes) {
  size_t bytes = kResealSlice;
  for (auto at = index_.all().lower_bound(reseal_at_); at != index_.all().end() && bytes > 0; ++at) {
    const auto& [path, known] = *at;
    if (!file_->SealedBefore(known)) continue;
    StoreIndex::Secret secret = known;
    LEASEFS_RETURN_IF_ERROR(file_->Reseal(path, secret, bytes));
    changes.push_back({path, std::move(secret)});
  }
  return Ok();
}

Result<bool> EmbeddedStore::FinishRekeySome() {
  if (!file_->resealing()) {
    if (!file_->key_added()) return true;
    LEASEFS_RETURN_IF_ERROR(file_->BeginReseal());
    reseal_at_.clear();
    return false;
  }
  std::optional<std::string> last;
  LEASEFS_RETURN_IF_ERROR(Transact([&](std::vector<Change>& changes) {
    Status status = ResealSome(changes);
    if (!changes.empty()) last = changes.back().path;
    return status;
  }));
  if (last) {
    reseal_at_ = std::move(*last);  // perhaps only some of its versions
    return false;
  }
  LEASEFS_RETURN_IF_ERROR(file_->EndReseal());
  return !file_->key_added();
}

StoreFigures EmbeddedStore::figures() const {
  StoreFigures figures;
  figures.secrets = index_.live();
  figures.versions = index_.versions();
  figures.generation = generation();
  if (const Result<int64_t> bytes = file_->FileBytes(); bytes.ok()) figures.file_bytes = static_cast<uint64_t>(*bytes);
  return figures;
}

}  // namespace

Status Store::Create(const std::string& path, const StoreKey& key, Random& random, const StoreSettings& settings) {
  return store::MakeWhole(
      path, [&](const std::string& unfinished) { return StoreFile::Format(unfinished, settings.vfs, key, random); });
}

Result<std::unique_ptr<Store>> Store::Open(const std::string& path, const StoreKey& key, Random& random,
                                           const StoreSettings& settings) {
  LEASEFS_RETURN_IF_ERROR(store::CheckFile(path));
  StoreIndex index;
  Result<std::unique_ptr<StoreFile>> file = StoreFile::Open(path, settings.vfs, key, random, index);
  if (!file.ok()) return std::move(file).error().Context(path);
  return std::unique_ptr<Store>(new EmbeddedStore(settings, std::move(*file), std::move(index)));
}

}  // namespace leasefs
