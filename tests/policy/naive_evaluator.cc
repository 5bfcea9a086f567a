#include "tests/policy/naive_evaluator.h"

#include <algorithm>
#include <sstream>

namespace leasefs::naive {
namespace {

using Names = std::vector<std::string>;

Names Components(const std::string& path) {
  Names names;
  std::istringstream stream(path);
  for (std::string name; std::getline(stream, name, '/');) names.push_back(name);
  return names;
}

bool NameMatches(const std::string& glob, const std::string& name) {
  if (glob.empty()) return name.empty();
  if (glob[0] == '*') return NameMatches(glob.substr(1), name) || (!name.empty() && NameMatches(glob, name.substr(1)));
  return !name.empty() && glob[0] == name[0] && NameMatches(glob.substr(1), name.substr(1));
}

bool Match(const Names& pattern, size_t p, const Names& path, size_t n) {
  if (p == pattern.size()) return n == path.size();
  if (pattern[p] == "**") return Match(pattern, p + 1, path, n) || (n < path.size() && Match(pattern, p, path, n + 1));
  return n < path.size() && NameMatches(pattern[p], path[n]) && Match(pattern, p + 1, path, n + 1);
}

}  // namespace

bool Matches(const std::string& pattern, const std::string& path) {
  return Match(Components(pattern), 0, Components(path), 0);
}

int FirstAllowing(const std::vector<AllowRule>& rules, const std::string& path, const Caller& caller,
                  const std::vector<gid_t>& groups) {
  if (!caller.known()) return -1;
  for (size_t i = 0; i < rules.size(); ++i) {
    bool user = rules[i].users.empty(), group = rules[i].groups.empty();
    for (const RuleUser& each : rules[i].users) user |= each.uid == caller.uid;
    for (const RuleGroup& each : rules[i].groups) {
      group |= each.gid == caller.gid || std::count(groups.begin(), groups.end(), each.gid) > 0;
    }
    if (user && group && Matches(rules[i].path, path)) return static_cast<int>(i);
  }
  return -1;
}

}  // namespace leasefs::naive
