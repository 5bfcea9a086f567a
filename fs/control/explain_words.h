// Why a rule did or did not match, in words. The decision itself comes from the policy; this only tells its reasons.
#pragma once

#include <cstddef>
#include <string>

#include "fs/control/reports.h"

namespace leasefs::control {

// path = "web/**", user = ["www-data"]
std::string RuleText(const AllowRule& rule);

// The rule speaks about the directory that the path is in, and not about the path.
bool CoversDirectory(const ExplainReport& report, size_t index);
std::string RuleLocation(const AllowRule& rule);  // file:line:column

struct RuleVerdict {
  bool matches = false;
  std::string why;
};
RuleVerdict JudgeRule(const ExplainReport& report, const ExplainQuestion& question, size_t index);

// One sentence: the decision, the rule that made it, and, for a refusal, what would help.
std::string DecisionText(const ExplainReport& report, const ExplainQuestion& question);

}  // namespace leasefs::control
