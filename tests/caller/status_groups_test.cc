#include <gtest/gtest.h>

#include "fs/caller/caller.h"

namespace leasefs {
namespace {

using Groups = std::vector<gid_t>;

constexpr Caller kCaller{1000, 100, 77};

std::string Status(const std::string& uid, const std::string& gid, const std::string& groups) {
  return "Name:\tcat\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t70\nPid:\t77\nUid:\t" + uid + "\nGid:\t" + gid +
         "\nFDSize:\t64\nGroups:\t" + groups + "\nNStgid:\t70\nVmPeak:\t    5000 kB\nThreads:\t1\nSigQ:\t0/63\n"
         "nonvoluntary_ctxt_switches:\t5\n";
}
std::string StatusWith(const std::string& groups) {
  return Status("1000\t1000\t1000\t1000", "100\t100\t100\t100", groups);
}

// The groups, or nothing when denied.
std::optional<Groups> Parse(const std::string& text, const Caller& caller = kCaller) {
  Result<Groups> groups = ParseStatusGroups(text, caller);
  if (groups.ok()) return groups.value();
  EXPECT_EQ(groups.error().kind(), ErrorKind::kDenied);
  return std::nullopt;
}

TEST(StatusGroupsTest, AreSortedAndUnique) {
  EXPECT_EQ(Parse(StatusWith("24 4 27 4 ")), (Groups{4, 24, 27}));
  EXPECT_EQ(Parse(StatusWith("4294967294 0 ")), (Groups{0, 4294967294}));
}

TEST(StatusGroupsTest, MayBeNone) {
  EXPECT_EQ(Parse(StatusWith("")), Groups{});
  EXPECT_EQ(Parse(StatusWith(" ")), Groups{});
}

TEST(StatusGroupsTest, OlderKernelsEndWithoutABlank) { EXPECT_EQ(Parse(StatusWith("4 24")), (Groups{4, 24})); }

TEST(StatusGroupsTest, AnythingElseInTheListIsDenied) {
  for (const char* groups : {"4  24 ", " 4 ", "4,24 ", "4 -1 ", "4 +1 ", "4 x ", "4\t24 ", "4294967296 ",
                             "4 24  ", "0x4 ", "4\r"}) {
    EXPECT_FALSE(Parse(StatusWith(groups))) << groups;
  }
}

// S21: what /proc says must be about the identity that asked.
TEST(StatusGroupsTest, AnotherFsuidOrFsgidIsDenied) {
  EXPECT_TRUE(Parse(Status("0\t0\t0\t1000", "0\t0\t0\t100", "4 ")));
  EXPECT_FALSE(Parse(Status("1000\t1000\t1000\t0", "100\t100\t100\t100", "4 ")));
  EXPECT_FALSE(Parse(Status("1000\t1000\t1000\t1000", "100\t100\t100\t0", "4 ")));
  EXPECT_FALSE(Parse(StatusWith("4 "), {0, 0, 77}));
}

TEST(StatusGroupsTest, MalformedIdsAreDenied) {
  for (const char* ids : {"", "1000", "1000\t1000\t1000", "1000\t1000\t1000\t1000\t1000", "1000 1000 1000 1000",
                          "1000\t1000\t1000\t1000 ", "1000\t1000\t1000\t-1", "\t\t\t1000", "1000\tx\t1000\t1000"}) {
    EXPECT_FALSE(Parse(Status(ids, "100\t100\t100\t100", "4 "))) << ids;
    EXPECT_FALSE(Parse(Status("1000\t1000\t1000\t1000", ids, "4 "))) << ids;
  }
}

TEST(StatusGroupsTest, ATextCutAnywhereGivesAllGroupsOrIsDenied) {
  const std::string text = StatusWith("4 24 27 1000 ");
  const size_t whole = text.find("\nNStgid") + 1;
  for (size_t size = 0; size < text.size(); ++size) {
    auto groups = Parse(text.substr(0, size));
    EXPECT_TRUE(!groups || (size >= whole && *groups == (Groups{4, 24, 27, 1000}))) << size;
  }
  EXPECT_TRUE(Parse(text));
}

TEST(StatusGroupsTest, ALineThatIsThereTwiceIsDenied) {
  for (const char* line : {"Groups:\t0 \n", "Uid:\t1000\t1000\t1000\t1000\n", "Gid:\t100\t100\t100\t100\n"}) {
    EXPECT_FALSE(Parse(StatusWith("4 ") + line)) << line;
    EXPECT_FALSE(Parse(line + StatusWith("4 "))) << line;
  }
}

TEST(StatusGroupsTest, ANameCannotForgeALine) {
  std::string text = StatusWith("4 ");
  EXPECT_EQ(Parse("Name:\tx\\nGroups:\t0 \n" + text.substr(text.find('\n') + 1)), (Groups{4}));
  EXPECT_EQ(Parse("Name:\tGroups:\t0 \n" + text.substr(text.find('\n') + 1)), (Groups{4}));
}

TEST(StatusGroupsTest, SixtyFiveThousandGroups) {
  std::string list;
  Groups expected;
  for (gid_t i = 0; i < 65536; ++i) {
    list += std::to_string(4294900000 - i) + " ";
    expected.insert(expected.begin(), 4294900000 - i);
  }
  EXPECT_EQ(Parse(StatusWith(list)), expected);
}

}  // namespace
}  // namespace leasefs
