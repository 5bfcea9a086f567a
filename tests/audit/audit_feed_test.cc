// The feed with a writer that is held up, as by a disk that hangs.
#include "fs/main/audit_feed.h"

#include <gtest/gtest.h>

#include <future>
#include <latch>

#include "tests/audit/audit_support.h"

namespace leasefs {
namespace {

using std::chrono::seconds;

TEST(AuditFeedTest, TheLoopWaitsForNoSinkWhenTheSinksChange) {
  ScratchFolder folder;
  SimLoop clock(1);
  RingMemory memory;
  AuditRing ring = memory.Attach();
  std::latch entered(1), go(1);
  std::atomic<bool> first{true};
  auto paths = [&](uint32_t, std::string& path) {
    if (first.exchange(false)) {
      entered.count_down();
      go.wait();
    }
    path = "web/k";
  };
  AuditOptions options;
  options.file = folder / "audit.jsonl";
  options.syslog = false;
  AuditFeed feed(clock, ring, paths, options, OpenLog(options.file));
  ASSERT_TRUE(ring.Append(OpenEvent(2), clock.Now(), kMaxWait, true).ok());
  entered.wait();
  auto change = std::async(std::launch::async, [&] {
    for (const char* name : {"a", "b"}) {
      options.syslog_socket = folder / name;
      feed.Configure(options);
    }
  });
  EXPECT_EQ(change.wait_for(seconds(60)), std::future_status::ready);
  EXPECT_TRUE(ring.Append(OpenEvent(4), clock.Now(), kMaxWait, true).ok());
  go.count_down();
  change.wait();
  feed.Stop(seconds(20));
  EXPECT_EQ(LinesOf(ReadAll(options.file)).size(), 2u) << ReadAll(options.file);
}

}  // namespace
}  // namespace leasefs
