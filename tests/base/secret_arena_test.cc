#include "fs/base/secret_arena.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/base/wiped.h"

namespace leasefs {
namespace {

struct Block {
  std::byte* memory;
  size_t capacity;
};

Block Allocate(size_t size) {
  Block block{};
  block.memory = static_cast<std::byte*>(SecretArena::Process().Allocate(size, &block.capacity));
  return block;
}

void Free(const Block& block) {
  SecretArena::Process().Free(block.memory, block.capacity);
}

size_t UsedBytes() {
  return SecretArena::Process().Figures().used_bytes;
}

// The fields of the mapping that holds `address`, from /proc/self/smaps.
std::string MappingOf(const void* address) {
  std::ifstream smaps("/proc/self/smaps");
  std::string line;
  std::string found;
  bool inside = false;
  while (std::getline(smaps, line)) {
    size_t first = 0;
    size_t last = 0;
    char dash = 0;
    std::istringstream fields(line);
    bool header = line.find('-') < line.find(' ') && (fields >> std::hex >> first >> dash >> last);
    if (header) inside = reinterpret_cast<size_t>(address) >= first && reinterpret_cast<size_t>(address) < last;
    if (inside) found += line + "\n";
  }
  return found;
}

TEST(SecretArenaTest, EverySizeIsAlignedWritableAndLargeEnough) {
  size_t before = UsedBytes();
  std::vector<Block> blocks;
  for (size_t size = 1; size < (size_t{1} << 21); size += 1 + size / 7) {
    Block block = Allocate(size);
    EXPECT_GE(block.capacity, size);
    EXPECT_LE(block.capacity, size + size / 4 + 4096);
    EXPECT_EQ(reinterpret_cast<size_t>(block.memory) % 16, 0U);
    std::memset(block.memory, static_cast<int>(blocks.size()), block.capacity);
    blocks.push_back(block);
  }
  for (size_t i = 0; i < blocks.size(); ++i) {
    const Block& block = blocks[i];
    EXPECT_EQ(block.memory[0], std::byte(i)) << "overlaps with another";
    EXPECT_EQ(block.memory[block.capacity - 1], std::byte(i)) << "overlaps with another";
    Free(block);
  }
  EXPECT_EQ(UsedBytes(), before);
}

TEST(SecretArenaTest, UsesMemoryAgain) {
  size_t before = UsedBytes();
  // Far more in total than the range holds, in sizes small and large.
  for (int i = 0; i < 2000; ++i) {
    Block small = Allocate(1000);
    Block large = Allocate(size_t{300} << 10);
    EXPECT_EQ(SecretArena::Process().Figures().overflow_bytes, 0U);
    Free(small);
    Free(large);
  }
  EXPECT_EQ(UsedBytes(), before);
}

TEST(SecretArenaTest, NeighboursThatAreFreeBecomeOne) {
  std::vector<Block> blocks;
  for (int i = 0; i < 48; ++i) blocks.push_back(Allocate(size_t{4} << 20));
  EXPECT_EQ(SecretArena::Process().Figures().overflow_bytes, 0U);
  // Every second one first, then the gaps: whatever the order, all of it must grow together again.
  for (size_t i = 0; i < blocks.size(); i += 2) Free(blocks[i]);
  for (size_t i = 1; i < blocks.size(); i += 2) Free(blocks[i]);
  Block half = Allocate(SecretArena::kDefaultReserve / 2);
  EXPECT_EQ(SecretArena::Process().Figures().overflow_bytes, 0U);
  // Not written to, so that freeing is the only thing that touches it.
  Free(half);
}

TEST(SecretArenaTest, OverflowIsCountedAndWorks) {
  size_t before = UsedBytes();
  Block more_than_all = Allocate(SecretArena::kDefaultReserve + 1);
  EXPECT_EQ(SecretArena::Process().Figures().overflow_bytes, more_than_all.capacity);
  more_than_all.memory[0] = std::byte{1};
  more_than_all.memory[more_than_all.capacity - 1] = std::byte{1};
  Free(more_than_all);
  EXPECT_EQ(SecretArena::Process().Figures().overflow_bytes, 0U);
  EXPECT_EQ(UsedBytes(), before);
}

TEST(SecretArenaTest, ManyThreadsGetMemoryOfTheirOwn) {
  size_t before = UsedBytes();
  std::vector<std::thread> threads;
  for (unsigned seed = 0; seed < 4; ++seed) {
    threads.emplace_back([seed] {
      std::minstd_rand random(seed + 1);
      std::map<int, Block> held;
      for (int i = 0; i < 3000; ++i) {
        int slot = static_cast<int>(random() % 32);
        auto found = held.find(slot);
        if (found != held.end()) {
          ASSERT_EQ(found->second.memory[0], std::byte(seed + 1));
          ASSERT_EQ(found->second.memory[found->second.capacity - 1], std::byte(slot));
          Free(found->second);
          held.erase(found);
        } else {
          Block block = Allocate(2 + random() % (size_t{1} << (random() % 18)));
          block.memory[0] = std::byte(seed + 1);
          block.memory[block.capacity - 1] = std::byte(slot);
          held.emplace(slot, block);
        }
      }
      for (const auto& [slot, block] : held) Free(block);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(UsedBytes(), before);
  EXPECT_EQ(SecretArena::Process().Figures().overflow_bytes, 0U);
}

TEST(SecretArenaTest, IsNeitherDumpedNorSwappedWhereLockingIsAllowed) {
  Block block = Allocate(100);
  std::string mapping = MappingOf(block.memory);
  size_t flags = mapping.find("VmFlags:");
  ASSERT_NE(flags, std::string::npos) << mapping;
  std::string words = mapping.substr(flags);
  EXPECT_NE(words.find(" dd"), std::string::npos) << words;  // MADV_DONTDUMP
  EXPECT_NE(words.find(" wf"), std::string::npos) << words;  // MADV_WIPEONFORK
  EXPECT_EQ(words.find(" lo") != std::string::npos, SecretArena::Process().Figures().locked) << words;
  EXPECT_EQ(SecretArena::Process().Figures().reserved_bytes, SecretArena::kDefaultReserve);
  Free(block);
}

TEST(SecretArenaTest, AForkedChildSeesZeros) {
  Block block = Allocate(100);
  std::memset(block.memory, 's', 100);
  pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) _exit(IsWiped(block.memory, 100) ? 0 : 1);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_EQ(block.memory[99], std::byte{'s'});
  Free(block);
}

#ifndef LEASEFS_SANITIZED  // these look at memory that is not ours any more

TEST(SecretArenaTest, FreedMemoryIsWiped) {
  for (size_t size : {size_t{16}, size_t{100}, size_t{5000}, size_t{40000}, size_t{300000}}) {
    Block block = Allocate(size);
    std::memset(block.memory, 's', block.capacity);
    Free(block);
    EXPECT_TRUE(IsWiped(block.memory, block.capacity)) << size;
  }
}

TEST(SecretArenaTest, PagesOfLargeOnesGoBackToTheKernel) {
  Block block = Allocate(size_t{1} << 20);
  std::memset(block.memory, 's', block.capacity);
  std::vector<unsigned char> resident(block.capacity / 4096);
  auto resident_pages = [&] {
    EXPECT_EQ(mincore(block.memory, block.capacity, resident.data()), 0);
    size_t pages = 0;
    for (unsigned char page : resident) pages += page & 1U;
    return pages;
  };
  EXPECT_EQ(resident_pages(), resident.size());
  Free(block);
  EXPECT_EQ(resident_pages(), 0U);
}

TEST(SecretArenaDeathTest, RunningOverTheEndsOfTheRangeFaults) {
  Block block = Allocate(16);
  std::istringstream fields(MappingOf(block.memory));
  size_t first = 0;
  size_t last = 0;
  char dash = 0;
  ASSERT_TRUE(fields >> std::hex >> first >> dash >> last);
  EXPECT_DEATH(*reinterpret_cast<volatile char*>(first - 1) = 1, "");
  EXPECT_DEATH(*reinterpret_cast<volatile char*>(last) = 1, "");
  Free(block);
}

#endif  // LEASEFS_SANITIZED

}  // namespace
}  // namespace leasefs
