#include "backend/http/in_flight.h"

#include <gtest/gtest.h>

#include <limits>

namespace leasefs::http {
namespace {

constexpr size_t kNoBound = std::numeric_limits<size_t>::max();

TEST(InFlightTest, WhatIsHeldUpDoesNotCountUpToThreeTimesThePlaces) {
  InFlight requests(2);
  for (int i = 0; i < 2; ++i) {
    EXPECT_FALSE(requests.IsFull());
    requests.Begin("");
  }
  for (int i = 0; i < 6; ++i) {
    EXPECT_TRUE(requests.IsFull());
    requests.HeldUp("");
    EXPECT_FALSE(requests.IsFull());
    requests.Begin("");
  }
  requests.HeldUp("");
  EXPECT_TRUE(requests.IsFull());
  EXPECT_EQ(requests.count(), 8U);
  requests.End("", true, false);
  EXPECT_FALSE(requests.IsFull());
}

TEST(InFlightTest, AGroupThatIsHeldUpKeepsToAnEighthUntilAnAnswer) {
  InFlight requests(16);
  for (int i = 0; i < 16; ++i) requests.Begin("kv");
  requests.HeldUp("kv");
  EXPECT_EQ(requests.RoomOf("kv"), kNoBound);
  for (int i = 1; i < 16; ++i) requests.HeldUp("kv");
  EXPECT_EQ(requests.RoomOf("kv"), 2U);
  requests.Begin("kv");
  requests.Begin("kv");
  EXPECT_EQ(requests.RoomOf("kv"), 0U);
  EXPECT_EQ(requests.RoomOf("pki"), kNoBound);
  EXPECT_EQ(requests.RoomOf(""), kNoBound);
  for (int i = 0; i < 16; ++i) requests.End("kv", true, false);
  EXPECT_EQ(requests.RoomOf("kv"), 0U) << "none was answered";
  requests.End("kv", false, true);
  requests.Begin("kv");
  requests.Begin("kv");
  EXPECT_EQ(requests.RoomOf("kv"), kNoBound);
}

TEST(InFlightTest, ASuspectStaysOneWhenNothingOfItIsUnderWay) {
  InFlight requests(1);
  requests.Begin("kv");
  requests.HeldUp("kv");
  requests.End("kv", true, false);
  EXPECT_EQ(requests.RoomOf("kv"), 1U);
  requests.Begin("kv");
  EXPECT_EQ(requests.RoomOf("kv"), 0U);
  requests.End("kv", false, true);
  EXPECT_EQ(requests.RoomOf("kv"), kNoBound);
}

}  // namespace
}  // namespace leasefs::http
