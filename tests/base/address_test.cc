#include "fs/base/address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace leasefs {
namespace {

using testing::HasSubstr;

TEST(AddressTest, ASchemeAHostAndAPort) {
  const Address address = *ParseAddress("https://Vault-1.example:8200", PlainHttp::kRefused);
  EXPECT_TRUE(address.tls);
  EXPECT_EQ(address.host, "vault-1.example");
  EXPECT_EQ(address.port, 8200);
  EXPECT_EQ(address.Text(), "https://vault-1.example:8200");
  EXPECT_EQ(ParseAddress("https://a", PlainHttp::kRefused)->Text(), "https://a:443");
  EXPECT_EQ(ParseAddress("https://a:1/", PlainHttp::kRefused)->Text(), "https://a:1");
}

TEST(AddressTest, AnIpv6AddressNeedsBrackets) {
  const Address address = *ParseAddress("https://[FD00::1]:8200", PlainHttp::kRefused);
  EXPECT_EQ(address.host, "fd00::1");
  EXPECT_EQ(address.Text(), "https://[fd00::1]:8200");
  EXPECT_THAT(ParseAddress("https://fd00::1:8200", PlainHttp::kRefused).error().message(), HasSubstr("in brackets"));
}

TEST(AddressTest, PlainHttpGoesToLoopbackOnlyAndOnlyIfAllowed) {
  for (const char* text : {"http://127.0.0.1:8200", "http://127.1.2.3:1", "http://[::1]:8200", "http://LOCALHOST"}) {
    EXPECT_TRUE(ParseAddress(text, PlainHttp::kToLoopback).ok()) << text;
    EXPECT_FALSE(ParseAddress(text, PlainHttp::kRefused).ok()) << text;
  }
  for (const char* text : {"http://10.0.0.1:8200", "http://vault:8200", "http://127.0.0.1.evil:8200",
                           "http://localhost.evil", "http://127.1:8200", "http://127.0.0.256", "http://127."}) {
    EXPECT_THAT(ParseAddress(text, PlainHttp::kToLoopback).error().message(), HasSubstr("loopback")) << text;
  }
}

TEST(AddressTest, EverythingElseIsRefused) {
  for (const char* text : {"",
                           "vault",
                           "vault:8200",
                           "ftp://a",
                           "https://",
                           "https://:8200",
                           "https://a:",
                           "https://a:0",
                           "https://a:65536",
                           "https://a:80x",
                           "https://a/v1",
                           "https://a?x",
                           "https://a#x",
                           "https://u:p@a:1",
                           "https://a b",
                           "https://[::1",
                           "https://[::1]x",
                           "https://[a]:1",
                           "https://-a",
                           "https://va\xc3\xa4lt",
                           "https://::1:8200",
                           "https://.a",
                           "https://a:-1",
                           "https://a\n",
                           "https://a//"}) {
    const auto address = ParseAddress(text, PlainHttp::kToLoopback);
    ASSERT_FALSE(address.ok()) << text;
    EXPECT_EQ(address.error().kind(), ErrorKind::kInvalid) << text;
  }
}

TEST(AddressTest, NothingIsHiddenBehindANul) {
  using namespace std::string_view_literals;
  for (const auto text : {"https://[::1\0 evil]:1"sv, "https://a\0b"sv, "https://a:1\0"sv, "https://a\0"sv}) {
    EXPECT_FALSE(ParseAddress(text, PlainHttp::kToLoopback).ok());
  }
}

}  // namespace
}  // namespace leasefs
