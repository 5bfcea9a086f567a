#include "fs/fuse/replier.h"

#include <sys/statvfs.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include "fs/base/errno_map.h"
#include "fs/base/limits.h"
#include "fs/base/strings.h"
#include "fs/fuse/lowlevel.h"

namespace leasefs {

namespace {

constexpr unsigned kBlockBytes = 4096;
// Always the same: a mismatch would make the kernel declare an inode bad.
constexpr uint64_t kGeneration = 1;

double Seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

timespec ToTimespec(WallTime time) {
  auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return {seconds.time_since_epoch().count(), (time - seconds).count()};
}

}  // namespace

struct stat StatOf(const Attributes& attributes) {
  struct stat st {};
  st.st_ino = attributes.id.inode();
  st.st_mode = (attributes.directory ? S_IFDIR : S_IFREG) | (attributes.permissions & 07777);
  st.st_nlink = attributes.directory ? 2 : 1;
  st.st_uid = attributes.uid;
  st.st_gid = attributes.gid;
  st.st_size = static_cast<off_t>(attributes.size);
  st.st_blksize = kBlockBytes;
  st.st_blocks = static_cast<blkcnt_t>((attributes.size + 511) / 512);
  st.st_mtim = st.st_ctim = st.st_atim = ToTimespec(attributes.changed);
  return st;
}

fuse_req* Replier::Take(bool error) {
  if (request_ == nullptr) std::abort();  // a second answer would go to somebody else's memory
  core_->metrics.Count(operation_, error);
  return std::exchange(request_, nullptr);
}

void Replier::Fail(const Error& error) {
  if (error.kind() == ErrorKind::kInternal || error.kind() == ErrorKind::kInvalid) {
    core_->Complain(StrCat(OperationName(operation_), " of inode ", id_.node, ".", id_.version, ": ", error.message()));
  }
  Errno(ErrnoOf(error.kind(), core_->gate.UsesPosixErrors(id_)));
}

void Replier::Errno(int error) {
  fuse_reply_err(Take(true), error);
}

void Replier::Ok() {
  fuse_reply_err(Take(false), 0);
}

void Replier::Entry(const Attributes& attributes) {
  fuse_entry_param entry{};
  entry.ino = attributes.id.inode();
  entry.generation = kGeneration;
  entry.attr = StatOf(attributes);
  entry.attr_timeout = Seconds(attributes.attribute_timeout);
  entry.entry_timeout = Seconds(attributes.entry_timeout);
  fuse_reply_entry(Take(false), &entry);
}

void Replier::AttributesOf(const Attributes& attributes) {
  struct stat st = StatOf(attributes);
  fuse_reply_attr(Take(false), &st, Seconds(attributes.attribute_timeout));
}

bool Replier::Handle(const Opened& opened) {
  fuse_file_info file{};
  file.fh = opened.handle;
  file.direct_io = opened.direct ? 1 : 0;
  file.keep_cache = opened.direct ? 0 : 1;  // the inode's bytes never change (S8)
  file.noflush = 1;
  return fuse_reply_open(Take(false), &file) == 0;
}

void Replier::Directory() {
  fuse_file_info file{};
  fuse_reply_open(Take(false), &file);
}

void Replier::Bytes(std::span<const std::byte> bytes) {
  fuse_reply_buf(Take(false), reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

void Replier::Sized(std::string_view bytes, size_t room) {
  if (room == 0) {
    fuse_reply_xattr(Take(false), bytes.size());
  } else if (bytes.size() > room) {
    Errno(ERANGE);
  } else {
    fuse_reply_buf(Take(false), bytes.data(), bytes.size());
  }
}

void Replier::StatFs(const Gate::Counts& counts) {
  struct statvfs fs {};
  fs.f_bsize = fs.f_frsize = kBlockBytes;
  fs.f_blocks = (counts.bytes + kBlockBytes - 1) / kBlockBytes;
  fs.f_files = counts.files;
  fs.f_namemax = kMaxNameBytes;
  fuse_reply_statfs(Take(false), &fs);
}

void Replier::Leave() {
  if (request_ != nullptr) fuse_reply_none(std::exchange(request_, nullptr));
}

}  // namespace leasefs
