#include "fs/config/value_text.h"

#include <gtest/gtest.h>

namespace leasefs {
namespace {

using namespace std::chrono_literals;

TEST(ValueTextTest, Durations) {
  EXPECT_EQ(ParseDuration("500ms"), 500ms);
  EXPECT_EQ(ParseDuration("5s"), 5s);
  EXPECT_EQ(ParseDuration("10m"), 10min);
  EXPECT_EQ(ParseDuration("24h"), 24h);
  EXPECT_EQ(ParseDuration("0s"), 0ms);
  for (const char* bad : {"", "5", "s", "5d", "5S", " 5s", "5s ", "+5s", "-5s", "5.0s", "1h30m", "0x5s",
                          "18446744073709551616s", "9223372036854775807h"}) {
    EXPECT_FALSE(ParseDuration(bad)) << bad;
  }
}

TEST(ValueTextTest, DurationsAreWrittenWithTheirLargestExactUnit) {
  for (const char* text : {"0s", "1ms", "1500ms", "5s", "90s", "10m", "24h"}) {
    EXPECT_EQ(DurationText(*ParseDuration(text)), text);
  }
}

TEST(ValueTextTest, Sizes) {
  EXPECT_EQ(ParseSize("0"), 0u);
  EXPECT_EQ(ParseSize("17"), 17u);
  EXPECT_EQ(ParseSize("64KiB"), 65536u);
  EXPECT_EQ(ParseSize("1MiB"), 1048576u);
  EXPECT_EQ(ParseSize("3GiB"), uint64_t{3} << 30);
  for (const char* bad : {"", "KiB", "1KB", "1kib", "1 KiB", "-1", "1.5MiB", "8589934592GiB"}) {
    EXPECT_FALSE(ParseSize(bad)) << bad;
  }
  for (const char* text : {"0", "1023", "64KiB", "5MiB", "64GiB"}) EXPECT_EQ(SizeText(*ParseSize(text)), text);
}

TEST(ValueTextTest, Modes) {
  EXPECT_EQ(ParseMode("0440"), mode_t{0440});
  EXPECT_EQ(ParseMode("444"), mode_t{0444});
  EXPECT_EQ(ParseMode("7777"), mode_t{07777});
  for (const char* bad : {"", "4", "44", "00440", "0o44", "0448", "-440", "u=r", "4 4 "}) {
    EXPECT_FALSE(ParseMode(bad)) << bad;
  }
}

}  // namespace
}  // namespace leasefs
