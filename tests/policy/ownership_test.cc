// S5: owner, group and mode when the tree gives none.
#include <gtest/gtest.h>

#include "fs/policy/policy.h"

namespace leasefs {
namespace {

AllowRule Rule(std::vector<RuleUser> users, std::vector<RuleGroup> groups, std::string path = "**") {
  AllowRule rule;
  rule.path = std::move(path);
  rule.users = std::move(users);
  rule.groups = std::move(groups);
  return rule;
}

std::string Shown(std::vector<AllowRule> rules) {
  Policy policy(std::move(rules), 1);
  Ownership shown = policy.OwnershipFor(policy.RulesFor("a/b"));
  char text[64];
  snprintf(text, sizeof text, "%u:%u %04o", shown.uid, shown.gid, shown.mode);
  return text;
}

const RuleUser kPostgres{101, 104, "postgres"};
const RuleUser kWeb{33, 33, "www-data"};
const RuleGroup kCert{110, "ssl-cert"};
const RuleGroup kStaff{50, "staff"};

TEST(OwnershipTest, OneUserOwnsTheFile) {
  EXPECT_EQ(Shown({Rule({kPostgres}, {})}), "101:104 0400");
  EXPECT_EQ(Shown({Rule({kPostgres}, {}), Rule({kPostgres}, {}, "a/*")}), "101:104 0400");
  EXPECT_EQ(Shown({Rule({kPostgres, {101, 104, "101"}}, {})}), "101:104 0400");
  EXPECT_EQ(Shown({Rule({kPostgres}, {kCert})}), "101:104 0400");
  EXPECT_EQ(Shown({Rule({{0, 0, "root"}}, {})}), "0:0 0400");
}

TEST(OwnershipTest, OneGroupMayRead) {
  EXPECT_EQ(Shown({Rule({}, {kCert})}), "0:110 0440");
  EXPECT_EQ(Shown({Rule({}, {kCert}), Rule({}, {kCert}, "a/*")}), "0:110 0440");
}

TEST(OwnershipTest, AnythingElseIsReadableToTheEye) {
  EXPECT_EQ(Shown({}), "0:0 0444");
  EXPECT_EQ(Shown({Rule({kPostgres, kWeb}, {})}), "0:0 0444");
  EXPECT_EQ(Shown({Rule({kPostgres}, {}), Rule({kWeb}, {})}), "0:0 0444");
  EXPECT_EQ(Shown({Rule({}, {kCert, kStaff})}), "0:0 0444");
  EXPECT_EQ(Shown({Rule({}, {kCert}), Rule({}, {kStaff})}), "0:0 0444");
  EXPECT_EQ(Shown({Rule({kPostgres}, {}), Rule({}, {kCert})}), "0:0 0444");
  EXPECT_EQ(Shown({Rule({kPostgres}, {kCert}), Rule({}, {kCert})}), "0:0 0444");
}

TEST(OwnershipTest, RulesOfOtherPathsDoNotCount) {
  EXPECT_EQ(Shown({Rule({kPostgres}, {}), Rule({kWeb}, {}, "b/**")}), "101:104 0400");
}

}  // namespace
}  // namespace leasefs
