#include "fs/base/strings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace leasefs {
namespace {

using std::string_view_literals::operator""sv;
using testing::ElementsAre;

TEST(StringsTest, StrCatJoinsTextAndNumbers) {
  EXPECT_EQ(StrCat("port ", 80, ' ', std::string("in use"), size_t{3}, -1), "port 80 in use3-1");
  EXPECT_EQ(StrCat(), "");
}

TEST(StringsTest, SplitKeepsEmptyPieces) {
  EXPECT_THAT(Split("a//b", '/'), ElementsAre("a", "", "b"));
  EXPECT_THAT(Split("", '/'), ElementsAre(""));
  EXPECT_THAT(Split("/", '/'), ElementsAre("", ""));
  EXPECT_THAT(Split("abc", '/'), ElementsAre("abc"));
}

TEST(StringsTest, PrintableLeavesTextAsItIs) {
  EXPECT_EQ(Printable("plain text, ümlaut, 漢字, 🙂"), "plain text, ümlaut, 漢字, 🙂");
  EXPECT_EQ(Printable(""), "");
}

TEST(StringsTest, PrintableEscapesWhatATerminalWouldObey) {
  EXPECT_EQ(Printable("a\nb\x1b[2J\x7f\0"sv), "a\\x0ab\\x1b[2J\\x7f\\x00");
  EXPECT_EQ(Printable("\xc2\x9b"), "\\xc2\\x9b");  // CSI, in its C1 form
  EXPECT_EQ(Printable("\xc2\xa0"), "\xc2\xa0");    // the first that is no control
  EXPECT_EQ(Printable("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(Printable("\xe2\x82"), "\\xe2\\x82");  // an end in the middle of a character
}

TEST(StringsTest, PrintableCutsBetweenCharacters) {
  EXPECT_EQ(Printable("0123456789", 10), "0123456789");
  EXPECT_EQ(Printable("0123456789a", 10), "0123456...");
  EXPECT_EQ(Printable("01234\xc3\xbc\xc3\xbc\xc3\xbc", 10), "01234\xc3\xbc...");
  EXPECT_EQ(Printable("\n\n\n\n", 10), "\\x0a...");
  for (size_t max = 0; max < 20; ++max) {
    std::string cut = Printable("ab\n\xc3\xbc\xff\xf0\x9f\x99\x82 and more of it", max);
    EXPECT_LE(cut.size(), max);
    EXPECT_TRUE(IsValidUtf8(cut)) << max;
  }
}

TEST(StringsTest, NearestWordFindsWhatWasMeant) {
  const std::vector<std::string> words = {"deadline", "max_stale", "mount", "user", "ttl"};
  EXPECT_EQ(NearestWord("deadlin", words), "deadline");
  EXPECT_EQ(NearestWord("daedline", words), "deadline");
  EXPECT_EQ(NearestWord("max-stale", words), "max_stale");
  EXPECT_EQ(NearestWord("muont", words), "mount");
  EXPECT_EQ(NearestWord("usr", words), "user");
  EXPECT_EQ(NearestWord("tttl", words), "ttl");
}

TEST(StringsTest, NearestWordStaysSilentWhenNothingIsNear) {
  const std::vector<std::string> words = {"deadline", "ttl", "x"};
  EXPECT_EQ(NearestWord("password", words), "");
  EXPECT_EQ(NearestWord("abc", words), "");
  EXPECT_EQ(NearestWord("", words), "");
  EXPECT_EQ(NearestWord("y", words), "");
  EXPECT_EQ(NearestWord("ttl", {}), "");
  EXPECT_EQ(NearestWord(std::string(100000, 'a'), {std::string(100000, 'a')}), "");
}

TEST(StringsTest, Utf8AcceptsTheEndsOfEveryRange) {
  for (std::string_view text : {""sv, "\0"sv, "\x7f"sv, "\xc2\x80"sv, "\xdf\xbf"sv, "\xe0\xa0\x80"sv, "\xed\x9f\xbf"sv,
                                "\xee\x80\x80"sv, "\xef\xbf\xbf"sv, "\xf0\x90\x80\x80"sv, "\xf4\x8f\xbf\xbf"sv}) {
    EXPECT_TRUE(IsValidUtf8(text)) << Printable(text);
  }
}

TEST(StringsTest, Utf8RefusesOverlongSurrogatesAndFragments) {
  for (std::string_view text : {"\x80"sv,         "\xc0\x80"sv,         "\xc1\xbf"sv,         "\xe0\x80\x80"sv,
                                "\xe0\x9f\xbf"sv, "\xf0\x80\x80\x80"sv, "\xf0\x8f\xbf\xbf"sv, "\xed\xa0\x80"sv,
                                "\xed\xbf\xbf"sv, "\xf4\x90\x80\x80"sv, "\xf5\x80\x80\x80"sv, "\xff"sv,
                                "\xc3"sv,         "\xe2\x82"sv,         "\xf0\x9f\x99"sv,     "\xc3("sv,
                                "\xe2(\xa1"sv,    "\xe2\x82("sv,        "\xf0\x90\x80("sv,    "ok\xfe"sv}) {
    EXPECT_FALSE(IsValidUtf8(text)) << Printable(text);
  }
}

}  // namespace
}  // namespace leasefs
