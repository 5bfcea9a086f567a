// Reads the TOML configuration. All or nothing (S24): a Config, or every error found, each with file:line:column.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "fs/base/result.h"
#include "fs/config/options.h"

namespace leasefs {

// Names to numbers. The real one asks getpwnam_r and getgrnam_r; a test's is a table.
class AccountDatabase {
 public:
  virtual ~AccountDatabase() = default;
  virtual std::optional<RuleUser> User(const std::string& name) const = 0;
  virtual std::optional<RuleGroup> Group(const std::string& name) const = 0;
  // A number need not be in the database: containers have users of their own. Such a user's primary group is taken to
  // have the same number; it is only shown (S5), since mode 0400 gives a group nothing.
  virtual RuleUser UserByNumber(uid_t uid) const;
  virtual RuleGroup GroupByNumber(gid_t gid) const;
};
// May block on the name service. Any thread.
const AccountDatabase& SystemAccounts();

enum class KeyFileCheck : uint8_t {
  kNone,      // for what makes the files, and for those who cannot look at them
  kUnusable,  // others than root may read it, or it is no file: an error
  kAll,       // and that it is missing: a warning, since a store may not be made yet
};

struct ConfigFileRules {
  // Refuse files that others than root may write; off for tests that are not root.
  bool check_owner = true;
  KeyFileCheck key_files = KeyFileCheck::kNone;
};

// `path` and, in lexical order, `conf.d/*.toml` beside it; arrays of tables append, any other key given twice is an
// error. Blocks on file I/O. Error: kInvalid; the message has one line for each problem, "FILE:LINE:COLUMN: what:
// what to do".
Result<Config> LoadConfig(const std::string& path, const AccountDatabase& accounts, const ConfigFileRules& rules = {});
// One file from memory; for tests, fuzzing and documents.
Result<Config> ParseConfig(const std::string& text, const std::string& file_name, const AccountDatabase& accounts);

}  // namespace leasefs
