#include <gtest/gtest.h>

#include "fs/config/config_reader.h"

namespace leasefs {
namespace {

TEST(SystemAccountsTest, KnowsTheHostsUsersAndGroups) {
  auto root = SystemAccounts().User("root");
  ASSERT_TRUE(root);
  EXPECT_EQ(root->uid, 0u);
  EXPECT_EQ(root->primary_group, 0u);
  EXPECT_EQ(root->name, "root");
  auto group = SystemAccounts().Group("root");
  ASSERT_TRUE(group);
  EXPECT_EQ(group->gid, 0u);
  EXPECT_FALSE(SystemAccounts().User("leasefs-no-such-user"));
  EXPECT_FALSE(SystemAccounts().Group("leasefs-no-such-group"));
  EXPECT_FALSE(SystemAccounts().User(""));
}

TEST(SystemAccountsTest, ANumberNeedsNoAccount) {
  EXPECT_EQ(SystemAccounts().UserByNumber(0).primary_group, 0u);
  RuleUser stranger = SystemAccounts().UserByNumber(4'000'000'000);
  EXPECT_EQ(stranger.uid, 4'000'000'000u);
  EXPECT_EQ(stranger.primary_group, 4'000'000'000u);
  EXPECT_EQ(stranger.name, "4000000000");
  EXPECT_EQ(SystemAccounts().GroupByNumber(77).gid, 77u);
}

}  // namespace
}  // namespace leasefs
