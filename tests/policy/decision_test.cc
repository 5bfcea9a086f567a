#include <gtest/gtest.h>

#include "fs/policy/policy.h"

namespace leasefs {
namespace {

using Groups = std::vector<gid_t>;
using Outcome = Decision::Outcome;

AllowRule Rule(std::string path, std::vector<uid_t> users, Groups groups) {
  AllowRule rule;
  rule.path = std::move(path);
  for (uid_t uid : users) rule.users.push_back({uid, uid, ""});
  for (gid_t gid : groups) rule.groups.push_back({gid, ""});
  return rule;
}

Caller Who(uid_t uid, gid_t gid = 999) { return {uid, gid, 1}; }

// "+N": allowed by rule N, "-": denied, "?": needs groups.
std::string Ask(const Policy& policy, const std::string& path, const Caller& caller, const Groups* groups = nullptr) {
  Decision decision = policy.Decide(policy.RulesFor(path), caller, groups);
  if (decision.outcome == Outcome::kAllow) return "+" + std::to_string(decision.rule);
  EXPECT_EQ(decision.rule, kNoRule);
  return decision.outcome == Outcome::kDeny ? "-" : "?";
}
std::string Ask(const Policy& policy, const std::string& path, const Caller& caller, const Groups& groups) {
  return Ask(policy, path, caller, &groups);
}

// S21
TEST(PolicyTest, DeniesByDefault) {
  Policy empty({}, 1);
  EXPECT_EQ(Ask(empty, "a/b", Who(0)), "-");
  EXPECT_EQ(Ask(empty, "a/b", Who(0), Groups{0}), "-");
  Policy policy({Rule("a/**", {1}, {})}, 1);
  EXPECT_EQ(Ask(policy, "b/c", Who(1)), "-");
  EXPECT_EQ(Ask(policy, "a/c", Who(2)), "-");
}

TEST(PolicyTest, RootHasNoImplicitRight) {
  Policy policy({Rule("a/**", {1}, {}), Rule("b/**", {}, {5}), Rule("root/**", {0}, {})}, 1);
  EXPECT_EQ(Ask(policy, "a/x", Who(0, 0)), "-");
  EXPECT_EQ(Ask(policy, "b/x", Who(0, 0), Groups{0}), "-");
  EXPECT_EQ(Ask(policy, "root/x", Who(0, 0)), "+2");
}

TEST(PolicyTest, UnknownCallersAreDeniedWhateverTheRulesSay) {
  constexpr auto kUnmapped = static_cast<uid_t>(-1);
  Policy policy({Rule("**", {0, kUnmapped}, {}), Rule("**", {}, {0, kUnmapped})}, 1);
  for (const Caller& caller : {Caller{0, 0, 0}, Caller{kUnmapped, 0, 1}, Caller{0, kUnmapped, 1}}) {
    EXPECT_EQ(Ask(policy, "a/x", caller), "-");
    EXPECT_EQ(Ask(policy, "a/x", caller, Groups{0}), "-");
  }
  EXPECT_EQ(Ask(policy, "a/x", Caller{0, 0, 1}), "+0");
}

TEST(PolicyTest, ARuleThatNamesNobodyIsNoRule) {
  Policy policy({Rule("**", {}, {})}, 1);
  EXPECT_EQ(Ask(policy, "a/x", Who(0)), "-");
  EXPECT_EQ(policy.OwnershipFor(policy.RulesFor("a/x")).mode, mode_t{0444});
}

TEST(PolicyTest, ARuleWithUserAndGroupNeedsBoth) {
  Policy policy({Rule("**", {1, 2}, {10, 11})}, 1);
  EXPECT_EQ(Ask(policy, "a", Who(1), Groups{10}), "+0");
  EXPECT_EQ(Ask(policy, "a", Who(2), Groups{5, 11, 20}), "+0");
  EXPECT_EQ(Ask(policy, "a", Who(1), Groups{5}), "-");
  EXPECT_EQ(Ask(policy, "a", Who(3), Groups{10, 11}), "-");
}

TEST(PolicyTest, TheCallersOwnGidIsAGroupAsInASetgidProgram) {
  Policy policy({Rule("**", {}, {10})}, 1);
  EXPECT_EQ(Ask(policy, "a", Who(1, 10)), "+0");
  EXPECT_EQ(Ask(policy, "a", Who(1, 11), Groups{}), "-");
}

TEST(PolicyTest, AsksForGroupsOnlyIfTheyCanDecide) {
  Policy policy({Rule("a/**", {1}, {10}), Rule("b/**", {}, {10}), Rule("c/**", {1}, {}), Rule("d/**", {2}, {10}),
                 Rule("d/**", {1}, {})},
                1);
  EXPECT_EQ(Ask(policy, "a/x", Who(1)), "?");
  EXPECT_EQ(Ask(policy, "a/x", Who(2)), "-");
  EXPECT_EQ(Ask(policy, "a/x", Who(1, 10)), "+0");
  EXPECT_EQ(Ask(policy, "b/x", Who(2)), "?");
  EXPECT_EQ(Ask(policy, "b/x", Who(2, 10)), "+1");
  EXPECT_EQ(Ask(policy, "c/x", Who(2)), "-");
  EXPECT_EQ(Ask(policy, "d/x", Who(1)), "+4");
  EXPECT_EQ(Ask(policy, "d/x", Who(2)), "?");
  EXPECT_EQ(Ask(policy, "e/x", Who(1)), "-");
}

TEST(PolicyTest, NamesTheFirstRuleThatDecides) {
  Policy policy({Rule("**", {}, {10}), Rule("a/*", {1}, {}), Rule("a/**", {1}, {})}, 1);
  // Groups are not read for the better name of a rule that would match too.
  EXPECT_EQ(Ask(policy, "a/x", Who(1)), "+1");
  EXPECT_EQ(Ask(policy, "a/x", Who(1), Groups{10}), "+0");
  EXPECT_EQ(Ask(policy, "a/x", Who(1), Groups{11}), "+1");
  EXPECT_EQ(Ask(policy, "a/x/y", Who(1)), "+2");
}

TEST(PolicyTest, AnIdThatWasNeverGivenIsDenied) {
  Policy policy({Rule("**", {1}, {})}, 1);
  for (RuleSetId id : {0u, 1u, 63u, 64u, 1000000u, UINT32_MAX}) {
    EXPECT_EQ(policy.Decide(id, Who(1), nullptr).outcome, Outcome::kDeny);
    EXPECT_EQ(policy.OwnershipFor(id).mode, mode_t{0444});
  }
}

TEST(PolicyTest, KnowsItsGenerationAndRules) {
  Policy policy({Rule("a", {1}, {}), Rule("b", {1}, {})}, 42);
  EXPECT_EQ(policy.generation(), 42u);
  EXPECT_EQ(policy.rules()[1].path, "b");
}

}  // namespace
}  // namespace leasefs
