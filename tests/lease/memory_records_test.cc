// SurvivingRecords in memory that outlives the process: what a kill between any two stores leaves, and real kills.
#include "backend/lease/memory_records.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <set>
#include <vector>

#include "fs/base/sim_loop.h"
#include "fs/base/strings.h"

namespace leasefs::lease {
namespace {

constexpr size_t kBytes = size_t{1} << 20;

class SharedMemory {
 public:
  explicit SharedMemory(size_t size) : size_(size) {
    data_ = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (data_ == MAP_FAILED) std::abort();
  }
  ~SharedMemory() { munmap(data_, size_); }
  std::span<std::byte> span() const { return {static_cast<std::byte*>(data_), size_}; }

 private:
  void* data_;
  size_t size_;
};

AeadKey Key() {
  SecretBuffer key(kKeyBytes);
  std::memset(key.ExposeMutable().data(), 7, kKeyBytes);
  return AeadKey(std::move(key));
}

std::map<std::string, std::string> All(const MemoryRecords& records) {
  std::map<std::string, std::string> all;
  records.ForEach([&](const std::string& name) {
    Result<SecretBuffer> content = records.Get(name);
    all[name] = content.ok() ? std::string(content->ExposeText()) : content.error().message();
  });
  return all;
}

TEST(MemoryRecordsTest, ASuccessorFindsWhatWasPutAndNotWhatWasErased) {
  SharedMemory memory(kBytes);
  SimRandom random(1);
  {
    auto records = MemoryRecords::Attach(memory.span(), Key(), random);
    ASSERT_TRUE(records.ok());
    ASSERT_TRUE(records->Put("a", SecretBuffer::CopyOf("one")).ok());
    ASSERT_TRUE(records->Put("b", SecretBuffer::CopyOf("two")).ok());
    ASSERT_TRUE(records->Put("a", SecretBuffer::CopyOf("three")).ok());
    records->Erase("b");
    records->Erase("c");
  }
  auto records = MemoryRecords::Attach(memory.span(), Key(), random);
  ASSERT_TRUE(records.ok());
  EXPECT_EQ(All(*records), (std::map<std::string, std::string>{{"a", "three"}}));
  EXPECT_EQ(records->Get("b").error().kind(), ErrorKind::kNotFound);
}

TEST(MemoryRecordsTest, ContentsCannotBeSeenInTheMemoryNorReadWithAnotherKey) {
  SharedMemory memory(kBytes);
  SimRandom random(1);
  auto records = MemoryRecords::Attach(memory.span(), Key(), random);
  ASSERT_TRUE(records->Put("name", SecretBuffer::CopyOf("canary-canary")).ok());
  std::string_view text(reinterpret_cast<const char*>(memory.span().data()), memory.span().size());
  EXPECT_NE(text.find("name"), std::string_view::npos);
  EXPECT_EQ(text.find("canary"), std::string_view::npos);
  auto other = MemoryRecords::Attach(memory.span(), AeadKey(SecretBuffer(kKeyBytes)), random);
  EXPECT_EQ(other->Get("name").error().kind(), ErrorKind::kRemote);
}

TEST(MemoryRecordsTest, RoomIsUsedAgainAndARecordThatDoesNotFitChangesNothing) {
  SharedMemory memory(kBytes);
  SimRandom random(1);
  auto records = MemoryRecords::Attach(memory.span(), Key(), random);
  for (int i = 0; i < 2000; ++i) ASSERT_TRUE(records->Put(StrCat("r", i % 10), SecretBuffer(20'000)).ok()) << i;
  EXPECT_EQ(records->Put("large", SecretBuffer(kBytes)).error().kind(), ErrorKind::kNoMemory);
  Status full = Ok();
  int count = 0;
  for (; full.ok(); ++count) full = records->Put(StrCat("more", count), SecretBuffer(20'000));
  EXPECT_GT(count, 10);
  EXPECT_EQ(All(*records).size(), 10U + count - 1);
  records->Erase("more0");
  EXPECT_TRUE(records->Put("again", SecretBuffer(19'000)).ok());
}

TEST(MemoryRecordsTest, MemoryOfAnotherMakeIsRefused) {
  SharedMemory memory(kBytes);
  SimRandom random(1);
  std::memset(memory.span().data(), 0x55, 4096);
  EXPECT_EQ(MemoryRecords::Attach(memory.span(), Key(), random).error().kind(), ErrorKind::kInvalid);
  EXPECT_EQ(MemoryRecords::Attach(memory.span().first(4096), Key(), random).error().kind(), ErrorKind::kInvalid);
}

// The memory is looked at after each store, as a successor would: every record is as it was or as it will be.
TEST(MemoryRecordsTest, AKillBetweenAnyTwoStoresLeavesTheOldStateOrTheNewOne) {
  SharedMemory memory(size_t{64} << 10);
  SharedMemory copy(size_t{64} << 10);
  SimRandom random(1);
  auto records = MemoryRecords::Attach(memory.span(), Key(), random);
  std::map<std::string, std::string> before;
  std::map<std::string, std::string> after;
  size_t looks = 0;
  records->AfterEveryStoreForTest([&] {
    std::memcpy(copy.span().data(), memory.span().data(), copy.span().size());
    SimRandom other(2);
    auto successor = MemoryRecords::Attach(copy.span(), Key(), other);
    ASSERT_TRUE(successor.ok()) << successor.error().message();
    auto found = All(*successor);
    ASSERT_TRUE(found == before || found == after);
    ++looks;
  });
  for (int i = 0; i < 400; ++i) {
    std::string name = StrCat("r", random.Below(8));
    after = before;
    if (random.Below(4) == 0) {
      after.erase(name);
      records->Erase(name);
    } else {
      after[name] = std::string(random.Below(2000), static_cast<char>('a' + i % 26));
      ASSERT_TRUE(records->Put(name, SecretBuffer::CopyOf(after[name])).ok());
    }
    ASSERT_EQ(All(*records), after);
    before = after;
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(looks, 1200U);
}

TEST(MemoryRecordsTest, ARealKillLosesNothingThatWasPut) {
  for (int round = 0; round < 20; ++round) {
    SharedMemory memory(size_t{256} << 10);
    SharedMemory told(4096);  // how far the child has come
    auto* done = reinterpret_cast<volatile uint64_t*>(told.span().data());
    pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      SimRandom random(3);
      auto records = MemoryRecords::Attach(memory.span(), Key(), random);
      for (uint64_t i = 1;; ++i) {
        if (!records->Put(StrCat("r", i % 5), SecretBuffer::CopyOf(StrCat(i))).ok()) _exit(1);
        *done = i;
      }
    }
    while (*done < 50) usleep(100);
    usleep(static_cast<useconds_t>(500 + 137 * round));
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));
    SimRandom random(4);
    auto records = MemoryRecords::Attach(memory.span(), Key(), random);
    ASSERT_TRUE(records.ok());
    uint64_t last = *done;
    for (uint64_t i = last - 4; i <= last; ++i) {
      std::string found = All(*records)[StrCat("r", i % 5)];
      EXPECT_TRUE(found == StrCat(i) || found == StrCat(i + 5)) << found << " instead of " << i;
    }
  }
}

}  // namespace
}  // namespace leasefs::lease
