// Rules to decision: pure functions over compiled rules. Immutable after construction, any thread.
//
// Deny by default; AND inside a rule, OR across rules; no negation; root has no implicit right (S21).
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

// The rules that speak about one path, as an index into the policy's distinct combinations. Valid for one generation only.
using RuleSetId = uint32_t;

inline constexpr int32_t kNoRule = -1;

struct Decision {
  enum class Outcome : uint8_t { kAllow, kDeny, kNeedGroups };  // kNeedGroups: uid and gid do not decide; ask again with the groups
  Outcome outcome = Outcome::kDeny;
  int32_t rule = kNoRule;  // of kAllow: the first rule that matched, in file order
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

  // `groups`: the caller's supplementary groups, or nullptr while they have not been read. Never kNeedGroups when given.
  Decision Decide(RuleSetId rules, const Caller& caller, const std::vector<gid_t>* groups) const;

  // S5: one allowed user gives user:group 0400, one allowed group root:group 0440, anything else root:root 0444.
  Ownership OwnershipFor(RuleSetId rules) const;

 private:
  struct Compiled;
  RuleSetId Intern(std::vector<uint16_t> matching) const;
  std::vector<AllowRule> rules_;
  uint64_t generation_;
  std::shared_ptr<Compiled> compiled_;
};

// "web/*/tls-*", "**". True if the whole path matches.
bool MatchesPattern(std::string_view pattern, std::string_view path);

}  // namespace leasefs
