#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>

#include "tests/audit/audit_support.h"

namespace leasefs {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
constexpr BootTime kStart{std::chrono::hours(1)};

void ConsumeAll(AuditRing& ring) {
  ring.Accept(ring.figures().appended);
  ring.Release(ring.figures().appended);
}

TEST(AuditRingTest, ZeroedMemoryIsAnEmptyRing) {
  RingMemory memory;
  AuditRing ring = memory.Attach();
  std::vector<AuditEvent> events(4);
  EXPECT_EQ(ring.Peek(0, events), 0u);
  EXPECT_EQ(ring.oldest(), kNever);
  EXPECT_EQ(ring.figures().appended, 0u);
}

TEST(AuditRingTest, RefusesAnotherLayoutAndShortMemory) {
  RingMemory memory;
  uint32_t other = AuditRing::kLayout + 1;
  std::memcpy(memory.bytes().data(), &other, sizeof(other));
  auto attached = AuditRing::Attach(memory.bytes());
  ASSERT_FALSE(attached.ok());
  EXPECT_EQ(attached.error().kind(), ErrorKind::kInvalid);
  EXPECT_EQ(AuditRing::Attach(memory.bytes().first(4096)).error().kind(), ErrorKind::kInvalid);
}

TEST(AuditRingTest, HandsOutRecordsInOrderAndOnlyThose) {
  RingMemory memory;
  AuditRing ring = memory.Attach();
  for (uint64_t lap = 0; lap < 3 * AuditRing::kRecords; lap += 100) {
    for (uint64_t i = 0; i < 100; ++i) ASSERT_TRUE(ring.Append(OpenEvent(lap + i + 1), kStart, kMaxWait, true).ok());
    std::vector<AuditEvent> events(200);
    ASSERT_EQ(ring.Peek(lap, events), 100u);
    for (uint64_t i = 0; i < 100; ++i) ASSERT_EQ(events[i].unique, lap + i + 1);
    ring.Accept(lap + 100);
    ring.Release(lap + 100);
  }
}

TEST(AuditRingTest, RefusesWhenFullAndGoesOnWhenThereIsRoom) {
  RingMemory memory;
  AuditRing ring = memory.Attach();
  for (uint64_t i = 1; i <= AuditRing::kCapacity; ++i)
    ASSERT_TRUE(ring.Append(OpenEvent(i), kStart, kMaxWait, true).ok());
  Status full = ring.Append(OpenEvent(9), kStart, kMaxWait, true);
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().kind(), ErrorKind::kInternal);
  EXPECT_TRUE(ring.Append(OpenEvent(9), kStart, kMaxWait, false).ok());
  EXPECT_EQ(ring.figures().refused, 1u);
  EXPECT_EQ(ring.figures().dropped, 1u);
  ring.Accept(1);
  EXPECT_FALSE(ring.Append(OpenEvent(9), kStart, kMaxWait, true).ok())
      << "accepted by one sink only: its place is still needed";
  ring.Release(1);
  EXPECT_TRUE(ring.Append(OpenEvent(9), kStart, kMaxWait, true).ok());
}

TEST(AuditRingTest, GivesBackTheMemoryOfWhatIsReleased) {
  RingMemory memory;
  AuditRing ring = memory.Attach();
  auto resident_bytes = [&] {
    std::vector<unsigned char> pages(memory.bytes().size() / 4096);
    EXPECT_EQ(mincore(memory.bytes().data(), memory.bytes().size(), pages.data()), 0);
    return std::ranges::count_if(pages, [](unsigned char page) { return (page & 1) != 0; }) * 4096;
  };
  for (uint64_t unique = 1; unique <= 3 * AuditRing::kRecords; ++unique) {
    ASSERT_TRUE(ring.Append(OpenEvent(unique), kStart, kMaxWait, true).ok());
    if (unique % 100 != 0) continue;
    ConsumeAll(ring);
    ASSERT_TRUE(unique <= AuditRing::kReplayWindow || ring.Contains(unique - AuditRing::kReplayWindow + 1)) << unique;
  }
  EXPECT_LE(resident_bytes(), 900 << 10);
  while (ring.Append(OpenEvent(1), kStart, kMaxWait, true).ok()) {
  }
  EXPECT_GE(resident_bytes(), static_cast<long>(AuditRing::kCapacity * 128)) << "a full ring has all of its records";
  std::vector<AuditEvent> events(AuditRing::kRecords);
  EXPECT_EQ(ring.Peek(ring.figures().released, events), AuditRing::kCapacity);
}

