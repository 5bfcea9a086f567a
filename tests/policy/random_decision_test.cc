// Ten thousand random (rules, caller, path), decided by the policy and by an evaluator that shares nothing with it.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "fs/base/strings.h"
#include "fs/policy/policy.h"
#include "tests/policy/naive_evaluator.h"

namespace leasefs {
namespace {

using Groups = std::vector<gid_t>;
using Outcome = Decision::Outcome;

// Few names, users and groups, so that most rules nearly match.
class World {
 public:
  explicit World(uint32_t seed) : random_(seed) {}

  uint32_t Below(uint32_t n) { return std::uniform_int_distribution<uint32_t>(0, n - 1)(random_); }

  std::string Path() { return Join(1 + Below(4), [this] { return Pick({"a", "b", "ab", "ba", "aab", ".a"}); }); }
  std::string Pattern() {
    return Join(1 + Below(4),
                [this] { return Pick({"a", "b", "ab", "*", "**", "a*", "*ab", "*a*", "**", "ba", ".*"}); });
  }
  std::vector<AllowRule> Rules() {
    std::vector<AllowRule> rules(Below(16));
    for (AllowRule& rule : rules) {
      rule.path = Pattern();
      do {
        rule.users.clear();
        for (uint32_t i = Below(3); i > 0; --i) rule.users.push_back({Id(), Below(3), ""});
        rule.groups.clear();
        for (uint32_t i = Below(3); i > 0; --i) rule.groups.push_back({Id(), ""});
      } while (rule.users.empty() && rule.groups.empty());
    }
    return rules;
  }
  Caller Someone() { return {Id(), Id(), Below(20) == 0 ? 0 : 1}; }
  Groups SomeGroups() {
    Groups groups;
    for (gid_t gid = 0; gid < 6; ++gid) {
      if (Below(4) == 0) groups.push_back(gid);
    }
    return groups;
  }

 private:
  uint32_t Id() { return Below(40) == 0 ? UINT32_MAX : Below(6); }
  std::string Pick(std::vector<const char*> words) { return words[Below(static_cast<uint32_t>(words.size()))]; }
  template <class Name>
  std::string Join(uint32_t count, Name name) {
    std::string path = name();
    for (uint32_t i = 1; i < count; ++i) path += "/" + name();
    return path;
  }

  std::mt19937 random_;
};

std::string Describe(const std::vector<AllowRule>& rules, const std::string& path, const Caller& caller) {
  std::string text = StrCat(path, " by ", caller.uid, ":", caller.gid, " tid ", caller.tid);
  for (const AllowRule& rule : rules) {
    text += "\n  " + rule.path + " users";
    for (const RuleUser& user : rule.users) text += StrCat(" ", user.uid);
    text += " groups";
    for (const RuleGroup& group : rule.groups) text += StrCat(" ", group.gid);
  }
  return text;
}

// Is there any choice of groups with which the caller may open the path?
bool GroupsCouldHelp(const std::vector<AllowRule>& rules, const std::string& path, const Caller& caller) {
  Groups all;
  for (const AllowRule& rule : rules) {
    for (const RuleGroup& group : rule.groups) all.push_back(group.gid);
  }
  return naive::FirstAllowing(rules, path, caller, all) >= 0;
}

void Compare(const std::vector<AllowRule>& rules, const std::string& path, const Caller& caller, const Groups& groups) {
  SCOPED_TRACE(Describe(rules, path, caller));
  Policy policy(rules, 1);
  RuleSetId id = policy.RulesFor(path);
  Decision informed = policy.Decide(id, caller, &groups);
  int expected = naive::FirstAllowing(rules, path, caller, groups);
  ASSERT_EQ(informed.outcome, expected >= 0 ? Outcome::kAllow : Outcome::kDeny);
  ASSERT_EQ(informed.rule, expected);

  // Without groups: never wrong, and undecided only if groups decide.
  Decision early = policy.Decide(id, caller, nullptr);
  int by_ids = naive::FirstAllowing(rules, path, caller, {});
  if (by_ids >= 0) {
    ASSERT_EQ(early.outcome, Outcome::kAllow);
    ASSERT_EQ(early.rule, by_ids);
    ASSERT_EQ(informed.outcome, Outcome::kAllow);
  } else {
    ASSERT_EQ(early.outcome, GroupsCouldHelp(rules, path, caller) ? Outcome::kNeedGroups : Outcome::kDeny);
  }
}

TEST(RandomDecisionTest, TenThousandAgreeWithTheNaiveEvaluator) {
  World world(20240611);
  int allowed = 0, undecided = 0;
  for (int i = 0; i < 10'000 && !testing::Test::HasFatalFailure(); ++i) {
    std::vector<AllowRule> rules = world.Rules();
    std::string path = world.Path();
    Caller caller = world.Someone();
    Groups groups = world.SomeGroups();
    Compare(rules, path, caller, groups);
    Policy policy(rules, 1);
    Outcome early = policy.Decide(policy.RulesFor(path), caller, nullptr).outcome;
    allowed += early == Outcome::kAllow;
    undecided += early == Outcome::kNeedGroups;
  }
  // The world must be such that everything happens.
  EXPECT_GT(allowed, 1000);
  EXPECT_GT(undecided, 500);
  EXPECT_LT(allowed + undecided, 9000);
}

TEST(RandomDecisionTest, RulesBelowADirectoryAreThoseOfSomePathThere) {
  World world(7);
  int below = 0;
  for (int i = 0; i < 10'000; ++i) {
    std::string pattern = world.Pattern(), directory = world.Path(), path = world.Path();
    AllowRule rule;
    rule.path = pattern;
    rule.users.push_back({1, 1, ""});
    Policy policy({rule}, 1);
    bool could = policy.Decide(policy.RulesBelow(directory), {1, 1, 1}, nullptr).outcome == Outcome::kAllow;
    SCOPED_TRACE(pattern + " below " + directory);
    if (naive::Matches(pattern, directory) || naive::Matches(pattern, directory + "/" + path)) {
      ASSERT_TRUE(could) << path;
    }
    // The other way round by a witness: what is left of the pattern after the directory, with letters for stars.
    bool witness = naive::Matches(pattern, directory);
    std::vector<std::string> rest = Split(pattern, '/');
    for (size_t from = 0; from < rest.size() && !witness; ++from) {
      std::string tail = directory;
      for (size_t k = from; k < rest.size(); ++k) {
        std::string name = rest[k];
        std::replace(name.begin(), name.end(), '*', 'z');
        tail += "/" + name;
      }
      witness = naive::Matches(pattern, tail);
    }
    ASSERT_EQ(could, witness);
    below += could;
  }
  EXPECT_GT(below, 1000);
  EXPECT_LT(below, 9000);
}

}  // namespace
}  // namespace leasefs
