#include "backend/lease/file_lease_list.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "fs/base/limits.h"
#include "fs/base/strings.h"

namespace leasefs::lease {
namespace {

constexpr std::string_view kMagic = "leasefs leases 1";
constexpr size_t kSaltBytes = 16;
constexpr size_t kMaxText = 16384;
constexpr size_t kMaxFile = size_t{256} << 20;
constexpr uint64_t kSlack = uint64_t{64} << 10;
constexpr Duration kAgain = std::chrono::seconds(10);

Digest Chain(const Digest& before, std::span<const std::byte> piece) {
  SecretBuffer key = SecretBuffer::CopyOf(before);
  return HmacSha256(key, piece);
}

SecretBuffer Aad(uint64_t place, const Digest& chain) {
  Writer out;
  out.U64(place);
  out.Bytes(chain);
  return std::move(out).Take();
}

Status WriteAll(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoError("writing the list of leases", errno);
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return Ok();
}

Result<SecretBuffer> ReadFile(int fd) {
  struct stat info = {};
  if (fstat(fd, &info) != 0) return ErrnoError("reading the list of leases", errno);
  if (static_cast<uint64_t>(info.st_size) > kMaxFile)
    return Error(ErrorKind::kInvalid, "the list of leases is too large to be one");
  SecretBuffer content(static_cast<size_t>(info.st_size));
  for (size_t at = 0; at < content.size();) {
    ssize_t got = pread(fd, content.ExposeMutable().data() + at, content.size() - at, static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return ErrnoError("reading the list of leases", got < 0 ? errno : EIO);
    at += static_cast<size_t>(got);
  }
  return content;
}

bool IsZero(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte byte) { return byte == std::byte{0}; });
}

// WallTime::max() is an end too: of a lease that has none.
bool IsSameEnd(WallTime a, WallTime b) {
  return std::max(a, b) - std::chrono::seconds(1) <= std::min(a, b);
}

Status SyncFolderOf(const std::string& path) {
  std::string folder = path.substr(0, std::max<size_t>(path.rfind('/'), 1));
  UniqueFd fd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid() || fsync(fd.get()) != 0) return ErrnoError(StrCat("syncing ", folder), errno);
  return Ok();
}

}  // namespace

FileLeaseList::FileLeaseList(Loop& loop, std::string path, AeadKey key, std::string boot)
    : loop_(loop), path_(std::move(path)), key_(std::move(key)), boot_(std::move(boot)) {}

FileLeaseList::~FileLeaseList() {
  loop_.Cancel(timer_);
  Flush();
}

Result<std::unique_ptr<FileLeaseList>> FileLeaseList::Open(Loop& loop, std::string path, AeadKey key,
                                                           std::string boot) {
  std::unique_ptr<FileLeaseList> list(new FileLeaseList(loop, std::move(path), std::move(key), std::move(boot)));
  LEASEFS_RETURN_IF_ERROR(list->Load());
  return list;
}

Status FileLeaseList::Load() {
  file_ = UniqueFd(open(path_.c_str(), O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW));
  if (!file_.valid() && errno != ENOENT) return ErrnoError(StrCat("open ", path_), errno);
  if (!file_.valid()) return Start();
  LEASEFS_ASSIGN_OR_RETURN(content, ReadFile(file_.get()));
  if (content.size() < kMagic.size() + kSaltBytes &&
      kMagic.substr(0, content.size()) == content.ExposeText().substr(0, kMagic.size())) {
    return Start();  // a power cut while it was made
  }
  return ReadPieces(content);
}

Status FileLeaseList::ReadPieces(const SecretBuffer& file) {
  const Error damaged(ErrorKind::kInvalid, StrCat("the list of leases ", path_,
                                                  " is damaged or was sealed with another state_key: put the right key "
                                                  "back, or remove the file (what is listed then runs out by itself)"));
  std::span<const std::byte> rest = file.Expose();
  if (rest.size() < kMagic.size() + kSaltBytes || file.ExposeText().substr(0, kMagic.size()) != kMagic) return damaged;
  chain_ = Chain({}, rest.first(kMagic.size() + kSaltBytes));
  rest = rest.subspan(kMagic.size() + kSaltBytes);
  while (rest.size() >= 4) {
    uint32_t size = Reader(rest).U32();
    if (size == 0 || size > rest.size() - 4) break;  // the last one, half written
    std::span<const std::byte> sealed = rest.subspan(4, size);
    Result<SecretBuffer> changes = key_.Open(Aad(pieces_, chain_).Expose(), sealed);
    if (!changes.ok() && pieces_ > 0 && IsZero(rest.subspan(4 + size))) break;  // the same
    if (!changes.ok() || !Apply(changes->Expose())) return damaged;
    chain_ = Chain(chain_, sealed);
    ++pieces_;
    rest = rest.subspan(4 + size);
  }
  size_ = whole_size_ = file.size() - rest.size();
  if (rest.empty()) return Ok();
  if (ftruncate(file_.get(), static_cast<off_t>(size_)) != 0) return ErrnoError(StrCat("truncate ", path_), errno);
  return Ok();
}

