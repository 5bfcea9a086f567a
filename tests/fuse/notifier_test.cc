#include "fs/fuse/notifier.h"

#include <gmock/gmock.h>

#include <cerrno>
#include <latch>
#include <thread>

#include "tests/fuse/session_fixture.h"

namespace leasefs {
namespace {

using testing::ElementsAre;

TEST(InodeNotifierTest, TellsInOrderAndWhatWaitsOnce) {
  InodeNotifier notifier;
  for (uint32_t version : {1, 2, 1, 3, 2, 1}) notifier.InvalidateInode({5, version});
  std::vector<uint64_t> told;
  notifier.Start([&](uint64_t inode) {
    told.push_back(inode);
    return 0;
  });
  EXPECT_TRUE(Eventually([&] { return notifier.counts().told == 3; }));
  notifier.Stop();
  EXPECT_THAT(told, ElementsAre(NodeId{5, 1}.inode(), NodeId{5, 2}.inode(), NodeId{5, 3}.inode()));
}

TEST(InodeNotifierTest, AnInodeThatTheKernelForgotIsNoFailure) {
  InodeNotifier notifier;
  notifier.Start([](uint64_t inode) { return NodeId::FromInode(inode).version == 1 ? -ENOENT : -EIO; });
  notifier.InvalidateInode({5, 1});
  notifier.InvalidateInode({5, 2});
  EXPECT_TRUE(Eventually([&] { return notifier.counts().forgotten == 1 && notifier.counts().failed == 1; }));
}

// The kernel may take its time; who asks must not wait for it, and what is asked meanwhile is told again.
TEST(InodeNotifierTest, NeverBlocksWhoAsks) {
  InodeNotifier notifier(3);
  std::latch entered(1);
  std::latch go(1);
  std::atomic<int> calls{0};
  notifier.Start([&](uint64_t) {
    if (calls++ == 0) {
      entered.count_down();
      go.wait();
    }
    return 0;
  });
  notifier.InvalidateInode({1, 1});
  entered.wait();
  for (uint32_t node = 1; node <= 5; ++node) notifier.InvalidateInode({node, 1});
  EXPECT_EQ(notifier.counts().dropped, 2u);
  go.count_down();
  EXPECT_TRUE(Eventually([&] { return notifier.counts().told == 4; }));
}

TEST(InodeNotifierTest, IsWaitedForNoLongerThanIsSaid) {
  InodeNotifier notifier;
  std::latch entered(1);
  std::latch go(1);
  notifier.Start([&](uint64_t) {
    entered.count_down();
    go.wait();
    return 0;
  });
  notifier.InvalidateInode({1, 1});
  entered.wait();
  EXPECT_FALSE(notifier.StopWithin(std::chrono::milliseconds(5)));
  go.count_down();
  notifier.Stop();
}

TEST(InodeNotifierTest, StopsAndStartsAgainWithoutLosingWhatWaits) {
  InodeNotifier notifier;
  notifier.Start([](uint64_t) { return 0; });
  notifier.Stop();
  notifier.InvalidateInode({1, 1});
  notifier.Start([](uint64_t) { return 0; });
  EXPECT_TRUE(Eventually([&] { return notifier.counts().told == 1; }));
}

TEST(InodeNotifierTest, ManyMayAskAtOnce) {
  InodeNotifier notifier;
  std::atomic<uint64_t> told{0};
  notifier.Start([&](uint64_t) { return ++told, 0; });
  {
    std::vector<std::jthread> askers;
    for (uint32_t t = 0; t < 4; ++t) {
      askers.emplace_back([&, t] {
        for (uint32_t i = 0; i < 2000; ++i) notifier.InvalidateInode({t, i});
      });
    }
  }
  EXPECT_TRUE(Eventually([&] { return notifier.counts().told == 8000; }));
}

}  // namespace
}  // namespace leasefs
