// Many threads on both sides; meant for ThreadSanitizer.
#include <gmock/gmock.h>

#include <random>
#include <thread>

#include "tests/fuse/session_fixture.h"

namespace leasefs {
namespace {

class FuseConcurrencyTest : public SessionTest {};

TEST_F(FuseConcurrencyTest, EightThreadsOpenReadAndRelease) {
  Serve(8);
  {
    std::vector<std::jthread> clients;
    for (uint32_t t = 0; t < 8; ++t) {
      clients.emplace_back([&, t] {
        for (int i = 0; i < 150; ++i) {
          NodeId node = (i + t) % 4 == 0 ? kOldKeyNode : kKeyNode;
          ASSERT_EQ(client_.Lookup(kRootId, "key", {t, t, t + 1}).error, 0);
          uint64_t handle = client_.Open(node, 0, {t, t, t + 1}).As<fuse_open_out>().fh;
          ASSERT_EQ(client_.Read(node, handle, 0, 4096).Text(), kKeyBytes);
          ASSERT_EQ(client_.Release(node, handle).error, 0);
        }
      });
    }
  }
  EXPECT_TRUE(gate_.handles().empty());
  EXPECT_EQ(client_.replies(), 1u + 8 * 150 * 4);
}

// Waiters are completed by one thread, interrupted by others, and new ones come all the time.
TEST_F(FuseConcurrencyTest, WaitersAreAnsweredOnceHoweverTheyEnd) {
  Serve(8);
  gate_.mode = FakeGate::Mode::kWait;
  std::atomic<bool> stop{false};
  std::jthread completer([&] {
    while (!stop) {
      for (const Request& request : gate_.requests()) {
        if (request.unique % 8 != 0) gate_.Complete(request.unique);
      }
    }
  });
  std::vector<std::vector<uint64_t>> sent(4);
  {
    std::vector<std::jthread> clients;
    for (std::vector<uint64_t>& mine : sent) {
      clients.emplace_back([&] {
        for (int i = 0; i < 60; ++i) {
          mine.push_back(client_.SendOpen(kKeyNode));
          client_.Interrupt(mine.back());
          if (i % 4 == 0) client_.Wait(mine.back());
        }
      });
    }
  }
  for (const auto& uniques : sent) {
    for (uint64_t unique : uniques) {
      int error = client_.Wait(unique).error;
      EXPECT_TRUE(error == 0 || error == EINTR) << error;
    }
  }
  stop = true;
  completer.join();
  session_->Stop();
  for (const auto& uniques : sent) {
    for (uint64_t unique : uniques) EXPECT_EQ(client_.replies_to(unique), 1u);
  }
  EXPECT_EQ(session_->counters().parked, 0u);
}

TEST_F(FuseConcurrencyTest, StopsAndStartsUnderLoad) {
  Serve(4);
  std::atomic<bool> stop{false};
  std::atomic<int> done{0};
  std::vector<std::jthread> clients;
  for (int t = 0; t < 4; ++t) {
    clients.emplace_back([&] {
      while (!stop) {
        ASSERT_EQ(client_.GetAttributes(kKeyNode).error, 0);
        ++done;
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    int before = done;
    EXPECT_TRUE(Eventually([&] { return done > before + 20; }));
    Succeed(4);
  }
  stop = true;
  clients.clear();
}

}  // namespace
}  // namespace leasefs
