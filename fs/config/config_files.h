// Reads configuration files from disk and refuses those that are none, or that others than root could have written.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "fs/config/config_reader.h"
#include "fs/config/problems.h"

namespace leasefs {

class ConfigFiles {
 public:
  ConfigFiles(const ConfigFileRules& rules, Problems& problems) : rules_(rules), problems_(problems) {}

  // The text of a file of at most bounds::kFileBytes. Nothing, and at least one problem, when it cannot be used.
  // Never waits for a writer of a FIFO and reads no more than the bound.
  std::optional<std::string> Read(const std::string& path);
  // The same for the template of a [[file]] that is named at `where`.
  std::optional<std::string> ReadTemplate(const std::string& path, const SourceLocation& where);
  // `conf.d/*.toml` beside `path`, in byte order. Names that begin with '.' are left out, as a shell would.
  std::vector<std::string> DropIns(const std::string& path);
  // A store's key file: there, a regular file, and closed to all but its owner, who is root.
  void CheckKeyFile(const std::string& path, const SourceLocation& where);
  // What a backend's process is given: there and, if `secret`, closed to others. Warnings only: it may come later.
  void CheckGivenFile(const std::string& path, const SourceLocation& where, bool secret);

 private:
  struct Remedies {
    std::string missing;
    std::string_view too_large;
  };
  std::optional<std::string> Read(const std::string& path, size_t max_bytes, const Remedies& remedies);
  bool Fail(const std::string& file, std::string_view what, std::string_view remedy);
  bool CheckOwners(const std::string& path);
  bool CheckDirectory(const std::string& path, const std::string& directory);

  const ConfigFileRules rules_;
  Problems& problems_;
  std::set<std::string> checked_directories_;
};

}  // namespace leasefs
