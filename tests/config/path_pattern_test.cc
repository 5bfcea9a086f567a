#include "fs/config/path_pattern.h"

#include <gtest/gtest.h>

#include <chrono>

#include "fs/config/paths.h"

namespace leasefs {
namespace {

bool Matches(const char* pattern, const char* path) { return PathPattern(pattern).Matches(path); }

TEST(PathPatternTest, LiteralComponentsMatchThemselvesOnly) {
  EXPECT_TRUE(Matches("web/key", "web/key"));
  EXPECT_FALSE(Matches("web/key", "web/key/x"));
  EXPECT_FALSE(Matches("web/key", "web"));
  EXPECT_FALSE(Matches("web/key", "web/keys"));
  EXPECT_FALSE(Matches("web/key", "WEB/key"));
  EXPECT_FALSE(Matches("web?key", "web/key"));
  EXPECT_TRUE(Matches("a[b]?", "a[b]?"));
}

TEST(PathPatternTest, AStarStaysInsideItsComponent) {
  EXPECT_TRUE(Matches("web/*", "web/key"));
  EXPECT_TRUE(Matches("web/*", "web/.env"));
  EXPECT_FALSE(Matches("web/*", "web"));
  EXPECT_FALSE(Matches("web/*", "web/a/b"));
  EXPECT_TRUE(Matches("*/tls-*", "x/tls-"));
  EXPECT_TRUE(Matches("*/tls-*.pem", "x/tls-a.pem"));
  EXPECT_FALSE(Matches("*/tls-*.pem", "x/tls-a.pem.old"));
  EXPECT_TRUE(Matches("a*b*c", "abbcbc"));
  EXPECT_TRUE(Matches("*ab*", "aab"));
  EXPECT_FALSE(Matches("a*b*c", "acb"));
  EXPECT_TRUE(Matches("*\xC3\xA4", "\xE2\x82\xAC\xC3\xA4"));
}

TEST(PathPatternTest, TwoStarsAreAnyNumberOfComponents) {
  EXPECT_TRUE(Matches("**", ""));
  EXPECT_TRUE(Matches("**", "a"));
  EXPECT_TRUE(Matches("**", "a/b/c"));
  EXPECT_TRUE(Matches("web/**", "web"));
  EXPECT_TRUE(Matches("web/**", "web/a/b/c"));
  EXPECT_FALSE(Matches("web/**", "webs/a"));
  EXPECT_TRUE(Matches("**/key", "key"));
  EXPECT_TRUE(Matches("**/key", "a/b/key"));
  EXPECT_FALSE(Matches("**/key", "a/key/b"));
  EXPECT_TRUE(Matches("a/**/b", "a/b"));
  EXPECT_TRUE(Matches("a/**/b", "a/x/b/y/b"));
  EXPECT_FALSE(Matches("a/**/b", "a/x/b/y"));
  EXPECT_TRUE(Matches("**/a/**/b/**", "x/a/a/y/b"));
  EXPECT_TRUE(Matches("**/a/*/c", "a/b/a/b/c"));
  EXPECT_TRUE(Matches("**/**", "a"));
  EXPECT_TRUE(Matches("*/**", "a"));
  EXPECT_FALSE(Matches("*/**", ""));
}

TEST(PathPatternTest, WhatIsNoPatternMatchesNothing) {
  for (const char* pattern : {"", "/", "/a", "a/", "a//b", ".", "..", "a/..", "a**", "***", "a\nb"}) {
    SCOPED_TRACE(pattern);
    EXPECT_FALSE(Matches(pattern, ""));
    EXPECT_FALSE(Matches(pattern, "a"));
    EXPECT_FALSE(Matches(pattern, pattern));
    EXPECT_FALSE(PathPattern(pattern).CanMatchAtOrBelow(""));
    EXPECT_FALSE(PathPattern(pattern).CanMatchBelow(""));
    EXPECT_FALSE(PathPattern(pattern).MatchesEveryFile());
  }
}

TEST(PathPatternTest, KnowsWhatItCanMatchBelowADirectory) {
  struct Case {
    const char* pattern;
    const char* directory;
    bool below, at_or_below;
  };
  for (const Case& each : std::vector<Case>{{"web/**", "web", true, true},
                                            {"web/**", "", true, true},
                                            {"web/**", "web/a/b", true, true},
                                            {"web/**", "db", false, false},
                                            {"web", "web", false, true},
                                            {"web", "", true, true},
                                            {"web", "web/a", false, false},
                                            {"web/*", "web", true, true},
                                            {"web/*", "web/a", false, true},
                                            {"**/key", "a/b", true, true},
                                            {"**/key", "key", true, true},
                                            {"*/x-*/key", "a/x-1", true, true},
                                            {"*/x-*/key", "a/y-1", false, false},
                                            {"a/**/b/c", "a/b", true, true},
                                            {"a/**/b", "z", false, false}}) {
    SCOPED_TRACE(std::string(each.pattern) + " " + each.directory);
    EXPECT_EQ(PathPattern(each.pattern).CanMatchBelow(each.directory), each.below);
    EXPECT_EQ(PathPattern(each.pattern).CanMatchAtOrBelow(each.directory), each.at_or_below);
  }
}

TEST(PathPatternTest, HostilePatternsTakeNoExponentialTime) {
  std::string pattern, path;
  for (int i = 0; i < 100; ++i) pattern += "**/*a*a*a*a/";
  for (int i = 0; i < 500; ++i) path += "aaaaab/";
  PathPattern hostile(pattern + "b");
  auto start = std::chrono::steady_clock::now();
  EXPECT_FALSE(hostile.Matches(path + "c"));
  EXPECT_FALSE(PathPattern("*a*a*a*a*a*a*a*a*b").Matches(std::string(255, 'a')));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
}

TEST(PathsTest, OneDirectoryIsAtOrBelowAnotherByWholeComponents) {
  EXPECT_TRUE(IsAtOrBelow("/a", "/a"));
  EXPECT_TRUE(IsAtOrBelow("/a/b", "/a"));
  EXPECT_FALSE(IsAtOrBelow("/ab", "/a"));
  EXPECT_FALSE(IsAtOrBelow("/", "/a"));
  EXPECT_TRUE(IsAtOrBelow("a", ""));
}

}  // namespace
}  // namespace leasefs
