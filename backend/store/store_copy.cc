// A copy of the file, made and read back while the store goes on.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "backend/store/store_file.h"
#include "fs/base/strings.h"
#include "fs/base/unique_fd.h"

namespace leasefs::store {
namespace {

constexpr int kPagesAtOnce = 256;  // 1 MiB
constexpr size_t kBytesAtOnce = size_t{1} << 20;

void Unlink(const std::string& path) {
  for (const char* suffix : {"", "-wal", "-journal", "-shm"}) unlink((path + suffix).c_str());
}

}  // namespace

class StoreFile::Copy final : public StoreCopy {
 public:
  Copy(const StoreFile& source, std::string path, const char* vfs)
      : source_(source), path_(std::move(path)), vfs_(vfs), copy_(source.random_) {}
  ~Copy() override {
    pages_ = PageCopy();
    target_ = Database();
    if (!whole_) Unlink(path_);
  }

  Status Begin();
  Result<bool> Step() override;

 private:
  Result<bool> CheckSome();
  Status BeginCheck();

  const StoreFile& source_;
  const std::string path_;
  const char* const vfs_;
  Database target_;
  PageCopy pages_;
  RowSet set_;  // of the source, when the last page was copied
  StoreFile copy_;
  std::optional<Loading> loading_;  // of the copy, once all pages are there
  bool whole_ = false;
};

Status StoreFile::Copy::Begin() {
  Unlink(path_);
  // Closed before SQLite opens it: closing any descriptor of a file gives up the process's locks on it.
  if (!UniqueFd(open(path_.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600)).valid())
    return ErrnoError(StrCat("create ", path_), errno);
  LEASEFS_ASSIGN_OR_RETURN(target, Database::Open(path_, vfs_));
  target_ = std::move(target);
  // What is cut by a crash is of no use to anyone, so nothing needs to be on the disk before anything else.
  LEASEFS_RETURN_IF_ERROR(target_.Run("PRAGMA synchronous=OFF; PRAGMA journal_mode=MEMORY"));
  LEASEFS_ASSIGN_OR_RETURN(pages, source_.database_.BeginCopy(target_));
  pages_ = std::move(pages);
  return Ok();
}

Result<bool> StoreFile::Copy::Step() {
  if (loading_) return CheckSome();
  LEASEFS_ASSIGN_OR_RETURN(copied, pages_.Step(kPagesAtOnce));
  if (copied) LEASEFS_RETURN_IF_ERROR(BeginCheck());
  return false;
}

Status StoreFile::Copy::BeginCheck() {
  set_ = source_.state_.set;
  target_ = Database();
  // Its pages are those of the source, which were checked when that was opened.
  LEASEFS_RETURN_IF_ERROR(copy_.OpenTables(path_, vfs_, false));
  if (copy_.id_ != source_.id_) return Error(ErrorKind::kRemote, "damaged: the copy is not of this store");
  LEASEFS_RETURN_IF_ERROR(copy_.TakeKey(SecretBuffer::CopyOf(source_.data_key_.Expose())));
  LEASEFS_ASSIGN_OR_RETURN(loading, copy_.BeginLoad());
  loading_ = std::move(loading);
  return Ok();
}

Result<bool> StoreFile::Copy::CheckSome() {
  LEASEFS_ASSIGN_OR_RETURN(checked, copy_.LoadSome(*loading_, kBytesAtOnce, nullptr));
  if (!checked) return false;
  if (copy_.state_.set != set_) return Error(ErrorKind::kRemote, "damaged: the copy is not of this moment");
  LEASEFS_RETURN_IF_ERROR(copy_.database_.Checkpoint());
  copy_.database_.TakeLogOnClose();
  whole_ = true;
  return true;
}

Result<std::unique_ptr<StoreCopy>> StoreFile::BeginCopy(const std::string& path, const char* vfs) {
  auto copy = std::make_unique<Copy>(*this, path, vfs);
  LEASEFS_RETURN_IF_ERROR(copy->Begin());
  return std::unique_ptr<StoreCopy>(std::move(copy));
}

}  // namespace leasefs::store
