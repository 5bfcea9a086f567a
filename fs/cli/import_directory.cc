#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "fs/base/limits.h"
#include "fs/base/strings.h"
#include "fs/cli/import_source.h"
#include "fs/cli/json_import.h"
#include "fs/cli/read_file.h"

namespace leasefs::cli {
namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};

std::string Joined(const std::string& directory, const std::string& name) {
  return directory.empty() ? name : StrCat(directory, '/', name);
}

// Names in the directory, sorted.
Result<std::vector<std::string>> NamesIn(int directory, const std::string& shown) {
  const int copy = fcntl(directory, F_DUPFD_CLOEXEC, 0);
  const std::unique_ptr<DIR, CloseDirectory> stream(copy < 0 ? nullptr : fdopendir(copy));
  if (!stream) {
    Error error = ErrnoError(StrCat("reading ", shown), errno, ErrorKind::kInvalid);
    if (copy >= 0) close(copy);
    return error;
  }
  rewinddir(stream.get());  // the descriptors share one position
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = readdir(stream.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
    if (names.size() > kMaxImportedKeys)
      return Error(ErrorKind::kInvalid, StrCat(shown, ": more than ", kMaxImportedKeys, " names"));
    errno = 0;
  }
  if (errno != 0) return ErrnoError(StrCat("reading ", shown), errno, ErrorKind::kInvalid);
  std::sort(names.begin(), names.end());
  return names;
}

class DirectorySource : public ImportSource {
 public:
  explicit DirectorySource(std::string name) : name_(std::move(name)) {}

  Status Scan() {
    root_ = UniqueFd(open(name_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!root_) return ErrnoError(StrCat("opening ", Printable(name_)), errno, ErrorKind::kInvalid);
    return ScanBelow(root_.get(), "", 0);
  }

  const std::vector<Secret>& secrets() const override { return secrets_; }

  Result<std::vector<protocol::Field>> Take(size_t index) override {
    const Secret& secret = secrets_[index];
    LEASEFS_ASSIGN_OR_RETURN(directory, OpenBelow(secret.path));
    std::vector<protocol::Field> fields;
    for (const auto& [key, size] : secret.keys) {
      const std::string shown = Shown(Joined(secret.path, key));
      LEASEFS_ASSIGN_OR_RETURN(file, OpenFile(directory.get(), key, shown));
      LEASEFS_ASSIGN_OR_RETURN(value, ReadToEnd(file.get(), shown, kHardMaxValueBytes));
      fields.push_back({.key = key, .too_large = false, .value = std::move(value)});
    }
    return fields;
  }

 private:
  std::string Shown(const std::string& path) const { return Printable(Joined(name_, path), 1000); }

  // Depth is bounded, so is the recursion.
  Status ScanBelow(int directory, const std::string& path, size_t depth) {
    if (depth > kMaxImportDepth)
      return Error(ErrorKind::kInvalid, StrCat(Shown(path), ": nested deeper than ", kMaxImportDepth));
    LEASEFS_ASSIGN_OR_RETURN(names, NamesIn(directory, Shown(path)));
    Secret secret{.path = path, .keys = {}};
    std::vector<std::string> folders;
    uint64_t bytes = 0;
    for (const std::string& name : names) {
      struct stat info {};
      const std::string shown = Shown(Joined(path, name));
      if (fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
        return ErrnoError(shown, errno, ErrorKind::kInvalid);
      }
      if (S_ISDIR(info.st_mode)) {
        folders.push_back(name);
        continue;
      }
      LEASEFS_RETURN_IF_ERROR(CheckFile(info, shown));
      bytes += static_cast<uint64_t>(info.st_size);
      secret.keys.emplace_back(name, static_cast<uint64_t>(info.st_size));
    }
    if (secret.keys.size() > kMaxKeysPerSecret) {
      return Error(ErrorKind::kInvalid,
                   StrCat(Shown(path), ": more than ", kMaxKeysPerSecret, " files, the most keys of one secret"));
    }
    if (bytes > kMaxSecretBytes) {
      return Error(ErrorKind::kTooLarge,
                   StrCat(Shown(path), ": more than ", kMaxSecretBytes, " bytes, the most of one secret"));
    }
    keys_ += secret.keys.size();
    if (keys_ > kMaxImportedKeys)
      return Error(ErrorKind::kInvalid, StrCat(Shown(path), ": more than ", kMaxImportedKeys, " files in all"));
    if (!secret.keys.empty()) secrets_.push_back(std::move(secret));
    for (const std::string& folder : folders) {
      const std::string below = Joined(path, folder);
      const UniqueFd child(openat(directory, folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!child) return ErrnoError(StrCat("opening ", Shown(below)), errno, ErrorKind::kInvalid);
      LEASEFS_RETURN_IF_ERROR(ScanBelow(child.get(), below, depth + 1));
    }
    return Ok();
  }

  static Status CheckFile(const struct stat& info, const std::string& shown) {
    if (S_ISLNK(info.st_mode)) {
      return Error(ErrorKind::kInvalid,
                   StrCat(shown, ": a symbolic link is not followed: import what it points to, or take it away"));
    }
    if (!S_ISREG(info.st_mode)) return Error(ErrorKind::kInvalid, StrCat(shown, ": neither a file nor a directory"));
    if (static_cast<uint64_t>(info.st_size) > kHardMaxValueBytes) {
      return Error(ErrorKind::kTooLarge,
                   StrCat(shown, ": more than ", kHardMaxValueBytes, " bytes, the most that a value can have"));
    }
    return Ok();
  }

  Result<UniqueFd> OpenBelow(const std::string& path) const {
    UniqueFd at(fcntl(root_.get(), F_DUPFD_CLOEXEC, 0));
    if (!at) return ErrnoError(Shown(path), errno, ErrorKind::kInvalid);
    if (path.empty()) return at;
    for (const std::string& name : Split(path, '/')) {
      at = UniqueFd(openat(at.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!at) return ErrnoError(StrCat("opening ", Shown(path)), errno, ErrorKind::kInvalid);
    }
    return at;
  }

  // It may be another file than the one that was scanned: look again.
  static Result<UniqueFd> OpenFile(int directory, const std::string& name, const std::string& shown) {
    UniqueFd file(openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (!file) return ErrnoError(StrCat("opening ", shown), errno, ErrorKind::kInvalid);
    struct stat info {};
    if (fstat(file.get(), &info) != 0) return ErrnoError(shown, errno, ErrorKind::kInvalid);
    LEASEFS_RETURN_IF_ERROR(CheckFile(info, shown));
    return file;
  }

  std::string name_;
  UniqueFd root_;
  std::vector<Secret> secrets_;
  size_t keys_ = 0;
};

}  // namespace

Result<std::unique_ptr<ImportSource>> OpenDirectory(const std::string& directory) {
  auto source = std::make_unique<DirectorySource>(directory);
  LEASEFS_RETURN_IF_ERROR(source->Scan());
  return std::unique_ptr<ImportSource>(std::move(source));
}

}  // namespace leasefs::cli
