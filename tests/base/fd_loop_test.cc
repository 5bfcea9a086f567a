#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "fs/base/loop.h"
#include "fs/base/unique_fd.h"

namespace leasefs {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;

class FdLoopTest : public testing::Test {
 protected:
  FdLoopTest() {
    loop_->After(seconds(30), [this] {
      ADD_FAILURE() << "the loop was not stopped";
      loop_->Stop();
    });
  }
  // An event descriptor that is readable at once.
  static UniqueFd MakeReadable() { return UniqueFd(eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK)); }

  std::unique_ptr<FdLoop> loop_ = *FdLoop::Create();
};

TEST_F(FdLoopTest, RunsTimersInTheOrderOfTimeAndRegistration) {
  std::vector<int> order;
  BootTime start = loop_->Now();
  loop_->At(start + milliseconds(8), [&] {
    order.push_back(3);
    loop_->Stop();
  });
  loop_->At(start + milliseconds(4), [&] { order.push_back(1); });
  loop_->At(start + milliseconds(4), [&] { order.push_back(2); });
  loop_->At(start - hours(1), [&] { order.push_back(0); });
  EXPECT_TRUE(order.empty());
  loop_->Run();
  EXPECT_THAT(order, ElementsAre(0, 1, 2, 3));
  EXPECT_GE(loop_->Now(), start + milliseconds(8));
}

TEST_F(FdLoopTest, TimersCanBeCancelledInCallbacks) {
  std::vector<int> order;
  BootTime when = loop_->Now() + milliseconds(2);
  Loop::TimerId second = Loop::kNoTimer;
  Loop::TimerId first = Loop::kNoTimer;
  first = loop_->At(when, [&] {
    order.push_back(1);
    loop_->Cancel(first);
    loop_->Cancel(second);
    loop_->Cancel(Loop::kNoTimer);
  });
  second = loop_->At(when, [&] { order.push_back(2); });
  loop_->At(when + milliseconds(1), [&] { loop_->Stop(); });
  loop_->Run();
  EXPECT_THAT(order, ElementsAre(1));
}

TEST_F(FdLoopTest, AMomentThatWasUsedBeforeWorksAgain) {
  // The timer descriptor was armed for `when` and has fired; the second timer of that moment must fire all the same.
  BootTime when = loop_->Now() + milliseconds(2);
  loop_->At(when, [&] { loop_->At(when, [&] { loop_->Stop(); }); });
  loop_->Run();
}

TEST_F(FdLoopTest, AnEarlierTimerIsNotHeldUpByALaterOne) {
  loop_->After(hours(1), [] { FAIL(); });
  loop_->After(milliseconds(1), [&] { loop_->After(milliseconds(1), [&] { loop_->Stop(); }); });
  loop_->At(kNever, [] { FAIL(); });
  loop_->Run();
}

TEST_F(FdLoopTest, TimersThatSetTimersDoNotStarveDescriptors) {
  UniqueFd fd = MakeReadable();
  std::function<void()> again = [&] { loop_->After(Duration(0), again); };
  again();
  ASSERT_TRUE(loop_->Watch(fd.get(), EPOLLIN, [&](uint32_t) { loop_->Stop(); }).ok());
  loop_->Run();
  loop_->Unwatch(fd.get());
}

TEST_F(FdLoopTest, PostsDoNotStarveDescriptors) {
  UniqueFd fd = MakeReadable();
  std::function<void()> again = [&] { loop_->Post(again); };
  again();
  ASSERT_TRUE(loop_->Watch(fd.get(), EPOLLIN, [&](uint32_t) { loop_->Stop(); }).ok());
  loop_->Run();
  loop_->Unwatch(fd.get());
}

TEST_F(FdLoopTest, PostsFromManyThreadsAllRunInTheOrderOfEachThread) {
  constexpr int kThreads = 4;
  constexpr int kPosts = 500;
  std::array<int, kThreads> next{};
  int total = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < kPosts; ++i) {
        loop_->Post([&, thread, i] {
          EXPECT_EQ(next[thread]++, i);
          if (++total == kThreads * kPosts) loop_->Stop();
        });
      }
    });
  }
  loop_->Run();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(total, kThreads * kPosts);
}

TEST_F(FdLoopTest, StopFromAnotherThreadWakesTheLoop) {
  std::thread stopper([&] { loop_->Stop(); });
  loop_->Run();
  stopper.join();
  loop_->Post([&] { loop_->Stop(); });
  loop_->Run();  // a second time
}

TEST_F(FdLoopTest, ReportsWhatIsReady) {
  std::array<int, 2> raw{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, raw.data()), 0);
  UniqueFd mine(raw[0]);
  UniqueFd other(raw[1]);
  std::vector<uint32_t> seen;
  ASSERT_TRUE(loop_
                  ->Watch(mine.get(), EPOLLOUT,
                          [&](uint32_t events) {
                            seen.push_back(events);
                            loop_->Stop();
                          })
                  .ok());
  loop_->Run();
  other.Reset();
  loop_->Run();
  EXPECT_EQ(seen.at(0), uint32_t{EPOLLOUT});
  EXPECT_NE(seen.at(1) & EPOLLHUP, 0U);
  loop_->Unwatch(mine.get());
}

