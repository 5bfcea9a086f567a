#include "fs/control/explain_words.h"

#include <algorithm>

#include "fs/base/strings.h"

namespace leasefs::control {
namespace {

template <class Selector>
std::string Names(const std::vector<Selector>& selectors) {
  std::string text;
  for (const Selector& selector : selectors) {
    text += StrCat(text.empty() ? "" : ", ", "\"", Printable(selector.name), "\"");
  }
  return text;
}

bool HasUser(const AllowRule& rule, uid_t uid) {
  return std::any_of(rule.users.begin(), rule.users.end(), [&](const RuleUser& user) { return user.uid == uid; });
}

bool HasGroup(const AllowRule& rule, const ExplainQuestion& question) {
  return std::any_of(rule.groups.begin(), rule.groups.end(), [&](const RuleGroup& group) {
    return group.gid == question.gid ||
           std::find(question.groups.begin(), question.groups.end(), group.gid) != question.groups.end();
  });
}

}  // namespace

bool CoversDirectory(const ExplainReport& report, size_t index) {
  return index < report.covers_directory.size() && report.covers_directory[index];
}

std::string RuleLocation(const AllowRule& rule) {
  return StrCat(rule.where.file, ":", rule.where.line, ":", rule.where.column);
}

std::string RuleText(const AllowRule& rule) {
  std::string text = StrCat("path = \"", Printable(rule.path), "\"");
  if (!rule.users.empty()) text += StrCat(", user = [", Names(rule.users), "]");
  if (!rule.groups.empty()) text += StrCat(", group = [", Names(rule.groups), "]");
  return text;
}

RuleVerdict JudgeRule(const ExplainReport& report, const ExplainQuestion& question, size_t index) {
  const AllowRule& rule = report.rules.at(index);
  if (CoversDirectory(report, index)) {
    const std::string directory = Printable(rule.path);
    return {false, StrCat("its path is that of the directory, not of the files in it: write \"", directory,
                          "/*\" (or \"/**\")")};
  }
  if (!report.covers_path.at(index)) return {false, "its path does not cover this one"};
  if (!rule.users.empty() && !HasUser(rule, question.uid)) {
    return {false, StrCat("uid ", question.uid, " is not ", Names(rule.users))};
  }
  if (!rule.groups.empty() && !HasGroup(rule, question)) {
    return {false, StrCat("the caller is in no group of ", Names(rule.groups))};
  }
  if (report.decision.rule >= 0 && static_cast<size_t>(report.decision.rule) != index) {
    return {true, "matches too; an earlier rule decides"};
  }
  return {true, "decides"};
}

std::string DecisionText(const ExplainReport& report, const ExplainQuestion& question) {
  std::string who = StrCat("uid ", question.uid, ", gid ", question.gid);
  std::string path = Printable(report.path, 1000);
  if (report.decision.outcome == Decision::Outcome::kAllow) {
    std::string by;
    if (report.decision.rule >= 0 && static_cast<size_t>(report.decision.rule) < report.rules.size()) {
      const AllowRule& rule = report.rules[static_cast<size_t>(report.decision.rule)];
      by = StrCat(" by the rule at ", RuleLocation(rule), ": ", RuleText(rule));
    }
    return StrCat(who, " may open ", path, by);
  }
  bool covered = std::find(report.covers_path.begin(), report.covers_path.end(), true) != report.covers_path.end();
  return StrCat(who, " may not open ", path,
                covered ? ": no rule that covers it names this caller" : ": no rule covers it",
                "; an [[allow]] entry would let them in");
}

}  // namespace leasefs::control