bool FileLeaseList::Apply(std::span<const std::byte> changes) {
  Reader in(changes);
  while (in.ok() && in.rest() > 0) {
    bool there = in.Bool();
    std::string id = in.String(kMaxText);
    if (!there) {
      entries_.erase(id);
      continue;
    }
    Entry entry;
    entry.lease.id = id;
    entry.lease.identity = in.String(kMaxText);
    entry.lease.ends = WallTime(Duration(in.I64()));
    entry.secret = in.String(kMaxText);
    entry.boot = in.String(kMaxText);
    if (in.ok()) entries_[id] = std::move(entry);
  }
  return in.ok();
}

void FileLeaseList::Set(const std::string& secret, std::vector<ListedLease> leases) {
  std::vector<std::string> gone;
  for (const auto& [id, entry] : entries_) {
    bool listed =
        std::any_of(leases.begin(), leases.end(), [&, &key = id](const auto& lease) { return lease.id == key; });
    if (entry.secret == secret && entry.boot == boot_ && !listed) gone.push_back(id);
  }
  for (const std::string& id : gone) Change(id, nullptr);
  for (ListedLease& lease : leases) {
    auto known = entries_.find(lease.id);
    if (known != entries_.end() && IsSameEnd(known->second.lease.ends, lease.ends)) continue;
    Entry entry{std::move(lease), secret, boot_};
    std::string id = entry.lease.id;
    Change(id, &entry);
  }
}

std::vector<ListedLease> FileLeaseList::Left() const {
  std::vector<ListedLease> left;
  for (const auto& [id, entry] : entries_)
    if (entry.boot != boot_) left.push_back(entry.lease);
  return left;
}

void FileLeaseList::Drop(const std::string& lease_id) {
  if (entries_.count(lease_id) != 0) Change(lease_id, nullptr);
}

void FileLeaseList::Change(const std::string& id, const Entry* entry) {
  changes_.Bool(entry != nullptr);
  changes_.String(id);
  if (entry == nullptr) {
    entries_.erase(id);
  } else {
    changes_.String(entry->lease.identity);
    changes_.I64(entry->lease.ends.time_since_epoch().count());
    changes_.String(entry->secret);
    changes_.String(entry->boot);
    entries_[id] = *entry;
  }
  FlushAfter(kGather);
}

void FileLeaseList::FlushAfter(Duration wait) {
  if (timer_ != Loop::kNoTimer) return;
  timer_ = loop_.After(wait, lifetime_.Guard([this] {
    timer_ = Loop::kNoTimer;
    Flush();
  }));
}

// What could not be written is written a while later, all of it.
void FileLeaseList::Flush() {
  if (changes_.size() == 0 && problem_.empty()) return;
  SecretBuffer changes = std::move(std::exchange(changes_, Writer())).Take();
  bool anew = !problem_.empty() || size_ > 2 * whole_size_ + kSlack;
  Status done = anew ? Start() : Append(file_.get(), changes);
  problem_ = done.ok() ? "" : StrCat(done.error().message(), ": a power cut now would leave leases to run out");
  if (!done.ok()) FlushAfter(kAgain);
}

Status FileLeaseList::Append(int fd, const SecretBuffer& changes) {
  std::vector<std::byte> sealed = key_.Seal(loop_.random(), Aad(pieces_, chain_).Expose(), changes.Expose());
  Writer piece;
  piece.Bytes(sealed);
  SecretBuffer bytes = std::move(piece).Take();
  LEASEFS_RETURN_IF_ERROR(WriteAll(fd, bytes.Expose()));
  if (fdatasync(fd) != 0) return ErrnoError(StrCat("syncing ", path_), errno);
  chain_ = Chain(chain_, sealed);
  ++pieces_;
  size_ += bytes.size();
  return Ok();
}

SecretBuffer FileLeaseList::Everything() const {
  Writer out;
  for (const auto& [id, entry] : entries_) {
    out.Bool(true);
    out.String(id);
    out.String(entry.lease.identity);
    out.I64(entry.lease.ends.time_since_epoch().count());
    out.String(entry.secret);
    out.String(entry.boot);
  }
  return std::move(out).Take();
}

Status FileLeaseList::Start() {
  std::string beside = path_ + ".new";
  UniqueFd fd(open(beside.c_str(), O_RDWR | O_APPEND | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.valid()) return ErrnoError(StrCat("open ", beside), errno);
  SecretBuffer head = SecretBuffer::CopyOf(kMagic);
  head.Resize(kMagic.size() + kSaltBytes);
  loop_.random().Fill(head.ExposeMutable().subspan(kMagic.size()));
  LEASEFS_RETURN_IF_ERROR(WriteAll(fd.get(), head.Expose()));
  pieces_ = 0;
  chain_ = Chain({}, head.Expose());
  size_ = head.size();
  LEASEFS_RETURN_IF_ERROR(Append(fd.get(), Everything()));
  if (rename(beside.c_str(), path_.c_str()) != 0) return ErrnoError(StrCat("rename ", beside), errno);
  whole_size_ = size_;
  file_ = std::move(fd);
  return SyncFolderOf(path_);
}

}  // namespace leasefs::lease
