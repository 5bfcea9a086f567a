#include "fs/template/filters.h"

#include <gtest/gtest.h>

namespace leasefs {
namespace {

using std::literals::operator""sv;

// What a filter makes, or "error: …".
std::string Apply(Filter filter, std::string_view text, bool json = false) {
  FilteredValue value{SecretBuffer::CopyOf(text), json, false};
  Status status = ApplyFilter(filter, value);
  if (!status.ok()) return "error: " + status.error().message();
  return std::string(value.bytes.ExposeText());
}

bool Refuses(Filter filter, std::string_view text) {
  FilteredValue value{SecretBuffer::CopyOf(text), false, false};
  Status status = ApplyFilter(filter, value);
  return !status.ok() && status.error().kind() == ErrorKind::kRemote;
}

TEST(FiltersTest, JsonIsAStringWithItsQuotes) {
  EXPECT_EQ(Apply(Filter::kJson, ""), R"("")");
  EXPECT_EQ(Apply(Filter::kJson, "a\"b\\c/d"), R"("a\"b\\c/d")");
  EXPECT_EQ(Apply(Filter::kJson, "\0\x1f\n\r\t\x7f"sv), R"("\u0000\u001F\n\u000D\u0009\u007F")");
  EXPECT_EQ(Apply(Filter::kJson, "\u00e4\u20ac\U0001F511"), "\"\u00e4\u20ac\U0001F511\"");
  for (std::string_view bad : {"\xff"sv, "\xc3"sv, "\xed\xa0\x80"sv, "\xc0\x80"sv, "a\xf4\x90\x80\x80"sv}) {
    EXPECT_TRUE(Refuses(Filter::kJson, bad));
  }
}

TEST(FiltersTest, S7_JsonIsYamlAndTomlToo) {
  EXPECT_EQ(Apply(Filter::kJson, "a\x7f\xc2\x80\xc2\x85\xc2\x9f"), R"("a\u007F\u0080\u0085\u009F")");
  EXPECT_EQ(Apply(Filter::kJson, "\u2028\u2029b\ufeff\ufffe\uffff"), R"("\u2028\u2029b\uFEFF\uFFFE\uFFFF")");
  for (std::string_view plain :
       {"~", "\u00a0", "\u00bf", "\u2027", "\u202a", "\ufefe", "\uff00", "\ufffd", "\U0001ffff"}) {
    EXPECT_EQ(Apply(Filter::kJson, plain), "\"" + std::string(plain) + "\"");
  }
}

TEST(FiltersTest, S7_JsonTextOfABackendStaysAsItIs) {
  EXPECT_EQ(Apply(Filter::kJson, "1.50", true), "1.50");
  EXPECT_EQ(Apply(Filter::kUrl, "[1]", true), "%5B1%5D");
}

TEST(FiltersTest, UrlLeavesWhatRfc3986CallsUnreserved) {
  EXPECT_EQ(Apply(Filter::kUrl, "AZaz09-._~"), "AZaz09-._~");
  EXPECT_EQ(Apply(Filter::kUrl, "p@s:s/w?d#&=+ %\n\0\xff"sv), "p%40s%3As%2Fw%3Fd%23%26%3D%2B%20%25%0A%00%FF");
}

TEST(FiltersTest, Base64HasThePaddingOfRfc4648) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"foobar", "Zm9vYmFy"}};
  for (const auto& [from, to] : cases) EXPECT_EQ(Apply(Filter::kBase64, from), to);
  EXPECT_EQ(Apply(Filter::kBase64, "\xff\xfe\xfd\0"sv), "//79AA==");
}

TEST(FiltersTest, ShellIsOneWord) {
  EXPECT_EQ(Apply(Filter::kShell, ""), "''");
  EXPECT_EQ(Apply(Filter::kShell, "a'b $x `y` \\ \"z\"\n"), "'a'\\''b $x `y` \\ \"z\"\n'");
  EXPECT_TRUE(Refuses(Filter::kShell, "a\0b"sv));
}

TEST(FiltersTest, PgpassEscapesWhatLibpqGivesAMeaning) {
  EXPECT_EQ(Apply(Filter::kPgpass, "a:b\\c*#"), "a\\:b\\\\c*#");
  EXPECT_EQ(Apply(Filter::kPgpass, "*"), "\\*");
  EXPECT_EQ(Apply(Filter::kPgpass, "#x"), "\\#x");
  for (std::string_view bad : {"a\n"sv, "a\r"sv, "\0"sv}) EXPECT_TRUE(Refuses(Filter::kPgpass, bad));
}

TEST(FiltersTest, TrimTakesWhiteSpaceFromBothEndsOnly) {
  EXPECT_EQ(Apply(Filter::kTrim, " \t\n a b \r\n\v\f"), "a b");
  EXPECT_EQ(Apply(Filter::kTrim, " \n"), "");
  EXPECT_EQ(Apply(Filter::kTrim, ""), "");
}

TEST(FiltersTest, S7_LineBreaksAndNulsAreRefusedUnlessAFilterMadeThemFit) {
  for (std::string_view text : {"a\nb"sv, "a\rb"sv, "a\0b"sv}) {
    FilteredValue plain{SecretBuffer::CopyOf(text), false, false};
    EXPECT_FALSE(CheckFits(plain).ok());
    FilteredValue trimmed{SecretBuffer::CopyOf(text), false, false};
    ASSERT_TRUE(ApplyFilter(Filter::kTrim, trimmed).ok());
    EXPECT_FALSE(CheckFits(trimmed).ok());
    FilteredValue raw{SecretBuffer::CopyOf(text), false, false};
    ASSERT_TRUE(ApplyFilter(Filter::kRaw, raw).ok());
    EXPECT_TRUE(CheckFits(raw).ok());
    EXPECT_EQ(raw.bytes.ExposeText(), text);
  }
}

TEST(FiltersTest, EveryFilterIsFoundByItsName) {
  EXPECT_EQ(FilterNames().size(), 7u);
  for (const std::string& name : FilterNames()) EXPECT_TRUE(FilterByName(name));
  EXPECT_FALSE(FilterByName("JSON"));
  EXPECT_FALSE(FilterByName(""));
}

}  // namespace
}  // namespace leasefs