// S23
TEST(AuditRingTest, RefusesOnceTheOldestRecordWaitedTooLong) {
  RingMemory memory;
  AuditRing ring = memory.Attach();
  ASSERT_TRUE(ring.Append(OpenEvent(1), kStart, kMaxWait, true).ok());
  EXPECT_EQ(ring.oldest(), kStart);
  EXPECT_TRUE(ring.Append(OpenEvent(2), kStart + milliseconds(250), kMaxWait, true).ok());
  EXPECT_EQ(ring.Append(OpenEvent(3), kStart + milliseconds(251), kMaxWait, true).error().kind(), ErrorKind::kInternal);
  EXPECT_TRUE(ring.Append(OpenEvent(3), kStart + milliseconds(251), kMaxWait, false).ok())
      << "not required: while there is room";
  ring.Accept(1);
  EXPECT_TRUE(ring.Append(OpenEvent(4), kStart + milliseconds(499), kMaxWait, true).ok())
      << "the second came 250 ms later";
  EXPECT_FALSE(ring.Append(OpenEvent(5), kStart + milliseconds(501), kMaxWait, true).ok());
  ConsumeAll(ring);
  EXPECT_TRUE(ring.Append(OpenEvent(6), kStart + seconds(60), kMaxWait, true).ok())
      << "an empty ring has no oldest record";
  EXPECT_FALSE(ring.Append(OpenEvent(7), kStart + milliseconds(60'251), kMaxWait, true).ok());
}

TEST(AuditRingTest, TimeBeforeTheSuccessorAttachedDoesNotCount) {
  RingMemory memory;
  ASSERT_TRUE(memory.Attach().Append(OpenEvent(1), kStart, kMaxWait, true).ok());
  AuditRing successor = memory.Attach();
  BootTime later = kStart + seconds(5);
  EXPECT_TRUE(successor.Append(OpenEvent(2), later, kMaxWait, true).ok());
  EXPECT_TRUE(successor.Append(OpenEvent(3), later + milliseconds(250), kMaxWait, true).ok());
  EXPECT_FALSE(successor.Append(OpenEvent(4), later + milliseconds(251), kMaxWait, true).ok());
}

TEST(AuditRingTest, AStallIsNotHeldAgainstTheSinks) {
  RingMemory memory;
  AuditRing ring = memory.Attach();
  ring.SetWriterState(WriterState::kBetween, kStart);
  ASSERT_TRUE(ring.Append(OpenEvent(1), kStart, kMaxWait, true).ok());
  BootTime resumed = kStart + std::chrono::hours(8);  // a suspend
  EXPECT_TRUE(ring.Append(OpenEvent(2), resumed, kMaxWait, true).ok()) << "the writer did not have its turn";
  EXPECT_TRUE(ring.Append(OpenEvent(3), resumed + milliseconds(250), kMaxWait, true).ok());
  EXPECT_FALSE(ring.Append(OpenEvent(4), resumed + milliseconds(251), kMaxWait, true).ok())
      << "it had, and did nothing";
}

TEST(AuditRingTest, ASinkThatFailsOrHangsGetsNoSecondChance) {
  for (WriterState state : {WriterState::kFailing, WriterState::kInSink}) {
    RingMemory memory;
    AuditRing ring = memory.Attach();
    ring.SetWriterState(state, kStart);
    ASSERT_TRUE(ring.Append(OpenEvent(1), kStart, kMaxWait, true).ok());
    EXPECT_FALSE(ring.Append(OpenEvent(2), kStart + milliseconds(251), kMaxWait, true).ok());
  }
}

TEST(AuditRingTest, FindsAReplayedRequestAmongTheLast4096) {
  RingMemory memory;
  AuditRing ring = memory.Attach();
  AuditEvent first = OpenEvent(77);
  first.error = EACCES;
  ASSERT_TRUE(ring.Append(first, kStart, kMaxWait, true).ok());
  ConsumeAll(ring);
  AuditRing successor = memory.Attach();
  ASSERT_TRUE(successor.Contains(77));
  EXPECT_EQ(successor.Find(77)->error, EACCES);
  EXPECT_FALSE(successor.Contains(78));
  EXPECT_FALSE(successor.Contains(0)) << "0 is no request";
  for (uint64_t i = 1; i <= AuditRing::kReplayWindow; ++i) {
    ASSERT_TRUE(successor.Append(OpenEvent(1000 + i), kStart, kMaxWait, true).ok());
  }
  EXPECT_FALSE(successor.Contains(77));
}

TEST(AuditRingTest, KeepsThePathOfAnActUntilItIsReleased) {
  RingMemory memory;
  AuditRing ring = memory.Attach();
  AuditEvent act;
  std::memcpy(act.verb, "put", 3);
  ASSERT_TRUE(ring.AppendAdmin(act, "web/tls", kStart, kMaxWait, true).ok());
  ASSERT_TRUE(ring.AppendAdmin(act, std::string(5000, 'x'), kStart, kMaxWait, true).ok());
  std::vector<AuditEvent> events(2);
  AuditRing successor = memory.Attach();
  ASSERT_EQ(successor.Peek(0, events), 2u);
  EXPECT_EQ(events[0].kind, AuditEvent::Kind::kAdmin);
  EXPECT_EQ(successor.Text(0, events[0]), "web/tls");
  EXPECT_EQ(successor.Text(1, events[1]).size(), AuditRing::kTextBytes);
  ConsumeAll(successor);
  EXPECT_EQ(successor.Text(0, events[0]), "");
}

TEST(AuditRingTest, RefusesMoreActsThanItCanName) {
  RingMemory memory;
  AuditRing ring = memory.Attach();
  for (size_t i = 1; i < AuditRing::kTexts; ++i) ASSERT_TRUE(ring.AppendAdmin({}, "p", kStart, kMaxWait, true).ok());
  EXPECT_FALSE(ring.AppendAdmin({}, "p", kStart, kMaxWait, true).ok());
  ASSERT_TRUE(ring.Append(OpenEvent(1), kStart, kMaxWait, true).ok()) << "opens are not concerned";
  ConsumeAll(ring);
  EXPECT_TRUE(ring.AppendAdmin({}, "p", kStart, kMaxWait, true).ok());
}

TEST(AuditRingTest, AMarkIsReadAsItWasSet) {
  RingMemory memory;
  AuditRing ring = memory.Attach();
  for (uint64_t i = 1; i < 5; ++i) {
    ring.SetMark(SinkId::kFile, {i, i * 2, i * 3, i * 4});
    SinkMark mark = memory.Attach().mark(SinkId::kFile);
    EXPECT_EQ(mark.position, i);
    EXPECT_EQ(mark.offset, i * 4);
    EXPECT_EQ(ring.mark(SinkId::kSyslog).position, 0u);
  }
}

TEST(AuditRingTest, GoesOnAfterMemoryThatMakesNoSense) {
  RingMemory memory;
  {
    AuditRing ring = memory.Attach();
    for (uint64_t i = 1; i < 9; ++i) ASSERT_TRUE(ring.Append(OpenEvent(i), kStart, kMaxWait, true).ok());
  }
  // All but the layout's word: a wild write in a process that died of it.
  for (size_t i = 64; i < memory.bytes().size(); ++i) memory.bytes()[i] = static_cast<std::byte>(i * 31);
  AuditRing ring = memory.Attach();
  uint64_t head = ring.figures().appended;
  EXPECT_TRUE(ring.Append(OpenEvent(9), kStart, kMaxWait, true).ok());
  std::vector<AuditEvent> events(8);
  ASSERT_EQ(ring.Peek(head, events), 1u);
  EXPECT_EQ(events[0].unique, 9u);

  std::memset(memory.bytes().data() + 64, 0xff, memory.bytes().size() - 64);
  AuditRing again = memory.Attach();
  head = again.figures().appended;
  EXPECT_TRUE(again.Append(OpenEvent(9), kStart, kMaxWait, true).ok());
  again.Release(head + 1);
  EXPECT_EQ(again.figures().released, head + 1);
}

// Many appenders against one consumer; every record arrives once, those of a thread in its order. For TSan.
TEST(AuditRingTest, ThreadsLoseNothingAndRepeatNothing) {
  constexpr uint64_t kThreads = 4, kEach = 60'000;
  RingMemory memory;
  AuditRing ring = memory.Attach();
  std::vector<std::thread> threads;
  std::atomic<uint64_t> refused{0};
  for (uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (uint64_t i = 1; i <= kEach;) {
        if (ring.Append(OpenEvent(t << 32 | i), kStart, kMaxWait, true).ok()) {
          ++i;
        } else {
          ++refused;
          std::this_thread::yield();
        }
      }
    });
  }
  std::vector<uint64_t> last(kThreads);
  std::vector<AuditEvent> events(1024);
  for (uint64_t position = 0; position < kThreads * kEach;) {
    size_t count = ring.Peek(position, events);
    for (size_t i = 0; i < count; ++i) {
      uint64_t t = events[i].unique >> 32;
      ASSERT_EQ(events[i].unique & 0xffffffff, ++last[t]);
    }
    position += count;
    ring.Accept(position);
    ring.Release(position);
    if (count == 0) ring.WaitForRecord(position, milliseconds(100));
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(ring.figures().appended, kThreads * kEach);
  EXPECT_EQ(ring.figures().refused, refused.load());
}

// A replay is looked up while others append, release and give memory back. For TSan.
TEST(AuditRingTest, FindsWholeRecordsOrNoneBesideAppenders) {
  constexpr uint64_t kAppends = 6 * AuditRing::kRecords;
  RingMemory memory;
  AuditRing ring = memory.Attach();
  std::atomic<uint64_t> looks{0};
  std::thread appender([&] {
    for (uint64_t unique = 1; unique <= kAppends; ++unique) {
      while (looks.load() < unique / AuditRing::kChunk) std::this_thread::yield();  // the finder keeps up
      AuditEvent event = OpenEvent(unique);
      event.wall_ns = static_cast<int64_t>(unique * 3);
      EXPECT_TRUE(ring.Append(event, kStart, kMaxWait, true).ok());
      ring.Release(unique);
    }
  });
  uint64_t found = 0, torn = 0;
  for (uint64_t head = 0; head < kAppends; head = ring.figures().appended, ++looks) {
    for (uint64_t back : {uint64_t{1}, uint64_t{100}, AuditRing::kReplayWindow - 1}) {
      const std::optional<AuditEvent> event = head > back ? ring.Find(head - back) : std::nullopt;
      if (!event) continue;
      ++found;
      if (event->unique != head - back || event->wall_ns != static_cast<int64_t>((head - back) * 3)) ++torn;
    }
  }
  appender.join();
  EXPECT_EQ(torn, 0u);
  EXPECT_GT(found, 0u);
  EXPECT_TRUE(ring.Contains(kAppends));
}

TEST(AuditRingTest, ARecordWakesTheSleeper) {
  RingMemory memory;
  AuditRing ring = memory.Attach();
  for (uint64_t position = 0; position < 200; ++position) {
    std::thread appender([&] { EXPECT_TRUE(ring.Append(OpenEvent(position + 1), kStart, kMaxWait, true).ok()); });
    std::vector<AuditEvent> events(1);
    while (ring.Peek(position, events) == 0) ring.WaitForRecord(position, Duration::max());  // a lost wake hangs here
    appender.join();
    ConsumeAll(ring);
  }
}

TEST(AuditRingTest, AWakeBeforeTheSleepIsNotLost) {
  RingMemory memory;
  AuditRing ring = memory.Attach();
  ring.Wake();
  ring.WaitForRecord(0, Duration::max());
  ring.Wake();
  ring.Linger(Duration::max());
}

}  // namespace
}  // namespace leasefs
