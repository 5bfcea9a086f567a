// What a killed process leaves behind: a successor loses no record, repeats none and writes no garbage.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <random>
#include <set>
#include <thread>

#include "tests/audit/audit_support.h"

namespace leasefs {
namespace {

constexpr BootTime kStart{std::chrono::hours(1)};

std::vector<std::unique_ptr<AuditSink>> FileOnly(const std::string& path, int flags = O_WRONLY) {
  std::vector<std::unique_ptr<AuditSink>> sinks;
  sinks.push_back(std::make_unique<FileSink>(OpenLog(path, flags), path));
  return sinks;
}

// The front of a ring's memory: all but the slots of later records. What a kill may leave half done lies in it.
constexpr size_t kFront = size_t{128} << 10;

std::vector<std::byte> Front(RingMemory& memory) {
  auto bytes = memory.bytes().first(kFront);
  return {bytes.begin(), bytes.end()};
}

// Runs `act` in a child, instruction by instruction, and calls `killed_here` at each one that changed the memory or the
// file: what a kill at this instruction would leave behind. Returns the number of such moments.
size_t AtEveryState(RingMemory& memory, const std::string& file, const std::function<void()>& act,
                    const std::function<void()>& killed_here) {
  pid_t child = fork();
  if (child == 0) {
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    raise(SIGSTOP);
    act();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  size_t states = 0;
  std::vector<std::byte> last;
  off_t last_size = -1;
  while (WIFSTOPPED(status)) {
    struct stat now {};
    if (!file.empty()) stat(file.c_str(), &now);
    if (last.empty() || now.st_size != last_size || memcmp(last.data(), memory.bytes().data(), kFront) != 0) {
      last = Front(memory);
      last_size = now.st_size;
      ++states;
      killed_here();
      if (testing::Test::HasFatalFailure()) {
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        return states;
      }
    }
    if (ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr) != 0) break;
    waitpid(child, &status, 0);
  }
  EXPECT_TRUE(WIFEXITED(status));
  return states;
}

TEST(AuditKillTest, AnAppenderKilledAtAnyInstructionBlocksNothing) {
  size_t recorded = 0, voids = 0;
  RingMemory memory;
  ASSERT_TRUE(memory.Attach().Append(OpenEvent(1), kStart, kMaxWait, true).ok());
  AuditRing dying = memory.Attach();
  auto append = [&] { (void)dying.AppendAdmin(OpenEvent(2), "web/tls", kStart, kMaxWait, true); };
  size_t states = AtEveryState(memory, "", append, [&] {
    RingMemory left;
    memcpy(left.bytes().data(), memory.bytes().data(), kFront);
    AuditRing successor = left.Attach();
    std::vector<AuditEvent> events(4);
    size_t count = successor.Peek(0, events);
    ASSERT_EQ(count, successor.figures().appended) << "a place that nobody will fill";
    ASSERT_EQ(events[0].unique, 1u);
    bool whole = count == 2 && events[1].kind == AuditEvent::Kind::kAdmin;
    bool is_void = count == 2 && events[1].kind == AuditEvent::Kind::kVoid;
    ASSERT_TRUE(count == 1 || whole || is_void);
    ASSERT_EQ(successor.Contains(2), whole);
    recorded += whole;
    voids += is_void;
    if (whole) {
      ASSERT_EQ(successor.Text(1, events[1]), "web/tls");
    }
    for (size_t i = whole ? 2 : 1; i < AuditRing::kTexts; ++i) {
      ASSERT_TRUE(successor.AppendAdmin({}, "p", kStart, kMaxWait, true).ok()) << "a text is lost for ever";
    }
  });
  EXPECT_GT(states, 8u);
  EXPECT_GT(recorded, 0u);
  EXPECT_GT(voids, 0u);
}

// The second of the two records is the last before the boundary where a chunk goes back to the system.
TEST(AuditKillTest, OneKilledWhileItGivesMemoryBackLosesNoRecordAndNoReplay) {
  constexpr uint64_t kBoundary = AuditRing::kReplayWindow + AuditRing::kChunk, kWaiting = 3;
  RingMemory memory;
  AuditRing dying = memory.Attach();
  for (uint64_t i = 1; i <= kBoundary + kWaiting; ++i) {
    ASSERT_TRUE(dying.Append(OpenEvent(i), kStart, kMaxWait, true).ok());
  }
  dying.Accept(kBoundary);
  dying.Release(kBoundary - 2);
  const std::vector<std::byte> full = Front(memory);
  std::set<uint64_t> released;
  bool given_back = false;
  AtEveryState(memory, "", [&] { dying.Release(kBoundary); }, [&] {
    RingMemory left;
    memcpy(left.bytes().data(), memory.bytes().data(), left.bytes().size());
    given_back = given_back || memcmp(left.bytes().data() + kFront - 128, full.data() + kFront - 128, 128) != 0;
    AuditRing successor = left.Attach();
    const uint64_t from = successor.figures().released;
    released.insert(from);
    std::vector<AuditEvent> events(8);
    ASSERT_EQ(successor.Peek(from, events), kBoundary + kWaiting - from);
    for (uint64_t i = 0; from + i < kBoundary + kWaiting; ++i) ASSERT_EQ(events[i].unique, from + i + 1);
    for (uint64_t back = 0; back < AuditRing::kReplayWindow; ++back) {
      ASSERT_TRUE(successor.Contains(kBoundary + kWaiting - back));
    }
    for (uint64_t i = kBoundary + kWaiting; i < from + AuditRing::kCapacity; ++i) {
      ASSERT_TRUE(successor.Append(OpenEvent(i + 1), kStart, kMaxWait, true).ok());
    }
    EXPECT_FALSE(successor.Append(OpenEvent(1), kStart, kMaxWait, true).ok());
    EXPECT_EQ(successor.figures().voids, 0u);
  });
  EXPECT_EQ(released, (std::set<uint64_t>{kBoundary - 2, kBoundary}));
  EXPECT_TRUE(given_back);
}

TEST(AuditKillTest, AWriterKilledAtAnyInstructionWritesEachLineOnce) {
#ifdef LEASEFS_SANITIZED
  GTEST_SKIP() << "stepping through instrumented code takes minutes; the plain build does it";
#endif
  ScratchFolder folder;
  const std::string path = folder / "audit";
  SimLoop clock(1);
  RingMemory memory;
  AuditRing ring = memory.Attach();
  for (uint64_t i = 1; i <= 2; ++i) ASSERT_TRUE(ring.Append(OpenEvent(i), clock.Now(), kMaxWait, true).ok());
  ASSERT_TRUE(ring.AppendAdmin({}, "web/tls", clock.Now(), kMaxWait, true).ok());
  AuditWriter dying(clock, ring, TestPath, FileOnly(path));
  size_t states = AtEveryState(
      memory, path, [&] { dying.Step(); },
      [&] {
        std::string before = ReadAll(path);
        RingMemory left;
        memcpy(left.bytes().data(), memory.bytes().data(), kFront);
        AuditRing successor_ring = left.Attach();
        AuditWriter successor(clock, successor_ring, TestPath, FileOnly(path));
        successor.Step();
        std::string log = ReadAll(path);
        ASSERT_EQ(FirstFlaw(log), "");
        ASSERT_EQ(LinesOf(log).size(), 3u);
        ASSERT_NE(log.find("web/tls"), std::string::npos);
        ASSERT_EQ(successor_ring.figures().released, 3u);
        ASSERT_EQ(truncate(path.c_str(), static_cast<off_t>(before.size())), 0);
      });
  EXPECT_GT(states, 8u);
  EXPECT_EQ(LinesOf(ReadAll(path)).size(), 3u);
}

TEST(AuditKillTest, ASuccessorGoesOnWithinALine) {
  ScratchFolder folder;
  const std::string path = folder / "audit";
  SimLoop clock(1);
  RingMemory memory;
  AuditRing ring = memory.Attach();
  for (uint64_t i = 1; i <= 2; ++i) ASSERT_TRUE(ring.Append(OpenEvent(i), clock.Now(), kMaxWait, true).ok());
  std::vector<std::byte> before = Front(memory);
  AuditWriter(clock, ring, TestPath, FileOnly(path)).Step();
  const std::string log = ReadAll(path);
  SinkMark begun = ring.mark(SinkId::kFile);
  begun.position = begun.offset = 0;
  for (int flags : {O_WRONLY, O_RDWR}) {
    for (size_t written = 0; written <= log.size(); written += 1 + written % 3) {
      ASSERT_EQ(truncate(path.c_str(), 0), 0);
      ASSERT_EQ(write(OpenLog(path).get(), log.data(), written), static_cast<ssize_t>(written));
      RingMemory left;
      memcpy(left.bytes().data(), before.data(), kFront);
      AuditRing successor = left.Attach();
      successor.SetMark(SinkId::kFile, begun);
      EXPECT_EQ(AuditWriter(clock, successor, TestPath, FileOnly(path, flags)).Step(), 2u);
      ASSERT_EQ(ReadAll(path), log) << written << " bytes were written";
    }
  }
}

TEST(AuditKillTest, WhatAnotherWroteIsNotTakenForThePredecessors) {
  ScratchFolder folder;
  const std::string path = folder / "audit";
  SimLoop clock(1);
  RingMemory memory;
  AuditRing ring = memory.Attach();
  ASSERT_TRUE(ring.Append(OpenEvent(1), clock.Now(), kMaxWait, true).ok());
  UniqueFd file = OpenLog(path);
  struct stat now {};
  ASSERT_EQ(fstat(file.get(), &now), 0);
  ring.SetMark(SinkId::kFile, {0, now.st_dev, now.st_ino, 0});
  ASSERT_EQ(write(file.get(), "# a note\n", 9), 9);
  AuditWriter(clock, ring, TestPath, FileOnly(path, O_RDWR)).Step();
  std::vector<std::string> lines = LinesOf(ReadAll(path));
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(NumberIn(lines[1], "seq"), 1);
}

// Shared between the test and the children that it kills.
struct Diary {
  static constexpr size_t kThreads = 3;
  std::atomic<uint64_t> begun[kThreads], done[kThreads];  // uniques of a thread count up from 1
};

void Work(RingMemory& memory, Diary& diary, const std::string& path) {
  AuditRing ring = memory.Attach();
  SimLoop clock(1);
  AuditWriter writer(clock, ring, TestPath, FileOnly(path));
  std::thread consumer([&] { writer.Run(); });
  std::vector<std::thread> threads;
  for (size_t t = 0; t < Diary::kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (;;) {
        uint64_t next = diary.begun[t].load() + 1;
        AuditEvent event = OpenEvent(uint64_t{t + 1} << 32 | next);
        event.uid = static_cast<uint32_t>(t);
        diary.begun[t].store(next);
        while (!ring.Append(event, clock.Now(), kMaxWait, true).ok()) usleep(100);
        diary.done[t].store(next);
        if (next % 8 == 0) usleep(200);
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

TEST(AuditKillTest, AHundredKillsUnderLoadLoseAndRepeatNothing) {
  ScratchFolder folder;
  RingMemory memory;
  SharedMemory pages(4096);
  Diary& diary = *reinterpret_cast<Diary*>(pages.bytes().data());
  std::vector<std::set<uint64_t>> unanswered(Diary::kThreads);  // begun by one that was killed: recorded or not
  std::mt19937 random(11);
  for (int kills = 0; kills < 100; ++kills) {
    pid_t child = fork();
    if (child == 0) {
      Work(memory, diary, folder / "audit");
      _exit(1);
    }
    usleep(static_cast<useconds_t>(1000 + random() % 40'000));
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));
    for (size_t t = 0; t < Diary::kThreads; ++t) {
      if (diary.done[t] != diary.begun[t]) unanswered[t].insert(diary.begun[t]);
    }
  }
  AuditRing ring = memory.Attach();
  SimLoop clock(1);
  AuditWriter writer(clock, ring, TestPath, FileOnly(folder / "audit"));
  while (writer.Step() > 0) {
  }
  std::string log = ReadAll(folder / "audit");
  ASSERT_EQ(FirstFlaw(log), "");
  EXPECT_EQ(LinesOf(log).size(), ring.figures().appended);
  size_t voids = 0, opens = 0;
  std::vector<std::set<uint64_t>> found(Diary::kThreads);
  for (const std::string& line : LinesOf(log)) {
    bool is_void = line.find("\"void\"") != std::string::npos;
    ++(is_void ? voids : opens);
    if (is_void) continue;
    auto tid = static_cast<uint64_t>(NumberIn(line, "tid"));
    ASSERT_TRUE(found.at(static_cast<size_t>(NumberIn(line, "uid"))).insert(tid).second) << "twice: " << line;
  }
  for (size_t t = 0; t < Diary::kThreads; ++t) {
    for (uint64_t n = 1; n <= diary.begun[t]; ++n) {
      ASSERT_TRUE(found[t].count(n) == 1 || unanswered[t].count(n) == 1) << "lost: thread " << t << " number " << n;
    }
    ASSERT_TRUE(found[t].empty() || *found[t].rbegin() <= diary.begun[t]);
  }
  EXPECT_EQ(voids, ring.figures().voids);
  EXPECT_GT(opens, 1000u);
}

}  // namespace
}  // namespace leasefs
