#include "fs/cli/environment_source.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <optional>

#include "fs/base/limits.h"
#include "fs/base/strings.h"
#include "fs/base/unique_fd.h"
#include "fs/cli/dotenv.h"
#include "fs/cli/read_file.h"
#include "fs/template/forms.h"

namespace leasefs::cli {
namespace {

constexpr int kMaxTries = 8;  // to find a secret that does not change while it is read

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};

// "" where there is no such attribute: PATH may lie on any filesystem.
std::string Attribute(int fd, const char* name) {
  std::array<char, 64> text{};
  const ssize_t size = fgetxattr(fd, name, text.data(), text.size());
  return size <= 0 ? std::string() : std::string(text.data(), static_cast<size_t>(size));
}

Failure CannotRead(const std::string& what, int error_number) {
  std::string hint = "is it a path on the mount?";
  if (error_number == EACCES) hint = "no rule allows it: `leasefs explain` tells which are there";
  if (error_number != EACCES && error_number != ENOENT && error_number != ENOTDIR)
    hint = "`leasefs stat` tells how the secret is";
  return LocalFailure(ErrnoError(what, error_number, ErrorKind::kInvalid), hint);
}

// Forms and files that lie beside the keys are no keys, and need not be such that the caller may open them.
bool IsKey(const std::string& directory, const std::string& name) {
  std::array<char, 16> kind{};
  const ssize_t size = getxattr(StrCat(directory, "/", name).c_str(), "user.leasefs.kind", kind.data(), kind.size());
  if (size > 0) return std::string_view(kind.data(), static_cast<size_t>(size)) == "key";
  return std::none_of(kForms.begin(), kForms.end(), [&](Form form) { return name == FormFileName(form); });
}

Outcome<EnvironmentEntry> MakeEntry(const std::string& path, const std::string& name, const SecretBuffer& value) {
  const std::string key = StrCat(path, ": the key ", Printable(name, 64));
  if (!IsVariableName(name)) {
    return Failure{Exit::kLocal, "invalid", key + " is no identifier, so no variable can have its name",
                   "rename it: letters, digits and _, no digit first"};
  }
  const auto bytes = value.Expose();
  if (std::find(bytes.begin(), bytes.end(), std::byte{0}) != bytes.end()) {
    return Failure{Exit::kLocal, "invalid", key + " has a NUL, which no variable can hold", "read it as a file"};
  }
  EnvironmentEntry entry{name, {}};
  entry.text.Reserve(name.size() + value.size() + 2);
  entry.text.Append(name);
  entry.text.Append("=");
  entry.text.Append(value.Expose());
  entry.text.Append(std::string_view("\0", 1));
  return entry;
}

Outcome<std::vector<EnvironmentEntry>> ReadDirectoryOnce(int fd, const std::string& path) {
  UniqueFd again(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const std::unique_ptr<DIR, CloseDirectory> directory(again ? fdopendir(again.get()) : nullptr);
  if (!directory) return CannotRead("reading " + path, errno);
  (void)again.Release();
  std::vector<std::string> names;
  while (const dirent* entry = readdir(directory.get())) names.emplace_back(entry->d_name);
  std::sort(names.begin(), names.end());
  std::vector<EnvironmentEntry> entries;
  for (const std::string& name : names) {
    const std::string shown = StrCat(path, "/", Printable(name, 64));
    struct stat info {};
    if (fstatat(fd, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return CannotRead("looking at " + shown, errno);
    if (!S_ISREG(info.st_mode)) continue;  // a folder below the secret
    if (!IsKey(path, name)) continue;
    const UniqueFd file(openat(fd, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (!file) return CannotRead("opening " + shown, errno);
    LEASEFS_ASSIGN_OR_RETURN(value, Local(ReadToEnd(file.get(), shown, kHardMaxValueBytes), "read it as a file"));
    LEASEFS_ASSIGN_OR_RETURN(entry, MakeEntry(path, name, value));
    entries.push_back(std::move(entry));
  }
  return entries;
}

// Until the secret has the same version before and after.
Outcome<std::vector<EnvironmentEntry>> ReadSecretDirectory(int fd, const std::string& path) {
  for (int tries = 0; tries < kMaxTries; ++tries) {
    const std::string before = Attribute(fd, "user.leasefs.version");
    LEASEFS_ASSIGN_OR_RETURN(entries, ReadDirectoryOnce(fd, path));
    if (Attribute(fd, "user.leasefs.version") == before) return std::move(entries);
  }
  return Failure{Exit::kLocal, "unreachable", path + " changes all the time", "try again"};
}

Outcome<std::vector<EnvironmentEntry>> ReadLines(int fd, const std::string& path) {
  LEASEFS_ASSIGN_OR_RETURN(text, Local(ReadToEnd(fd, path, kMaxSecretBytes), "name a secret's directory"));
  LEASEFS_ASSIGN_OR_RETURN(fields, Local(ParseDotenv(path, text), "name a secret's directory, or its form .env"));
  std::vector<EnvironmentEntry> entries;
  for (const protocol::Field& field : fields) {
    LEASEFS_ASSIGN_OR_RETURN(entry, MakeEntry(path, field.key, field.value));
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace

Outcome<std::vector<EnvironmentEntry>> ReadEnvironmentFrom(const std::string& path) {
  const UniqueFd place(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  struct stat info {};
  if (!place || fstat(place.get(), &info) != 0) return CannotRead("opening " + path, errno);
  if (Attribute(place.get(), "user.leasefs.scope") == "open") {
    return Failure{Exit::kLocal, "invalid",
                   path + ": each open has a lease of its own that ends at its close, so what is read here would be of "
                          "no use to a program",
                   "set lease_scope = \"process\" or \"uid\" on its tree"};
  }
  LEASEFS_ASSIGN_OR_RETURN(
      entries, S_ISDIR(info.st_mode) ? ReadSecretDirectory(place.get(), path) : ReadLines(place.get(), path));
  if (entries.empty()) {
    return Failure{Exit::kLocal, "not_found", path + " has no keys", "name a secret's directory, not one above it"};
  }
  return std::move(entries);
}

}  // namespace leasefs::cli
