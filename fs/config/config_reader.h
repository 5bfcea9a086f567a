// Reads the TOML configuration. All or nothing (S24): a Config, or every error found, each with file:line:column.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "fs/base/result.h"
#include "fs/config/options.h"

namespace leasefs {

// Names to numbers. The real one asks getpwnam_r and getgrnam_r; a test's is a table.
class AccountDatabase {
 public:
  virtual ~AccountDatabase() = default;
  virtual std::optional<RuleUser> User(const std::string& name) const = 0;   // also "#1000"-less numbers given as TOML integers
  virtual std::optional<RuleGroup> Group(const std::string& name) const = 0;
};
const AccountDatabase& SystemAccounts();

struct ConfigFileRules {
  bool check_owner = true;           // refuse files that others than root may write; off for tests that are not root
};

// `path` and, in lexical order, `conf.d/*.toml` beside it; arrays of tables append, any other key given twice is an error.
// Blocks on file I/O. Error: kInvalid; the message has one line for each problem, "FILE:LINE:COLUMN: what: what to do".
Result<Config> LoadConfig(const std::string& path, const AccountDatabase& accounts, const ConfigFileRules& rules = {});
// One file from memory; for tests, fuzzing and documents.
Result<Config> ParseConfig(const std::string& text, const std::string& file_name, const AccountDatabase& accounts);

}  // namespace leasefs
