// A configuration while it is being read: what is known so far, where each piece stands, and what is wrong with it.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "fs/config/config_reader.h"
#include "fs/config/options.h"
#include "fs/config/problems.h"

namespace leasefs {

struct Draft {
  explicit Draft(const AccountDatabase& account_database) : accounts(account_database) {}

  // Where a setting's value stands ("limits.value"), or the start of the main file for a default.
  SourceLocation Where(const std::string& setting) const {
    auto found = settings.find(setting);
    return found != settings.end() ? found->second : SourceLocation{main_file, 1, 1};
  }
  bool Given(const std::string& setting) const { return settings.contains(setting); }

  const AccountDatabase& accounts;
  Config config;
  Problems problems;
  std::string main_file;
  bool complete = true;  // false: a file could not be read or is not TOML, so that what is missing may be in it

  std::map<std::string, SourceLocation> settings;  // every one given outside of arrays of tables, by full name

  std::set<std::string> unread_backends;  // their type is wrong, so that nothing else of them was looked at

  struct TreePlaces {
    SourceLocation path, source;
  };
  std::vector<TreePlaces> tree_places;       // beside config.trees
  std::vector<SourceLocation> rule_places;   // beside config.rules: where the path stands
  struct FilePlaces {
    SourceLocation path, text;
    std::vector<SourceLocation> secrets;
  };
  std::vector<FilePlaces> file_places;       // beside config.files
};

}  // namespace leasefs
