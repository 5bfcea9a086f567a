#include "fs/cli/dotenv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace leasefs::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;

std::vector<std::pair<std::string, std::string>> Parse(std::string_view text) {
  auto fields = ParseDotenv("x.env", SecretBuffer::CopyOf(text));
  EXPECT_TRUE(fields.ok()) << fields.error().message();
  std::vector<std::pair<std::string, std::string>> out;
  if (!fields.ok()) return out;
  for (const protocol::Field& field : fields.value())
    out.emplace_back(field.key, std::string(field.value.ExposeText()));
  return out;
}

std::string ErrorOf(std::string_view text) {
  auto fields = ParseDotenv("x.env", SecretBuffer::CopyOf(text));
  EXPECT_FALSE(fields.ok()) << text;
  return fields.ok() ? "" : fields.error().message();
}

TEST(DotenvTest, ReadsPlainValues) {
  EXPECT_THAT(Parse("A=1\n\n# comment\n  B = two words \t\nexport C=x#y # comment\nD=\nE= # nothing\nexport=5\n"),
              ElementsAre(Pair("A", "1"), Pair("B", "two words"), Pair("C", "x#y"), Pair("D", ""), Pair("E", ""),
                          Pair("export", "5")));
}

TEST(DotenvTest, ReadsQuotesAndEscapes) {
  EXPECT_THAT(Parse("A='as $IS ${x} \\n # is' # comment\nB=\"tab\\t nl\\n q\\\" b\\\\ d\\$x\"\nC=\"a cost of "
                    "5$\"\nD=mid'quote\"s\n"),
              ElementsAre(Pair("A", "as $IS ${x} \\n # is"), Pair("B", "tab\t nl\n q\" b\\ d$x"),
                          Pair("C", "a cost of 5$"), Pair("D", "mid'quote\"s")));
}

TEST(DotenvTest, QuotedValuesSpanLines) {
  EXPECT_THAT(Parse("KEY=\"-----BEGIN\nabc\n-----END\n\"\nONE='a\nb'\nTWO=2"),
              ElementsAre(Pair("KEY", "-----BEGIN\nabc\n-----END\n"), Pair("ONE", "a\nb"), Pair("TWO", "2")));
}

TEST(DotenvTest, TakesLinesOfWindowsAndAByteOrderMark) {
  EXPECT_THAT(Parse("\xEF\xBB\xBF"
                    "A=1\r\nB=\"x\"\r\n\r\nC='y'\r\nD=z\r"),
              ElementsAre(Pair("A", "1"), Pair("B", "x"), Pair("C", "y"), Pair("D", "z")));
}

TEST(DotenvTest, KeepsBytesThatAreNotUtf8) {
  EXPECT_THAT(Parse("A=\xff\xfe\n"), ElementsAre(Pair("A", "\xff\xfe")));
}

TEST(DotenvTest, AnEmptyTextHasNoKeys) {
  EXPECT_THAT(Parse(""), ElementsAre());
  EXPECT_THAT(Parse("\n \n# only a comment"), ElementsAre());
}

TEST(DotenvTest, ErrorsSayWhere) {
  EXPECT_THAT(ErrorOf("A=1\nnonsense\n"), HasSubstr("x.env:2:9: '=' is missing"));
  EXPECT_THAT(ErrorOf("A=1\n\n  =x"), HasSubstr("x.env:3:3: a line is NAME=VALUE"));
  EXPECT_THAT(ErrorOf("1A=x"), HasSubstr("x.env:1:1: a name begins with"));
  EXPECT_THAT(ErrorOf("A=1\nB=2\nA=3\n"), HasSubstr("x.env:3:1: this name is there already, at x.env:1:1"));
  EXPECT_THAT(ErrorOf("A='abc\nB=2\n"), HasSubstr("x.env:1:3: this quote is never closed"));
  EXPECT_THAT(ErrorOf("A=\"abc\\\""), HasSubstr("x.env:1:3: this quote is never closed"));
  EXPECT_THAT(ErrorOf("A=\"a\\qb\""), HasSubstr("x.env:1:5: only"));
  EXPECT_THAT(ErrorOf("A=\"x\"y"), HasSubstr("x.env:1:6: something stands behind"));
  EXPECT_THAT(ErrorOf("A='x'#y"), HasSubstr("x.env:1:6: something stands behind"));
  EXPECT_THAT(ErrorOf("É=1"), HasSubstr("x.env:1:1:"));
  EXPECT_THAT(ErrorOf(std::string_view("A=1\nB=\0x\n", 9)), HasSubstr("x.env:2:3: a NUL byte"));
}

TEST(DotenvTest, WhatOthersWouldExpandIsAnError) {
  for (const char* text : {"A=pre${HOME}", "A=$HOME", "A=\"x $(id)\"", "A=\"${x}\""})
    EXPECT_THAT(ErrorOf(text), HasSubstr("single quotes"));
  EXPECT_THAT(Parse("A='${HOME}'\nB=5$\nC=$5\n"), ElementsAre(Pair("A", "${HOME}"), Pair("B", "5$"), Pair("C", "$5")));
}

TEST(DotenvTest, ErrorsNeverQuoteAValue) {
  for (const char* text :
       {"A='canary", "A=\"canary\\canary\"", "A='canary'canary", "A=canary${canary}", "A=x\nA=canary"}) {
    EXPECT_THAT(ErrorOf(text), Not(HasSubstr("canary")));
  }
}

TEST(DotenvTest, BoundsNamesAndTheirNumber) {
  EXPECT_THAT(ErrorOf(std::string(2000, 'A') + "=1"), HasSubstr("more than 1024 bytes"));
  std::string many;
  for (int i = 0; i < 4097; ++i) many += "K" + std::to_string(i) + "=1\n";
  EXPECT_THAT(ErrorOf(many), HasSubstr("x.env:4097:1: more than 4096"));
}

}  // namespace
}  // namespace leasefs::cli
