#include <gtest/gtest.h>
#include <openssl/crypto.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "fs/base/wiping_allocators.h"
#include "tests/base/wiped.h"

namespace leasefs {
namespace {

// Before main, so before anything here has called OpenSSL.
const bool kInstalled = InstallOpenSslWipingAllocator();

TEST(WipingAllocatorsTest, OpenSslTakesThemBeforeItsFirstUse) {
  EXPECT_TRUE(kInstalled);
}

TEST(WipingAllocatorsTest, OpenSslMemoryGrowsAndShrinks) {
  auto* memory = static_cast<char*>(CRYPTO_malloc(100, "", 0));
  std::memset(memory, 'a', 100);
  memory = static_cast<char*>(CRYPTO_realloc(memory, 100000, "", 0));
  EXPECT_EQ(std::string(memory, 100), std::string(100, 'a'));
  memory = static_cast<char*>(CRYPTO_realloc(memory, 50, "", 0));
  EXPECT_EQ(std::string(memory, 50), std::string(50, 'a'));
  EXPECT_EQ(CRYPTO_realloc(memory, 0, "", 0), nullptr);
  memory = static_cast<char*>(CRYPTO_realloc(nullptr, 10, "", 0));
  EXPECT_NE(memory, nullptr);
  CRYPTO_free(memory, "", 0);
  CRYPTO_free(nullptr, "", 0);
}

TEST(WipingNewTest, EveryFormOfNewGivesAlignedMemory) {
  struct alignas(256) Wide {
    char bytes[256];
  };
  auto aligned = std::make_unique<Wide>();
  EXPECT_EQ(reinterpret_cast<uintptr_t>(aligned.get()) % 256, 0U);
  auto many = std::make_unique<Wide[]>(3);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(many.get()) % 256, 0U);
  std::unique_ptr<Wide> nothrow(new (std::nothrow) Wide);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(nothrow.get()) % 256, 0U);
  std::unique_ptr<char[]> plain(new (std::nothrow) char[10]);
  EXPECT_NE(plain, nullptr);
}

#ifndef LEASEFS_SANITIZED  // these look at memory that is not ours any more

// malloc writes its own links to the beginning of what is free, and a size to its end.
constexpr size_t kLinks = 32;

// Through an integer, since compilers know that the pointer is dead.
bool IsWipedAt(uintptr_t address, size_t size) {
  volatile uintptr_t opaque = address + kLinks;
  return IsWiped(reinterpret_cast<const void*>(opaque), size - kLinks);
}

TEST(WipingNewTest, DeletedMemoryIsWiped) {
  auto* memory = new char[200];
  std::memset(memory, 's', 200);
  auto address = reinterpret_cast<uintptr_t>(memory);
  EXPECT_FALSE(IsWipedAt(address, 200));
  delete[] memory;
  EXPECT_TRUE(IsWipedAt(address, 200));
}

TEST(WipingNewTest, AGrownStringLeavesNothingBehind) {
  std::string text(200, 's');
  auto address = reinterpret_cast<uintptr_t>(text.data());
  text.append(1000, 't');
  ASSERT_NE(reinterpret_cast<uintptr_t>(text.data()), address);
  EXPECT_TRUE(IsWipedAt(address, 200));
}

TEST(WipingFreeTest, FreedMemoryIsWiped) {
  void* volatile opaque = std::malloc(200);
  std::memset(opaque, 's', 200);
  auto address = reinterpret_cast<uintptr_t>(opaque);
  EXPECT_FALSE(IsWipedAt(address, 200));
  std::free(opaque);
  EXPECT_TRUE(IsWipedAt(address, 200));
  std::free(nullptr);
}

TEST(WipingFreeTest, MemoryThatIsMovedByReallocLeavesNothingBehind) {
  void* volatile opaque = std::realloc(nullptr, 200);
  std::memset(opaque, 's', 200);
  auto address = reinterpret_cast<uintptr_t>(opaque);
  opaque = std::realloc(opaque, 100'000);
  ASSERT_NE(reinterpret_cast<uintptr_t>(opaque), address);
  EXPECT_TRUE(IsWipedAt(address, 200));
  EXPECT_EQ(std::string(static_cast<char*>(opaque), 200), std::string(200, 's'));
  opaque = std::realloc(opaque, 100);
  EXPECT_EQ(std::string(static_cast<char*>(opaque), 100), std::string(100, 's'));
  EXPECT_EQ(std::realloc(opaque, 0), nullptr);
}

TEST(WipingNewTest, WhatCannotBeHadIsReported) {
  volatile size_t too_much = SIZE_MAX / 2;
  EXPECT_THROW(::operator delete(::operator new(too_much)), std::bad_alloc);
  EXPECT_EQ(::operator new(too_much, std::nothrow), nullptr);
}

TEST(WipingAllocatorsTest, OpenSslMemoryIsWipedWhenFreedAndMoved) {
  auto* memory = static_cast<char*>(CRYPTO_malloc(200, "", 0));
  std::memset(memory, 's', 200);
  auto address = reinterpret_cast<uintptr_t>(memory);
  memory = static_cast<char*>(CRYPTO_realloc(memory, 5000, "", 0));
  ASSERT_NE(reinterpret_cast<uintptr_t>(memory), address);
  EXPECT_TRUE(IsWipedAt(address, 200));
  address = reinterpret_cast<uintptr_t>(memory);
  CRYPTO_free(memory, "", 0);
  EXPECT_TRUE(IsWipedAt(address, 4000));
}

#endif  // LEASEFS_SANITIZED

}  // namespace
}  // namespace leasefs
