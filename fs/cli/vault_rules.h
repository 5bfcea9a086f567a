// What a policy of Vault or OpenBao must allow for what trees show: the requests that the backend makes, as
// capabilities. Made of the configuration alone. Where that does not tell what a tree shows, there are the rules for
// all that it may be, each with its condition, so that the policy works and may be cut down.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "fs/config/options.h"

namespace leasefs::cli {

struct PolicyRule {
  std::set<std::string> capabilities;
  bool always = false;
  std::set<std::string> conditions;  // unless `always`: it is needed if one of these holds
};

struct PolicyRules {
  std::map<std::string, PolicyRule> paths;
  std::vector<std::string> remarks;
};

// For one identity of the backend ("": its own login), in the backend's namespace.
PolicyRules RulesFor(const Config& config, const BackendOptions& backend, const std::string& identity);

// "a or b", with `between` between them.
std::string Joined(const std::set<std::string>& words, std::string_view between);

}  // namespace leasefs::cli
