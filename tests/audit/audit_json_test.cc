#include "fs/audit/audit_json.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <random>

#include "fs/base/secret_buffer.h"
#include "tests/audit/audit_support.h"

namespace leasefs {
namespace {

std::string Line(const AuditEvent& event, uint64_t sequence = 1, std::string_view admin_path = "") {
  AuditFormatter formatter(TestPath);
  std::string out;
  formatter.AppendLine(sequence, event, admin_path, out);
  return out;
}

AuditEvent FullEvent() {
  AuditEvent event;
  event.boot_ns = 5'000'000'001;
  event.wall_ns = 1'795'503'120'123'456'789;
  event.unique = 40;
  event.generation = 2;
  event.secret_version = 12;
  event.node = 5;
  event.file_version = 3;
  event.uid = 33;
  event.gid = 34;
  event.tid = 4242;
  event.rule = 0;
  event.latency_us = 18;
  event.age_s = 4;
  event.source = AuditEvent::Source::kCached;
  return event;
}

TEST(AuditJsonTest, AnOpenIsOneLineWithEveryField) {
  EXPECT_EQ(Line(FullEvent(), 7),
            "{\"seq\":7,\"time\":\"2026-11-24T06:52:00.123456Z\",\"boot_ns\":5000000001,\"type\":\"open\",\"outcome\":"
            "\"allowed\","
            "\"path\":\"web/"
            "key-5\",\"version\":3,\"secret_version\":12,\"source\":\"cached\",\"age_s\":4,\"rule\":0,\"rules\":2,"
            "\"uid\":33,\"gid\":34,\"tid\":4242,\"latency_us\":18}\n");
}

TEST(AuditJsonTest, OutcomesAreNamed) {
  AuditEvent event = FullEvent();
  event.rule = -1;
  event.age_s = -1;
  event.error = EACCES;
  auto denied = nlohmann::json::parse(Line(event));
  EXPECT_EQ(denied["outcome"], "denied");
  EXPECT_EQ(denied["error"], "EACCES");
  EXPECT_TRUE(denied["rule"].is_null());
  EXPECT_TRUE(denied["age_s"].is_null());
  event.error = EKEYEXPIRED;
  auto failed = nlohmann::json::parse(Line(event));
  EXPECT_EQ(failed["outcome"], "failed");
  EXPECT_EQ(failed["error"], "EKEYEXPIRED");
  event.error = 99999;
  EXPECT_EQ(nlohmann::json::parse(Line(event))["error"], "99999");
}

TEST(AuditJsonTest, AnActHasItsVerbAndPath) {
  AuditEvent event = FullEvent();
  event.kind = AuditEvent::Kind::kAdmin;
  std::memcpy(event.verb, "rollback", 8);
  auto act = nlohmann::json::parse(Line(event, 8, "web/\"quoted\""));
  EXPECT_EQ(act["type"], "admin");
  EXPECT_EQ(act["verb"], "rollback");
  EXPECT_EQ(act["path"], "web/\"quoted\"");
  EXPECT_EQ(act["secret_version"], 12);
  EXPECT_FALSE(act.contains("rule"));
}

TEST(AuditJsonTest, AVerbThatFillsItsFieldOrIsGarbageStaysJson) {
  AuditEvent event = FullEvent();
  event.kind = AuditEvent::Kind::kAdmin;
  std::memset(event.verb, 'a', sizeof(event.verb));
  EXPECT_EQ(nlohmann::json::parse(Line(event))["verb"], "aaaaaaaaaa");
  std::memset(event.verb, '"', sizeof(event.verb));
  EXPECT_EQ(nlohmann::json::parse(Line(event))["verb"], "??????????");
}

TEST(AuditJsonTest, AVoidRecordSaysOnlyThatItIsVoid) {
  AuditEvent event = FullEvent();
  event.kind = AuditEvent::Kind::kVoid;
  EXPECT_EQ(Line(event, 9),
            "{\"seq\":9,\"time\":\"2026-11-24T06:52:00.123456Z\",\"boot_ns\":5000000001,\"type\":\"void\"}\n");
}

TEST(AuditJsonTest, TimesBeforeAndAfterTheCachedSecondAreRight) {
  AuditFormatter formatter(TestPath);
  AuditEvent event = FullEvent();
  const std::pair<int64_t, const char*> times[] = {{0, "1970-01-01T00:00:00.000000Z"},
                                                   {999'999, "1970-01-01T00:00:00.000999Z"},
                                                   {951'782'399'999'999'999, "2000-02-28T23:59:59.999999Z"},
                                                   {951'782'400'000'000'000, "2000-02-29T00:00:00.000000Z"},
                                                   {-1'000, "1969-12-31T23:59:59.999999Z"}};
  for (auto [wall, text] : times) {
    event.wall_ns = wall;
    std::string line;
    formatter.AppendLine(1, event, "", line);
    EXPECT_EQ(nlohmann::json::parse(line)["time"], text);
  }
}

TEST(AuditJsonTest, EscapesWhatJsonAsksFor) {
  std::string out;
  AppendJsonEscaped(std::string_view("a\"b\\c\n\t\x01\x7f\0z", 11), out);
  EXPECT_EQ(out, "a\\\"b\\\\c\\u000A\\u0009\\u0001\\u007F\\u0000z");
}

TEST(AuditJsonTest, KeepsUtf8AndNamesOtherBytes) {
  const std::pair<std::string, std::string> cases[] = {
      {"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x94\x91", "\xC3\xA4\xE2\x82\xAC\xF0\x9F\x94\x91"},
      {"\xFF", "%FF"},
      {"a\x80z", "a%80z"},
      {"\xC3", "%C3"},                       // cut off
      {"\xC0\xAF", "%C0%AF"},                // overlong
      {"\xED\xA0\x80", "%ED%A0%80"},         // a surrogate
      {"\xF4\x90\x80\x80", "%F4%90%80%80"},  // beyond U+10FFFF
      {"\xE2\x82\"", "%E2%82\\\""},
  };
  for (const auto& [raw, expected] : cases) {
    std::string out;
    AppendJsonEscaped(raw, out);
    EXPECT_EQ(out, expected);
  }
}

TEST(AuditJsonTest, RandomBytesAlwaysGiveJson) {
  std::mt19937 random(7);
  for (int round = 0; round < 20'000; ++round) {
    std::string raw(random() % 40, '\0');
    for (char& c : raw) c = static_cast<char>(random());
    AuditFormatter formatter([&](uint32_t, std::string& out) { out += raw; });
    AuditEvent event;
    auto fill = [&](auto& number) {
      number = static_cast<std::remove_reference_t<decltype(number)>>(random() * 0x9E3779B97F4A7C15u);
    };
    fill(event.boot_ns), fill(event.wall_ns), fill(event.generation), fill(event.secret_version), fill(event.node);
    fill(event.file_version), fill(event.uid), fill(event.gid), fill(event.tid), fill(event.rule), fill(event.error);
    fill(event.latency_us), fill(event.age_s);
    event.kind = static_cast<AuditEvent::Kind>(random() % 6);
    event.source = static_cast<AuditEvent::Source>(random() % 6);
    std::string line;
    formatter.AppendLine(random(), event, raw, line);
    ASSERT_EQ(line.find('\n'), line.size() - 1);
    ASSERT_TRUE(nlohmann::json::accept(line)) << line;
  }
}

TEST(AuditJsonTest, AsksForAPathOnceAndHoldsABoundedNumber) {
  size_t asked = 0;
  AuditFormatter formatter([&](uint32_t node, std::string& out) {
    ++asked;
    out += std::string(4000, 'p') + std::to_string(node);
  });
  AuditEvent event;
  std::string line;
  for (int i = 0; i < 100; ++i) formatter.AppendLine(1, event, "", line);
  EXPECT_EQ(asked, 1u);
  for (uint32_t node = 0; node < 2000; ++node) {
    event.node = node;
    line.clear();
    formatter.AppendLine(1, event, "", line);
    ASSERT_NE(line.find("ppp" + std::to_string(node) + "\""), std::string::npos);
  }
}

// "Never a value": nothing that carries one can be put into an event, and an event is plain numbers.
template <class T>
concept CanPutIntoEvent = requires(AuditEvent event, T value) {
  event.verb = value;
}
|| requires(AuditEvent event, T value) {
  event.text = value;
}
|| requires(AuditEvent event, T value) {
  event.node = value;
};
static_assert(!CanPutIntoEvent<SecretBuffer>);
static_assert(!CanPutIntoEvent<std::string> && !CanPutIntoEvent<const char*> &&
              !CanPutIntoEvent<std::span<const std::byte>>);
static_assert(std::is_trivially_copyable_v<AuditEvent> && std::is_aggregate_v<AuditEvent>);
static_assert(!std::is_constructible_v<AuditEvent, SecretBuffer>);
static_assert(!std::is_convertible_v<SecretBuffer, std::string_view>, "the one text that Append takes is a path");

}  // namespace
}  // namespace leasefs
