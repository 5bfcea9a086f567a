#include "backend/http/json_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backend/http/json_text.h"
#include "fs/base/strings.h"

namespace leasefs::http {
namespace {

using testing::HasSubstr;
using testing::Not;

Result<std::string> Read(std::string_view text, const JsonLimits& limits = {}) {
  JsonText compact;
  LEASEFS_RETURN_IF_ERROR(ReadJson(SecretBuffer::CopyOf(text), compact, limits));
  EXPECT_TRUE(compact.complete());
  return std::string(compact.Take().ExposeText());
}

std::string Refusal(std::string_view text, ErrorKind kind = ErrorKind::kRemote, const JsonLimits& limits = {}) {
  const auto read = Read(text, limits);
  if (read.ok()) return StrCat("accepted as ", *read);
  EXPECT_EQ(read.error().kind(), kind) << read.error().message();
  EXPECT_EQ(read.error().message(), Printable(read.error().message()));
  return read.error().message();
}

TEST(JsonReaderTest, GivesEveryKindOfValueInOrder) {
  EXPECT_EQ(*Read(R"( { "a" : null , "b" : [ true , false , "x" , {} , [] ] , "" : 7 } )"),
            R"({"a":null,"b":[true,false,"x",{},[]],"":7})");
}

TEST(JsonReaderTest, NumbersKeepTheirDigits) {
  for (const char* number :
       {"0", "-0", "7", "-7", "1.10", "-0.0", "0.10", "1E5", "1e+05", "12345678901234567890", "18446744073709551615",
        "18446744073709551616", "-9223372036854775808", "-9223372036854775809", "123456789012345678901234567890",
        "3.141592653589793238462643383279", "2.50", "1e-400", "100e-2"}) {
    EXPECT_EQ(*Read(number), number);
    EXPECT_EQ(*Read(StrCat("[", number, "]")), StrCat("[", number, "]"));
  }
}

TEST(JsonReaderTest, StringsAreTheirUtf8Bytes) {
  class OneString : public JsonText {
   public:
    Status String(SecretBuffer value) override {
      got = std::string(value.ExposeText());
      return Ok();
    }
    std::string got;
  };
  OneString handler;
  ASSERT_TRUE(ReadJson(SecretBuffer::CopyOf(R"("\u0000\u00e9\ud83d\ude00\n\"\\\/é")"), handler).ok());
  EXPECT_EQ(handler.got, std::string("\0é😀\n\"\\/é", 13));
  const std::string longer(100'000, 's');
  ASSERT_TRUE(ReadJson(SecretBuffer::CopyOf(StrCat("\"", longer, "\"")), handler).ok());
  EXPECT_EQ(handler.got, longer);
}

TEST(JsonReaderTest, TwoMembersOfOneNameAreRefused) {
  EXPECT_THAT(Refusal(R"({"a":1,"b":2,"a":3})"), HasSubstr("at byte 16 two members"));
  EXPECT_THAT(Refusal(R"({"x":{"a":1,"\u0061":3}})"), HasSubstr("two members"));
  EXPECT_TRUE(Read(R"({"a":{"a":1},"b":{"a":1}})").ok());
}

TEST(JsonReaderTest, WhatIsNoJsonIsRefusedByItsOffset) {
  EXPECT_THAT(Refusal("<html>"), HasSubstr("at byte 1 it is no JSON"));
  EXPECT_THAT(Refusal(R"({"a":1} x)"), HasSubstr("at byte 9"));
  EXPECT_THAT(Refusal(R"({"a":1}{})"), HasSubstr("at byte 8"));
  for (const char* text :
       {"",       " ",       "{",         "[",   "[1,]",     R"({"a"})",    R"({"a":})", R"({a:1})", "01",
        "1.",     ".5",      "+1",        "nan", "Infinity", "tru",         R"("a)",     R"("\x")",  R"("\u12")",
        "\"\t\"", "// x\n1", "/* x */ 1", "'a'", "1e",       R"({"a":1,})", "1e400",     "-1e400"}) {
    EXPECT_THAT(Refusal(text), HasSubstr("it is no JSON")) << text;
  }
  EXPECT_THAT(Refusal("\xEF\xBB\xBF{}"), HasSubstr("byte order mark"));
  EXPECT_THAT(Refusal(std::string_view("1\0", 2)), HasSubstr("at byte 2"));
  EXPECT_THAT(Refusal(std::string_view("{}\0{", 4)), HasSubstr("at byte 3"));
}

TEST(JsonReaderTest, WhatIsNotUtf8IsRefused) {
  for (const char* text : {"\"\xFF\"", "\"\xC0\x80\"", "\"\xE0\x80\x80\"", "\"\xED\xA0\x80\"", "\"\xF4\x90\x80\x80\"",
                           "\"\xC3\"", R"("\ud800")", R"("\udc00")", R"("\ud800A")", "{\"\xFF\":1}"}) {
    EXPECT_THAT(Refusal(text), HasSubstr("it is no JSON")) << text;
  }
}

TEST(JsonReaderTest, MessagesQuoteNothing) {
  for (const char* text : {R"({"hunter2":"hunter2)", R"(["hunter2" hunter2])", R"({"hunter2":1,"hunter2":2})",
                           "hunter2", R"("hunter2\q")", "[1e400, \"hunter2\"]"}) {
    EXPECT_THAT(Refusal(text), Not(HasSubstr("hunter2")));
  }
}

TEST(JsonReaderTest, LimitsAreKept) {
  const auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(Read(nested(32)).ok());
  EXPECT_THAT(Refusal(nested(33), ErrorKind::kTooLarge), HasSubstr("at byte 33 it is nested deeper than 32"));
  EXPECT_THAT(Refusal(std::string(1'000'000, '['), ErrorKind::kTooLarge), HasSubstr("nested"));
  EXPECT_THAT(Refusal(R"({"a":{"a":{"a":1}}})", ErrorKind::kTooLarge, {.max_depth = 2}), HasSubstr("nested"));
  EXPECT_TRUE(Read("[1,2]", {.max_values = 3}).ok());
  EXPECT_THAT(Refusal("[1,2,3]", ErrorKind::kTooLarge, {.max_values = 3}), HasSubstr("more than 3 values"));
  EXPECT_THAT(Refusal(R"({"a":1,"b":1})", ErrorKind::kTooLarge, {.max_values = 4}), HasSubstr("more than 4 values"));
  EXPECT_TRUE(Read(R"({"a":{"c":1,"d":1},"b":1})", {.max_members = 2}).ok());  // of each object
  EXPECT_THAT(Refusal(R"({"a":1,"b":1,"c":1})", ErrorKind::kTooLarge, {.max_members = 2}),
              HasSubstr("more than 2 members"));
  EXPECT_THAT(Refusal(R"({"abcd":1})", ErrorKind::kTooLarge, {.max_name_bytes = 3}), HasSubstr("longer than 3"));
  EXPECT_THAT(Refusal("\"abc\"", ErrorKind::kTooLarge, {.max_bytes = 4}), HasSubstr("larger than 4"));
}

TEST(JsonReaderTest, AHandlersErrorEndsTheReading) {
  class NoBooleans : public JsonText {
   public:
    Status Bool(bool) override { return Error(ErrorKind::kNotFound, "no booleans here"); }
    Status Null() override {
      ADD_FAILURE() << "it went on";
      return Ok();
    }
  };
  NoBooleans handler;
  const Status read = ReadJson(SecretBuffer::CopyOf("[true, null]"), handler);
  EXPECT_EQ(read.error().kind(), ErrorKind::kNotFound);
  EXPECT_EQ(read.error().message(), "no booleans here");
}

TEST(JsonTextTest, EscapesWhatMustBeEscapedAndNothingElse) {
  SecretBuffer out;
  AppendJsonString(out, std::string_view("a\"\\/\b\f\n\r\t\0\x1f\x7fé", 14));
  EXPECT_EQ(out.ExposeText(), "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\x7fé\"");
}

TEST(JsonTextTest, WhatItWritesReadsAsTheSame) {
  std::string all;
  for (int byte = 0; byte < 128; ++byte) all += static_cast<char>(byte);
  SecretBuffer out;
  AppendJsonString(out, all);
  const std::string text(out.ExposeText());
  EXPECT_EQ(*Read(text), text);
}

TEST(JsonTextTest, BeginsAnewAfterTake) {
  JsonText text;
  EXPECT_FALSE(text.complete());
  ASSERT_TRUE(text.StartArray().ok());
  EXPECT_FALSE(text.complete());
  text.Take();
  ASSERT_TRUE(text.Bool(true).ok());
  EXPECT_TRUE(text.complete());
  EXPECT_EQ(text.Take().ExposeText(), "true");
}

}  // namespace
}  // namespace leasefs::http
