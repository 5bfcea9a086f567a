#include "backend/http/lanes.h"

#include <gtest/gtest.h>

#include <string>

namespace leasefs::http {
namespace {

TEST(LanesTest, OneLaneHasAnEighthAndAllHaveThreeQuarters) {
  Lanes lanes(16);
  for (uint64_t lane = 1; lane <= 6; ++lane) {
    EXPECT_TRUE(lanes.Enter(std::to_string(lane), 10 * lane));
    EXPECT_TRUE(lanes.Enter(std::to_string(lane), 10 * lane + 1));
    EXPECT_FALSE(lanes.Enter(std::to_string(lane), 10 * lane + 2));
  }
  EXPECT_FALSE(lanes.Enter("7", 70));
  EXPECT_EQ(lanes.waiting(), 7U);
}

TEST(LanesTest, AFreePlaceGoesToTheEmptiestLaneAndThereToWhoWaitsLongest) {
  Lanes lanes(8);
  for (uint64_t id = 1; id <= 3; ++id) lanes.Enter("database", id);
  for (uint64_t id = 11; id <= 15; ++id) lanes.Enter(std::to_string(id), id);
  EXPECT_FALSE(lanes.Enter("aws", 21));
  EXPECT_EQ(lanes.Leave("11"), 21U) << "six in all";
  EXPECT_EQ(lanes.Leave("database"), 2U);
  EXPECT_EQ(lanes.Leave("database"), 3U);
  EXPECT_EQ(lanes.Leave("database"), std::nullopt);
  EXPECT_EQ(lanes.waiting(), 0U);
}

TEST(LanesTest, WhoGivesUpIsNotLetIn) {
  Lanes lanes(4);
  EXPECT_TRUE(lanes.Enter("database", 1));
  EXPECT_FALSE(lanes.Enter("database", 2));
  EXPECT_FALSE(lanes.Enter("database", 3));
  lanes.GiveUp("database", 2);
  lanes.GiveUp("pki", 4);
  EXPECT_EQ(lanes.Leave("database"), 3U);
  EXPECT_EQ(lanes.Leave("database"), std::nullopt);
}

TEST(LanesTest, WithOnePlaceEachMayGoInTurn) {
  Lanes lanes(1);
  EXPECT_TRUE(lanes.Enter("database", 1));
  EXPECT_FALSE(lanes.Enter("pki", 2));
  EXPECT_EQ(lanes.Leave("database"), 2U);
}

}  // namespace
}  // namespace leasefs::http