TEST_F(FdLoopTest, WatchingAgainReplacesTheCallback) {
  UniqueFd fd = MakeReadable();
  auto first = std::make_shared<int>(0);
  ASSERT_TRUE(loop_
                  ->Watch(fd.get(), EPOLLIN,
                          [&, first](uint32_t) {
                            ++*first;
                            ASSERT_TRUE(loop_->Watch(fd.get(), EPOLLIN, [&](uint32_t) { loop_->Stop(); }).ok());
                            ++*first;  // what the callback holds is still there
                          })
                  .ok());
  loop_->Run();
  EXPECT_EQ(*first, 2);
  EXPECT_EQ(first.use_count(), 1);
  loop_->Unwatch(fd.get());
}

TEST_F(FdLoopTest, ACallbackMayUnwatchItself) {
  UniqueFd fd = MakeReadable();
  auto held = std::make_shared<int>(0);
  ASSERT_TRUE(loop_
                  ->Watch(fd.get(), EPOLLIN,
                          [&, held](uint32_t) {
                            loop_->Unwatch(fd.get());
                            loop_->Unwatch(fd.get());
                            ++*held;
                            loop_->After(milliseconds(2), [&] { loop_->Stop(); });
                          })
                  .ok());
  loop_->Run();
  EXPECT_EQ(*held, 1);
  EXPECT_EQ(held.use_count(), 1);
}

TEST_F(FdLoopTest, ACallbackMayUnwatchAnotherThatIsReadyToo) {
  UniqueFd first = MakeReadable();
  UniqueFd second = MakeReadable();
  int runs = 0;
  auto callback = [&](uint32_t) {
    ++runs;
    loop_->Unwatch(first.get());
    loop_->Unwatch(second.get());
    loop_->Post([&] { loop_->Stop(); });
  };
  ASSERT_TRUE(loop_->Watch(first.get(), EPOLLIN, callback).ok());
  ASSERT_TRUE(loop_->Watch(second.get(), EPOLLIN, callback).ok());
  loop_->Run();
  EXPECT_EQ(runs, 1);
}

TEST_F(FdLoopTest, AnEventOfAnEarlierDescriptorOfTheSameNumberIsDropped) {
  UniqueFd first = MakeReadable();
  UniqueFd second = MakeReadable();
  // Whichever comes first closes the other and puts a descriptor that is not readable at its number.
  auto replace = [&](UniqueFd& victim) {
    int number = victim.get();
    loop_->Unwatch(number);
    UniqueFd silent(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    ASSERT_EQ(dup3(silent.get(), number, O_CLOEXEC), number);
    ASSERT_TRUE(loop_->Watch(number, EPOLLIN, [](uint32_t) { FAIL() << "a stale event"; }).ok());
  };
  bool replaced = false;
  auto watch = [&](UniqueFd& mine, UniqueFd& other) {
    ASSERT_TRUE(loop_
                    ->Watch(mine.get(), EPOLLIN,
                            [&](uint32_t) {
                              ASSERT_FALSE(std::exchange(replaced, true));
                              loop_->Unwatch(mine.get());
                              replace(other);
                              loop_->After(milliseconds(2), [&] { loop_->Stop(); });
                            })
                    .ok());
  };
  watch(first, second);
  watch(second, first);
  loop_->Run();
  EXPECT_TRUE(replaced);
  loop_->Unwatch(first.get());
  loop_->Unwatch(second.get());
}

TEST_F(FdLoopTest, WatchingWhatCannotBeWatchedFails) {
  Status status = loop_->Watch(-1, EPOLLIN, [](uint32_t) {});
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message(), "watching descriptor -1: Bad file descriptor");
}

TEST_F(FdLoopTest, DestroyingTheLoopMayDestroyWhatUsesIt) {
  struct User {
    explicit User(FdLoop* its_loop) : loop(its_loop), timer(loop->After(hours(1), [] {})), fd(MakeReadable()) {}
    ~User() {
      loop->Cancel(timer);
      loop->Unwatch(fd.get());
      loop->Post([] {});
    }
    FdLoop* loop;
    Loop::TimerId timer;
    UniqueFd fd;
  };
  for (int way = 0; way < 3; ++way) {
    auto loop = *FdLoop::Create();
    auto user = std::make_shared<User>(loop.get());
    int fd = user->fd.get();
    ASSERT_TRUE(loop->Watch(fd, EPOLLIN, [](uint32_t) {}).ok());
    if (way == 0) loop->Post([user] {});
    if (way == 1) loop->After(hours(1), [user] {});
    if (way == 2) {
      ASSERT_TRUE(loop->Watch(fd, EPOLLIN, [user](uint32_t) {}).ok());
    }
  }
}

TEST_F(FdLoopTest, ClocksAndChanceAreTheKernels) {
  timespec boot{};
  clock_gettime(CLOCK_BOOTTIME, &boot);
  BootTime expected(seconds(boot.tv_sec) + Duration(boot.tv_nsec));
  EXPECT_GE(loop_->Now(), expected);
  EXPECT_LT(loop_->Now(), expected + seconds(30));
  EXPECT_GT(loop_->WallNow(), WallTime(std::chrono::sys_days(std::chrono::year(2024) / 1 / 1)));
  EXPECT_NE(loop_->random().Next(), loop_->random().Next());
  std::vector<std::byte> many(100000);
  loop_->random().Fill(many);
  EXPECT_THAT(std::span(many).last(16), testing::Contains(testing::Ne(std::byte{0})));
}

}  // namespace
}  // namespace leasefs
