#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

#include "fs/base/strings.h"
#include "fs/policy/policy.h"
#include "fs/policy/rule_set_table.h"

namespace leasefs {
namespace {

AllowRule Rule(std::string path, uid_t uid) {
  AllowRule rule;
  rule.path = std::move(path);
  rule.users.push_back({uid, uid, ""});
  return rule;
}

TEST(RuleSetTest, PathsWithTheSameRulesShareANumber) {
  Policy policy({Rule("a/**", 1), Rule("**/key", 2)}, 1);
  EXPECT_EQ(policy.RulesFor("a/x"), policy.RulesFor("a/y/z"));
  EXPECT_NE(policy.RulesFor("a/x"), policy.RulesFor("a/key"));
  EXPECT_EQ(policy.RulesFor("nothing"), policy.RulesFor("here"));
}

TEST(RuleSetTest, RulesBelowADirectoryAreThoseThatCouldMatchThere) {
  Policy policy({Rule("a/b/*", 1), Rule("c/**", 2), Rule("**/key", 3)}, 1);
  auto opens = [&](const std::string& directory, uid_t uid) {
    return policy.Decide(policy.RulesBelow(directory), {uid, uid, 1}, nullptr).outcome == Decision::Outcome::kAllow;
  };
  EXPECT_TRUE(opens("", 1) && opens("", 2) && opens("", 3));
  EXPECT_TRUE(opens("a", 1) && opens("a/b", 1) && opens("a/b/x", 1));
  EXPECT_FALSE(opens("a/c", 1) || opens("c", 1) || opens("a/b/x/y", 1));
  EXPECT_TRUE(opens("c", 2) && opens("c/d/e", 2));
  EXPECT_FALSE(opens("a", 2));
  EXPECT_TRUE(opens("z/y", 3));
}

TEST(RuleSetTableTest, NumbersManySetsAndMovesNone) {
  RuleSetTable table;
  std::vector<const RuleSet*> seen;
  for (uint32_t i = 0; i < 5000; ++i) {
    ASSERT_EQ(table.Intern({i, i + 1}, {i, i, 0400}), i);
    seen.push_back(table.Find(i));
  }
  EXPECT_EQ(table.Find(5000), nullptr);
  EXPECT_EQ(table.Find(UINT32_MAX), nullptr);
  for (uint32_t i = 0; i < 5000; ++i) {
    ASSERT_EQ(table.Find(i), seen[i]);
    EXPECT_EQ(table.Find(i)->rules, (std::vector<uint32_t>{i, i + 1}));
    EXPECT_EQ(table.Find(i)->ownership.uid, i);
    EXPECT_EQ(table.Intern({i, i + 1}, {}), i);
  }
}

TEST(RuleSetTest, ManyThreadsInternAndDecideAtOnce) {
  std::vector<AllowRule> rules;
  for (uid_t i = 0; i < 10; ++i) rules.push_back(Rule(StrCat("**/*", i, "*"), i));
  const Policy policy(rules, 1);
  std::atomic<int> wrong = 0;
  auto work = [&](uint32_t seed) {
    for (uint32_t n = 0; n < 1000; ++n) {
      uint32_t number = (n * 7919 + seed) % 1000;
      std::string path = StrCat("x/", number);
      RuleSetId id = policy.RulesFor(path);
      for (uid_t uid = 0; uid < 10; ++uid) {
        bool allowed = policy.Decide(id, {uid, uid, 1}, nullptr).outcome == Decision::Outcome::kAllow;
        if (allowed != (path.find(std::to_string(uid)) != std::string::npos)) ++wrong;
      }
    }
  };
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < 4; ++i) threads.emplace_back(work, i * 100);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace leasefs
