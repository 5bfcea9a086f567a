#include "fs/config/config_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "fs/base/strings.h"
#include "fs/base/unique_fd.h"
#include "fs/config/bounds.h"
#include "fs/config/paths.h"
#include "fs/config/value_text.h"
#include "fs/template/template.h"

namespace leasefs {
namespace {

constexpr int kMaxLinks = 40;                                             // as the kernel
constexpr int kOpenFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;  // a FIFO does not make us wait

std::string DirectoryOf(const std::string& path) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string Words(int error_number) {
  std::array<char, 128> buffer{};
  return strerror_r(error_number, buffer.data(), buffer.size());
}

std::string_view KindOf(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

// SECURITY: the group's write bit is refused whoever the group is; it is also how an access control list shows.
std::optional<Fault> OwnerFault(const struct stat& info, const std::string& path) {
  if (info.st_uid != 0) {
    return Fault{StrCat("belongs to uid ", info.st_uid, ", not to root"), StrCat("chown root:root ", path)};
  }
  if (!S_ISLNK(info.st_mode) && (info.st_mode & 022) != 0) {
    return Fault{"may be written by others than root", StrCat("chmod go-w ", path)};
  }
  return std::nullopt;
}

// Up to one byte more than allowed. Nothing, with errno, on an error.
std::optional<std::string> ReadBounded(int fd, size_t max_bytes) {
  std::string text(max_bytes + 1, '\0');
  size_t size = 0;
  while (size < text.size()) {
    ssize_t count = read(fd, text.data() + size, text.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return std::nullopt;
    if (count == 0) break;
    size += static_cast<size_t>(count);
  }
  text.resize(size);
  return text;
}

}  // namespace

bool ConfigFiles::Fail(const std::string& file, std::string_view what, std::string_view remedy) {
  problems_.Add({file, 1, 1}, what, remedy);
  return false;
}

bool ConfigFiles::CheckDirectory(const std::string& path, const std::string& directory) {
  if (!checked_directories_.insert(directory).second) return true;
  struct stat info {};
  if (stat(directory.c_str(), &info) != 0) {
    return Fail(path, StrCat("its directory ", directory, " cannot be looked at (", Words(errno), ")"),
                "correct the path");
  }
  auto fault = OwnerFault(info, directory);
  return !fault || Fail(path, StrCat("its directory ", directory, " ", fault->what), fault->remedy);
}

// The directory entry and, for a symbolic link, each one that it leads to.
bool ConfigFiles::CheckOwners(const std::string& path) {
  std::string at = path;
  for (int links = 0; links < kMaxLinks; ++links) {
    struct stat info {};
    if (lstat(at.c_str(), &info) != 0) {
      return Fail(path, StrCat(at, " cannot be looked at (", Words(errno), ")"), "correct the path");
    }
    if (!CheckDirectory(path, DirectoryOf(at))) return false;
    if (auto fault = OwnerFault(info, at)) {
      bool link = S_ISLNK(info.st_mode);
      return Fail(path, link ? StrCat("the symbolic link ", at, " ", fault->what) : fault->what,
                  link ? StrCat("chown -h root:root ", at) : fault->remedy);
    }
    if (!S_ISLNK(info.st_mode)) return true;
    std::array<char, bounds::kFilePathBytes + 1> target{};
    ssize_t size = readlink(at.c_str(), target.data(), target.size());
    if (size < 0) return Fail(path, StrCat(at, " cannot be looked at (", Words(errno), ")"), "correct the path");
    std::string next(target.data(), static_cast<size_t>(size));
    at = next.starts_with('/') ? next : StrCat(DirectoryOf(at), "/", next);
  }
  return Fail(path, "too many symbolic links", "name the file itself");
}

std::optional<std::string> ConfigFiles::Read(const std::string& path) {
  return Read(path, bounds::kFileBytes,
              {"create it, or name another with --config FILE",
               "check that it is the right file, or split it over conf.d"});
}

std::optional<std::string> ConfigFiles::ReadTemplate(const std::string& path, const SourceLocation& where) {
  return Read(path, kMaxTemplateBytes,
              {StrCat("create it, or correct template_file at ", ToString(where)), "check that it is the right file"});
}

std::optional<std::string> ConfigFiles::Read(const std::string& path, size_t max_bytes, const Remedies& remedies) {
  auto fail = [&](std::string_view what, std::string_view remedy) {
    Fail(path, what, remedy);
    return std::nullopt;
  };
  UniqueFd file(open(path.c_str(), kOpenFlags));
  if (!file) {
    return fail(StrCat("cannot be opened (", Words(errno), ")"), remedies.missing);
  }
  struct stat info {};
  if (fstat(file.get(), &info) != 0) {
    return fail(StrCat("cannot be looked at (", Words(errno), ")"), "correct the path");
  }
  if (!S_ISREG(info.st_mode)) return fail(StrCat("is ", KindOf(info.st_mode)), "name a file");
  if (rules_.check_owner) {
    if (!CheckOwners(path)) return std::nullopt;
    // Once more for what was really opened.
    if (auto fault = OwnerFault(info, path)) return fail(fault->what, fault->remedy);
  }
  const std::string too_large = StrCat("is larger than ", SizeText(max_bytes));
  if (static_cast<uint64_t>(info.st_size) > max_bytes) return fail(too_large, remedies.too_large);
  auto text = ReadBounded(file.get(), max_bytes);
  if (!text) return fail(StrCat("cannot be read (", Words(errno), ")"), "correct the path");
  if (text->size() > max_bytes) return fail(too_large, remedies.too_large);
  return text;
}

std::vector<std::string> ConfigFiles::DropIns(const std::string& path) {
  size_t slash = path.rfind('/');
  const std::string directory = StrCat(slash == std::string::npos ? "" : path.substr(0, slash + 1), "conf.d");
  std::unique_ptr<DIR, decltype([](DIR* stream) { closedir(stream); })> stream(opendir(directory.c_str()));
  if (!stream) {
    if (errno != ENOENT) Fail(directory, StrCat("cannot be opened (", Words(errno), ")"), "make it a directory");
    return {};
  }
  struct stat info {};
  if (rules_.check_owner && fstat(dirfd(stream.get()), &info) == 0) {
    if (auto fault = OwnerFault(info, directory)) {
      Fail(directory, fault->what, fault->remedy);
      return {};
    }
  }
  std::vector<std::string> files;
  while (const dirent* entry = readdir(stream.get())) {
    std::string_view name = entry->d_name;
    if (name.starts_with('.') || !name.ends_with(".toml")) continue;
    files.push_back(StrCat(directory, "/", name));
  }
  std::sort(files.begin(), files.end());
  if (files.size() > bounds::kFiles) {
    Fail(directory, StrCat("holds ", files.size(), " files"), StrCat("keep at most ", bounds::kFiles));
    files.clear();
  }
  return files;
}

void ConfigFiles::CheckGivenFile(const std::string& path, const SourceLocation& where, bool secret) {
  if (rules_.key_files != KeyFileCheck::kAll || path.empty()) return;
  UniqueFd file(open(path.c_str(), kOpenFlags));
  struct stat info {};
  if (!file || fstat(file.get(), &info) != 0) {
    problems_.Warn(where, StrCat(path, " cannot be read (", Words(errno), "), and its backend needs it"),
                   "correct the path, or put the file there");
  } else if ((info.st_mode & 02) != 0 || (secret && (info.st_mode & 04) != 0)) {
    problems_.Warn(where, StrCat(path, " is open to everybody"), StrCat("chmod o-rwx ", path));
  }
}

void ConfigFiles::CheckKeyFile(const std::string& path, const SourceLocation& where) {
  UniqueFd file(open(path.c_str(), kOpenFlags));
  struct stat info {};
  if (!file && errno == ENOENT) {
    if (rules_.key_files != KeyFileCheck::kAll) return;
    problems_.Warn(where, StrCat("key file ", path, " is not there, so its store stays locked"),
                   "correct the path, or make it with leasefs store init");
  } else if (!file || fstat(file.get(), &info) != 0) {
    problems_.Add(where, StrCat("key file ", path, " cannot be read (", Words(errno), ")"),
                  "correct the path, or make the file readable for root");
  } else if (!S_ISREG(info.st_mode)) {
    problems_.Add(where, StrCat("key file ", path, " is ", KindOf(info.st_mode)), "name a file");
  } else if (rules_.check_owner && (info.st_uid != 0 || (info.st_mode & 077) != 0)) {
    problems_.Add(where, StrCat("key file ", path, " is open to others than root"),
                  StrCat("chown root:root ", path, " and chmod 0400 ", path));
  }
}

}  // namespace leasefs
