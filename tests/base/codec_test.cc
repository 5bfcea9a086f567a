#include "fs/base/codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace leasefs {
namespace {

using testing::ElementsAre;

enum class Fruit : uint8_t { kApple, kPear, kPlum };

SecretBuffer WriteOneOfEach() {
  Writer writer;
  writer.U8(0x12);
  writer.U16(0x3456);
  writer.U32(0x789ABCDE);
  writer.U64(0x0123456789ABCDEF);
  writer.I64(-5);
  writer.Bool(true);
  writer.Time(BootTime(std::chrono::milliseconds(1500)));
  writer.String("name");
  writer.Secret(SecretBuffer::CopyOf("value"));
  writer.U8(static_cast<uint8_t>(Fruit::kPlum));
  return std::move(writer).Take();
}

// Everything that WriteOneOfEach wrote; false if the reader did not like it or something is left.
bool ReadOneOfEach(std::span<const std::byte> bytes) {
  Reader reader(bytes);
  bool same = reader.U8() == 0x12;
  same &= reader.U16() == 0x3456;
  same &= reader.U32() == 0x789ABCDE;
  same &= reader.U64() == 0x0123456789ABCDEF;
  same &= reader.I64() == -5;
  same &= reader.Bool();
  same &= reader.Time() == BootTime(std::chrono::milliseconds(1500));
  same &= reader.String(4) == "name";
  same &= reader.Secret(5).ExposeText() == "value";
  same &= reader.Enum(Fruit::kPlum) == Fruit::kPlum;
  return same && reader.AtEnd();
}

TEST(CodecTest, ReadsWhatWasWritten) {
  EXPECT_TRUE(ReadOneOfEach(WriteOneOfEach().Expose()));
}

TEST(CodecTest, IsLittleEndian) {
  Writer writer;
  writer.U32(0x01020304);
  writer.String("a");
  SecretBuffer bytes = std::move(writer).Take();
  EXPECT_THAT(bytes.ExposeText(), ElementsAre(4, 3, 2, 1, 1, 0, 0, 0, 'a'));
}

TEST(CodecTest, EveryTruncationIsNoticed) {
  SecretBuffer whole = WriteOneOfEach();
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(ReadOneOfEach(whole.Expose().first(size))) << size;
  }
  whole.Append("x");
  EXPECT_FALSE(ReadOneOfEach(whole.Expose())) << "one byte too many";
}

TEST(CodecTest, FailureSticks) {
  Writer writer;
  writer.U8(1);
  writer.U8(2);
  SecretBuffer bytes = std::move(writer).Take();
  Reader reader(bytes.Expose());
  EXPECT_EQ(reader.U32(), 0U);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.U8(), 0) << "would have fit, but comes after the failure";
  EXPECT_EQ(reader.rest(), 0U);
  EXPECT_EQ(reader.String(10), "");
  EXPECT_TRUE(reader.Secret(10).empty());
  EXPECT_FALSE(reader.ok());
  EXPECT_FALSE(reader.AtEnd());
}

TEST(CodecTest, LengthIsCheckedAgainstTheCallersLimit) {
  Writer writer;
  writer.String("12345");
  SecretBuffer bytes = std::move(writer).Take();
  Reader exact(bytes.Expose());
  EXPECT_EQ(exact.String(5), "12345");
  Reader over(bytes.Expose());
  EXPECT_EQ(over.String(4), "");
  EXPECT_FALSE(over.ok());
}

TEST(CodecTest, LengthIsCheckedAgainstWhatIsThere) {
  Writer writer;
  writer.U32(0xFFFFFFFF);
  SecretBuffer bytes = std::move(writer).Take();
  Reader reader(bytes.Expose());
  EXPECT_TRUE(reader.Secret(SIZE_MAX).empty());
  EXPECT_FALSE(reader.ok());
}

TEST(CodecTest, OnlyZeroAndOneAreBooleans) {
  SecretBuffer bytes = SecretBuffer::CopyOf(std::string_view("\x02", 1));
  Reader reader(bytes.Expose());
  EXPECT_FALSE(reader.Bool());
  EXPECT_FALSE(reader.ok());
}

TEST(CodecTest, EnumsAreBounded) {
  SecretBuffer bytes = SecretBuffer::CopyOf(std::string_view("\x02\x03", 2));
  Reader reader(bytes.Expose());
  EXPECT_EQ(reader.Enum(Fruit::kPlum), Fruit::kPlum);
  EXPECT_TRUE(reader.ok());
  EXPECT_EQ(reader.Enum(Fruit::kPlum), Fruit::kApple);
  EXPECT_FALSE(reader.ok());
}

TEST(CodecTest, EmptyStringsAreFine) {
  Writer writer;
  writer.String("");
  writer.Secret(SecretBuffer());
  SecretBuffer bytes = std::move(writer).Take();
  EXPECT_EQ(bytes.size(), 8U);
  Reader reader(bytes.Expose());
  EXPECT_EQ(reader.String(0), "");
  EXPECT_TRUE(reader.Secret(0).empty());
  EXPECT_TRUE(reader.AtEnd());
}

}  // namespace
}  // namespace leasefs
