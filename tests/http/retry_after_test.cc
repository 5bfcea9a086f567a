#include "backend/http/retry_after.h"

#include <gtest/gtest.h>

namespace leasefs::http {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr WallTime kNow{seconds(1'000'000'000)};  // Sun, 09 Sep 2001 01:46:40 GMT
constexpr Duration kCap = minutes(5);

TEST(RetryAfterTest, Seconds) {
  EXPECT_EQ(ParseRetryAfter("3", "", kNow, kCap), seconds(3));
  EXPECT_EQ(ParseRetryAfter("0", "", kNow, kCap), seconds(0));
}

TEST(RetryAfterTest, ADateCountsFromTheServersOwnClock) {
  EXPECT_EQ(ParseRetryAfter("Sun, 09 Sep 2001 01:47:00 GMT", "", kNow, kCap), seconds(20));
  EXPECT_EQ(ParseRetryAfter("Mon, 10 Sep 2001 01:47:00 GMT", "Mon, 10 Sep 2001 01:46:58 GMT", kNow, kCap), seconds(2));
}

TEST(RetryAfterTest, ADateThatHasPassedIsNow) {
  EXPECT_EQ(ParseRetryAfter("Sun, 09 Sep 2001 01:46:00 GMT", "", kNow, kCap), seconds(0));
}

TEST(RetryAfterTest, WhatIsLongerThanTheCapIsTheCap) {
  EXPECT_EQ(ParseRetryAfter("86400", "", kNow, kCap), kCap);
  EXPECT_EQ(ParseRetryAfter("99999999999999999999999", "", kNow, kCap), kCap);
  EXPECT_EQ(ParseRetryAfter("9223372036854775807", "", kNow, kCap), kCap);
  EXPECT_EQ(ParseRetryAfter("Fri, 09 Sep 2033 01:46:40 GMT", "", kNow, kCap), kCap);
}

TEST(RetryAfterTest, WhatCannotBeReadIsNothing) {
  for (const char* value : {"", "soon", "-1", "1.5", "1s"}) {
    EXPECT_EQ(ParseRetryAfter(value, "", kNow, kCap), std::nullopt) << value;
  }
}

}  // namespace
}  // namespace leasefs::http
