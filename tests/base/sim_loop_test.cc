#include "fs/base/sim_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

namespace leasefs {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;

TEST(SimLoopTest, RunsTimersInTheOrderOfTimeAndRegistration) {
  SimLoop loop(1);
  std::vector<int> order;
  loop.After(milliseconds(20), [&] { order.push_back(3); });
  loop.After(milliseconds(10), [&] { order.push_back(1); });
  loop.After(milliseconds(10), [&] { order.push_back(2); });
  loop.Post([&] { order.push_back(0); });
  EXPECT_TRUE(order.empty()) << "nothing runs within the call that registers it";
  loop.RunFor(milliseconds(15));
  EXPECT_THAT(order, ElementsAre(0, 1, 2));
  loop.RunFor(milliseconds(15));
  EXPECT_THAT(order, ElementsAre(0, 1, 2, 3));
}

TEST(SimLoopTest, ClockStandsAtTheEventAndThenAtTheEnd) {
  SimLoop loop(1);
  BootTime start = loop.Now();
  BootTime seen;
  loop.After(seconds(5), [&] { seen = loop.Now(); });
  loop.RunFor(hours(1));
  EXPECT_EQ(seen, start + seconds(5));
  EXPECT_EQ(loop.Now(), start + hours(1));
}

TEST(SimLoopTest, WhatIsInThePastRunsNow) {
  SimLoop loop(1);
  BootTime start = loop.Now();
  BootTime seen;
  loop.At(start - hours(1), [&] { seen = loop.Now(); });
  EXPECT_TRUE(loop.Step());
  EXPECT_EQ(seen, start);
  EXPECT_FALSE(loop.Step());
}

TEST(SimLoopTest, CancelledTimersDoNotRun) {
  SimLoop loop(1);
  std::vector<int> order;
  Loop::TimerId second = Loop::kNoTimer;
  Loop::TimerId first = loop.After(milliseconds(1), [&] {
    order.push_back(1);
    loop.Cancel(second);  // of the same moment
  });
  second = loop.After(milliseconds(1), [&] { order.push_back(2); });
  Loop::TimerId third = loop.After(milliseconds(2), [&] { order.push_back(3); });
  loop.Cancel(third);
  loop.Cancel(third);
  loop.Cancel(Loop::kNoTimer);
  loop.RunFor(seconds(1));
  EXPECT_THAT(order, ElementsAre(1));
  loop.Cancel(first);
  EXPECT_EQ(loop.pending(), 0U);
}

TEST(SimLoopTest, ATimerMayCancelItselfAndSetAnother) {
  SimLoop loop(1);
  int runs = 0;
  Loop::TimerId timer = Loop::kNoTimer;
  std::function<void()> tick = [&] {
    loop.Cancel(timer);
    if (++runs < 3) timer = loop.After(seconds(1), tick);
  };
  timer = loop.After(seconds(1), tick);
  loop.RunFor(seconds(10));
  EXPECT_EQ(runs, 3);
}

TEST(SimLoopTest, CancellingMayDestroyWhatCancels) {
  SimLoop loop(1);
  struct Canceller {
    ~Canceller() { loop->Cancel(timer); }
    SimLoop* loop;
    Loop::TimerId timer;
  };
  Loop::TimerId inner = loop.After(seconds(1), [] { FAIL(); });
  auto owned = std::make_shared<Canceller>(Canceller{&loop, inner});
  Loop::TimerId outer = loop.After(seconds(1), [owned = std::move(owned)] { FAIL(); });
  loop.Cancel(outer);
  EXPECT_EQ(loop.pending(), 0U);
}

TEST(SimLoopTest, NeverNeverComes) {
  SimLoop loop(1);
  loop.At(kNever, [] { FAIL(); });
  loop.After(Duration::max(), [] { FAIL(); });
  loop.RunFor(hours(1000));
  EXPECT_FALSE(loop.Step());
}

TEST(SimLoopTest, StepsOfTheWallClockDoNotMoveTheTimers) {
  SimLoop loop(1);
  WallTime wall = loop.WallNow();
  bool ran = false;
  loop.After(seconds(5), [&] { ran = true; });
  loop.StepWallClock(hours(24));
  EXPECT_EQ(loop.WallNow(), wall + hours(24));
  loop.RunFor(seconds(4));
  EXPECT_FALSE(ran);
  loop.RunFor(seconds(1));
  EXPECT_TRUE(ran);
  EXPECT_EQ(loop.WallNow(), wall + hours(24) + seconds(5));
}

TEST(SimLoopTest, ChanceIsReproducible) {
  SimRandom one(7);
  SimRandom same(7);
  SimRandom other(8);
  uint64_t first = one.Next();
  EXPECT_EQ(first, same.Next());
  EXPECT_NE(first, other.Next());
  EXPECT_NE(first, one.Next());
  std::array<std::byte, 13> odd{};
  one.Fill(odd);
  EXPECT_THAT(odd, testing::Contains(testing::Ne(std::byte{0})));
  for (int i = 0; i < 100; ++i) EXPECT_LT(one.Below(10), 10U);
}

}  // namespace
}  // namespace leasefs
