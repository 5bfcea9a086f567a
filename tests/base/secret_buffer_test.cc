#include "fs/base/secret_buffer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <type_traits>

#include "fs/base/secret_arena.h"
#include "tests/base/wiped.h"

namespace leasefs {
namespace {

static_assert(!std::is_copy_constructible_v<SecretBuffer>);
static_assert(!std::is_copy_assignable_v<SecretBuffer>);
static_assert(std::is_nothrow_move_constructible_v<SecretBuffer>);
static_assert(!std::is_convertible_v<SecretBuffer, std::string_view>);

TEST(SecretBufferTest, NewBytesAreZero) {
  SecretBuffer buffer(1000);
  EXPECT_EQ(buffer.size(), 1000U);
  EXPECT_THAT(buffer.Expose(), testing::Each(std::byte{0}));
  EXPECT_TRUE(SecretBuffer().empty());
  EXPECT_TRUE(SecretBuffer(0).empty());
}

TEST(SecretBufferTest, NewBytesAreZeroWhereOthersWere) {
  SecretBuffer buffer = SecretBuffer::CopyOf("abcdef");
  buffer.Resize(2);
  buffer.Resize(6);
  EXPECT_EQ(buffer.ExposeText(), std::string_view("ab\0\0\0\0", 6));
}

TEST(SecretBufferTest, AppendsAndGrows) {
  SecretBuffer buffer;
  std::string expected;
  for (int i = 0; i < 5000; ++i) {
    buffer.Append(std::string_view("0123456789").substr(0, i % 11));
    expected += std::string_view("0123456789").substr(0, i % 11);
  }
  EXPECT_EQ(buffer.ExposeText(), expected);
}

TEST(SecretBufferTest, AppendsAPartOfItself) {
  SecretBuffer buffer = SecretBuffer::CopyOf("0123456789abcdef");  // fills its place, so that it must move
  for (int i = 0; i < 6; ++i) buffer.Append(buffer.Expose());
  EXPECT_EQ(buffer.size(), 16U << 6);
  EXPECT_EQ(buffer.ExposeText().substr(16 * 63), "0123456789abcdef");
}

TEST(SecretBufferTest, ReserveSavesTheMoves) {
  SecretBuffer buffer;
  buffer.Reserve(100);
  buffer.Append("a");
  const std::byte* place = buffer.Expose().data();
  buffer.Append(std::string(99, 'b'));
  EXPECT_EQ(buffer.Expose().data(), place);
}

TEST(SecretBufferTest, MovesLeaveTheSourceEmpty) {
  SecretBuffer source = SecretBuffer::CopyOf("secret");
  const std::byte* place = source.Expose().data();
  SecretBuffer target = std::move(source);
  EXPECT_EQ(target.Expose().data(), place);
  EXPECT_TRUE(source.empty());  // NOLINT(bugprone-use-after-move): that is what is promised
  source = SecretBuffer::CopyOf("other");
  target = std::move(source);
  EXPECT_EQ(target.ExposeText(), "other");
  SecretBuffer& itself = target;
  target = std::move(itself);
  EXPECT_EQ(target.ExposeText(), "other");
}

TEST(SecretBufferTest, ComparesBytesAndLengths) {
  SecretBuffer a = SecretBuffer::CopyOf("secret");
  EXPECT_TRUE(ConstantTimeEqual(a, SecretBuffer::CopyOf("secret")));
  EXPECT_FALSE(ConstantTimeEqual(a, SecretBuffer::CopyOf("secreT")));
  EXPECT_FALSE(ConstantTimeEqual(a, SecretBuffer::CopyOf("secre")));
  EXPECT_FALSE(ConstantTimeEqual(a, SecretBuffer()));
  EXPECT_TRUE(ConstantTimeEqual(SecretBuffer(), SecretBuffer()));
}

#ifndef LEASEFS_SANITIZED  // these look at memory that is not ours any more

TEST(SecretBufferTest, IsWipedWhenDestroyed) {
  const std::byte* place = nullptr;
  {
    SecretBuffer buffer = SecretBuffer::CopyOf(std::string(200, 's'));
    place = buffer.Expose().data();
    EXPECT_FALSE(IsWiped(place, 200));
  }
  EXPECT_TRUE(IsWiped(place, 200));
}

TEST(SecretBufferTest, IsWipedWhenClearedShrunkAndReplaced) {
  SecretBuffer buffer = SecretBuffer::CopyOf(std::string(200, 's'));
  const std::byte* place = buffer.Expose().data();
  buffer.Resize(50);
  EXPECT_TRUE(IsWiped(place + 50, 150));
  EXPECT_FALSE(IsWiped(place, 50));
  buffer = SecretBuffer::CopyOf("other");
  EXPECT_TRUE(IsWiped(place, 200));
  const std::byte* other_place = buffer.Expose().data();
  buffer.Clear();
  EXPECT_TRUE(IsWiped(other_place, 5));
}

TEST(SecretBufferTest, OldPlaceIsWipedWhenItGrows) {
  SecretBuffer buffer = SecretBuffer::CopyOf(std::string(200, 's'));
  const std::byte* place = buffer.Expose().data();
  buffer.Append(std::string(1000, 't'));
  ASSERT_NE(buffer.Expose().data(), place);
  EXPECT_TRUE(IsWiped(place, 200));
  const std::byte* second_place = buffer.Expose().data();
  buffer.Reserve(100000);
  ASSERT_NE(buffer.Expose().data(), second_place);
  EXPECT_TRUE(IsWiped(second_place, 1200));
}

TEST(SecretBufferTest, LargeOnesAreWipedToo) {
  const std::byte* place = nullptr;
  {
    SecretBuffer buffer = SecretBuffer::CopyOf(std::string(size_t{1} << 20, 's'));
    place = buffer.Expose().data();
  }
  EXPECT_TRUE(IsWiped(place, size_t{1} << 20));
}

#endif  // LEASEFS_SANITIZED

}  // namespace
}  // namespace leasefs
