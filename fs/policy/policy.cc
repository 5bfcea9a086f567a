#include "fs/policy/policy.h"

#include <algorithm>

#include "fs/config/path_pattern.h"
#include "fs/policy/rule_set_table.h"

namespace leasefs {
namespace {

template <class T>
void SortUnique(std::vector<T>& values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

template <class T>
bool Contains(const std::vector<T>& sorted, T value) {
  return std::binary_search(sorted.begin(), sorted.end(), value);
}

struct CompiledRule {
  explicit CompiledRule(const AllowRule& rule) : pattern(rule.path) {
    for (const RuleUser& user : rule.users) users.push_back(user.uid);
    for (const RuleGroup& group : rule.groups) groups.push_back(group.gid);
    SortUnique(users);
    SortUnique(groups);
  }

  // SECURITY: a rule that names nobody would match everybody; the reader refuses it, and here it is no rule.
  bool names_somebody() const { return !users.empty() || !groups.empty(); }
  bool AllowsUser(uid_t uid) const { return users.empty() || Contains(users, uid); }
  bool AllowsOneOf(const std::vector<gid_t>& callers) const {
    return std::any_of(groups.begin(), groups.end(), [&](gid_t gid) { return Contains(callers, gid); });
  }

  PathPattern pattern;
  std::vector<uid_t> users;   // sorted; empty: any
  std::vector<gid_t> groups;  // sorted; empty: any
};

// S5.
Ownership Derive(const std::vector<AllowRule>& rules, const std::vector<uint32_t>& set) {
  const RuleUser* user = nullptr;
  const RuleGroup* group = nullptr;
  bool one_user = true, one_group = true, all_name_users = true;
  for (uint32_t index : set) {
    const AllowRule& rule = rules[index];
    all_name_users = all_name_users && !rule.users.empty();
    for (const RuleUser& each : rule.users) {
      one_user = one_user && (user == nullptr || user->uid == each.uid);
      if (user == nullptr) user = &each;
    }
    for (const RuleGroup& each : rule.groups) {
      one_group = one_group && (group == nullptr || group->gid == each.gid);
      if (group == nullptr) group = &each;
    }
  }
  if (user != nullptr && one_user && all_name_users) return {user->uid, user->primary_group, 0400};
  if (user == nullptr && group != nullptr && one_group) return {0, group->gid, 0440};
  return {0, 0, 0444};
}

}  // namespace

struct Policy::Compiled {
  std::vector<CompiledRule> rules;
  RuleSetTable sets;

  // The set of all rules for which `wanted` holds.
  template <class Wanted>
  RuleSetId Collect(const std::vector<AllowRule>& source, Wanted wanted) {
    std::vector<uint32_t> set;
    for (uint32_t i = 0; i < rules.size(); ++i) {
      if (rules[i].names_somebody() && wanted(rules[i].pattern)) set.push_back(i);
    }
    Ownership ownership = Derive(source, set);
    return sets.Intern(std::move(set), ownership);
  }
};

Policy::Policy(std::vector<AllowRule> rules, uint64_t generation)
    : rules_(std::move(rules)), generation_(generation), compiled_(std::make_shared<Compiled>()) {
  for (const AllowRule& rule : rules_) compiled_->rules.emplace_back(rule);
}

RuleSetId Policy::RulesFor(std::string_view path) const {
  return compiled_->Collect(rules_, [path](const PathPattern& pattern) { return pattern.Matches(path); });
}

RuleSetId Policy::RulesBelow(std::string_view path) const {
  return compiled_->Collect(rules_, [path](const PathPattern& pattern) { return pattern.CanMatchAtOrBelow(path); });
}

Decision Policy::Decide(RuleSetId rules, const Caller& caller, const std::vector<gid_t>* groups) const {
  using Outcome = Decision::Outcome;
  const RuleSet* set = compiled_->sets.Find(rules);
  // SECURITY: somebody whom the kernel could not name is nobody, also for a rule that names root (S21).
  if (set == nullptr || !caller.known()) return {Outcome::kDeny, kNoRule};
  bool groups_may_help = false;
  for (uint32_t index : set->rules) {
    const CompiledRule& rule = compiled_->rules[index];
    if (!rule.AllowsUser(caller.uid)) continue;
    if (rule.groups.empty() || Contains(rule.groups, caller.gid) || (groups != nullptr && rule.AllowsOneOf(*groups))) {
      return {Outcome::kAllow, static_cast<int32_t>(index)};
    }
    groups_may_help = true;
  }
  return {groups_may_help && groups == nullptr ? Outcome::kNeedGroups : Outcome::kDeny, kNoRule};
}

Ownership Policy::OwnershipFor(RuleSetId rules) const {
  const RuleSet* set = compiled_->sets.Find(rules);
  return set == nullptr ? Ownership{} : set->ownership;
}

bool MatchesPattern(std::string_view pattern, std::string_view path) { return PathPattern(pattern).Matches(path); }

}  // namespace leasefs
