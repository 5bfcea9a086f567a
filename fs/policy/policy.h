// Rules to decision: pure functions over compiled rules. Immutable after construction, any thread.
//
// Deny by default; AND inside a rule, OR across rules; no negation; root has no implicit right (S21). The caller's
// gid counts as one of its groups, so that a setgid program's group can be named.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fs/caller/caller.h"
#include "fs/config/options.h"

namespace leasefs {

// The rules that speak about one path, as an index into the policy's distinct combinations. Valid for one generation
// only.
using RuleSetId = uint32_t;

inline constexpr int32_t kNoRule = -1;

struct Decision {
  // kNeedGroups: uid and gid do not decide; ask again with the groups.
  enum class Outcome : uint8_t { kAllow, kDeny, kNeedGroups };
  Outcome outcome = Outcome::kDeny;
  // Of kAllow: the first rule, in file order, that matches by what was given. Without groups that is the first one
  // that uid and gid decide alone, although an earlier one might match by the groups too: reading those only for a
  // better name would cost much.
  int32_t rule = kNoRule;
};

struct Ownership {  // S5
  uid_t uid = 0;
  gid_t gid = 0;
  mode_t mode = 0444;
};

class Policy {
 public:
  // `generation` counts loads; it is in every audit record.
  Policy(std::vector<AllowRule> rules, uint64_t generation);

  uint64_t generation() const { return generation_; }
  const std::vector<AllowRule>& rules() const { return rules_; }

  // `path`: components joined by '/', as on the mount. O(rules); the answer is meant to be kept for the generation.
  RuleSetId RulesFor(std::string_view path) const;
  // Rules that could allow something at or below the directory `path`: for hidden trees (S22).
  RuleSetId RulesBelow(std::string_view path) const;

  // `groups`: the caller's supplementary groups, sorted, or nullptr while they have not been read. Never kNeedGroups
  // when given, and without them only if some rule would match for a caller of this uid with the right ones.
  // Lock-free, no allocation. An id that this policy has not given is denied.
  Decision Decide(RuleSetId rules, const Caller& caller, const std::vector<gid_t>* groups) const;

  // S5: one allowed user gives user:group 0400, one allowed group root:group 0440, anything else root:root 0444. Over
  // all rules of the set: a user counts when every rule names users and there is one in all of them together, a group
  // when no rule names a user.
  Ownership OwnershipFor(RuleSetId rules) const;

 private:
  struct Compiled;
  std::vector<AllowRule> rules_;
  uint64_t generation_;
  std::shared_ptr<Compiled> compiled_;  // copies of a policy share it; ids of one are ids of the other
};

// "web/*/tls-*", "**". True if the whole path matches. fs/config/path_pattern.h says what matches what.
bool MatchesPattern(std::string_view pattern, std::string_view path);

}  // namespace leasefs
