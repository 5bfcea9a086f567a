#include "fs/config/config_codec.h"

#include <gtest/gtest.h>

#include "tests/config/config_cases.h"

namespace leasefs {
namespace {

Config FullConfig() {
  Result<Config> config = ParseConfig(std::string(kStoreAndTree) + R"(
[[tree]]
path = "db"
source = "local:"
hidden = true
page_cache = false
owner = "postgres"
group = 5
mode = "0440"
errors = "posix"
ttl = "1s"
[[allow]]
path = "web/**"
user = ["www-data", 4294967294]
[[allow]]
path = "db/*/tls-*"
group = ["ssl-cert", 0]
[[allow]]
path = "**"
user = "alice"
[limits]
value = "2MiB"
names = 77
[audit]
required = false
)",
                                      "c", FakeAccounts());
  if (config.ok()) return std::move(config).value();
  ADD_FAILURE() << config.error().message();
  return {};
}

std::vector<std::byte> Bytes(const SecretBuffer& buffer) { return {buffer.Expose().begin(), buffer.Expose().end()}; }

TEST(ConfigCodecTest, FsGetsWhatTheFileSays) {
  Config config = FullConfig();
  Result<Config> decoded = DecodeForFs(EncodeForFs(config).Expose());
  ASSERT_TRUE(decoded.ok()) << decoded.error().message();
  EXPECT_EQ(decoded->limits.value_bytes, 2u << 20);
  EXPECT_FALSE(decoded->audit.required);
  ASSERT_EQ(decoded->trees.size(), 2u);
  EXPECT_EQ(decoded->trees[0].source, "web");
  EXPECT_FALSE(decoded->trees[0].mode);
  EXPECT_EQ(decoded->trees[1].owner, 101u);
  EXPECT_EQ(decoded->trees[1].mode, mode_t{0440});
  EXPECT_EQ(decoded->trees[1].errors, ErrnoStyle::kPosix);
  EXPECT_EQ(ToString(decoded->trees[1].where), ToString(config.trees[1].where));
  ASSERT_EQ(decoded->rules.size(), 3u);
  EXPECT_EQ(decoded->rules[0].users[1].uid, 4294967294u);
  EXPECT_EQ(decoded->rules[1].groups[0].name, "ssl-cert");
  EXPECT_EQ(decoded->warnings, config.warnings);
  EXPECT_EQ(Bytes(EncodeForFs(*decoded)), Bytes(EncodeForFs(config)));
}

TEST(ConfigCodecTest, FsDoesNotLearnWhereAStoreAndItsKeyAre) {
  SecretBuffer encoded = EncodeForFs(FullConfig());
  EXPECT_EQ(encoded.ExposeText().find("store.db"), std::string_view::npos);
  EXPECT_EQ(encoded.ExposeText().find("store.key"), std::string_view::npos);
}

TEST(ConfigCodecTest, TheDefaultsCanBeHandedOver) {
  EXPECT_TRUE(DecodeForFs(EncodeForFs(Config{}).Expose()).ok());
}

TEST(ConfigCodecTest, RefusesATextCutOrContinued) {
  std::vector<std::byte> bytes = Bytes(EncodeForFs(FullConfig()));
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(DecodeForFs(std::span(bytes).first(size)).ok()) << size;
  }
  bytes.push_back(std::byte{0});
  EXPECT_FALSE(DecodeForFs(bytes).ok());
}

// Whatever is accepted is what an encoder would have made: nothing has two meanings.
TEST(ConfigCodecTest, EveryDamagedByteIsRefusedOrMeansSomething) {
  const std::vector<std::byte> bytes = Bytes(EncodeForFs(FullConfig()));
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (int flip : {0x01, 0x80, 0xff}) {
      std::vector<std::byte> damaged = bytes;
      damaged[i] ^= static_cast<std::byte>(flip);
      Result<Config> decoded = DecodeForFs(damaged);
      if (!decoded.ok()) continue;
      EXPECT_EQ(Bytes(EncodeForFs(*decoded)), damaged) << i;
    }
  }
}

TEST(ConfigCodecTest, RefusesWhatTheReaderRefuses) {
  auto refused = [](auto change) {
    Config config = FullConfig();
    change(config);
    Result<Config> decoded = DecodeForFs(EncodeForFs(config).Expose());
    return !decoded.ok() && decoded.error().kind() == ErrorKind::kInvalid;
  };
  EXPECT_FALSE(refused([](Config&) {}));
  EXPECT_TRUE(refused([](Config& c) { c.rules[0].users.clear(); }));
  EXPECT_TRUE(refused([](Config& c) { c.rules[0].path = "a**"; }));
  EXPECT_TRUE(refused([](Config& c) { c.trees[0].backend = "other"; }));
  EXPECT_TRUE(refused([](Config& c) { c.trees[0].path = "../x"; }));
  EXPECT_TRUE(refused([](Config& c) { c.trees[0].mode = 0644; }));
  EXPECT_TRUE(refused([](Config& c) { c.trees[0].mode = 0044; }));
  EXPECT_TRUE(refused([](Config& c) { c.limits.deadline = std::chrono::hours(1); }));
  EXPECT_TRUE(refused([](Config& c) { c.mount = "relative"; }));
}

TEST(ConfigCodecTest, AStoreGetsItsPartAndNoPathOfItsKey) {
  Config config = FullConfig();
  SecretBuffer encoded = EncodeForStore(config.backends[0], config.limits, config.audit);
  EXPECT_EQ(encoded.ExposeText().find("store.key"), std::string_view::npos);
  Result<StorePart> part = DecodeForStore(encoded.Expose());
  ASSERT_TRUE(part.ok());
  EXPECT_EQ(part->name, "local");
  EXPECT_EQ(part->path, "/var/lib/leasefs/store.db");
  EXPECT_EQ(part->keep_versions, 10u);
  EXPECT_EQ(part->value_bytes, 2u << 20);
  EXPECT_EQ(part->key, KeySource::Kind::kFile);
  EXPECT_FALSE(part->audit_required);
  std::vector<std::byte> bytes = Bytes(encoded);
  for (size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(DecodeForStore(std::span(bytes).first(size)).ok());
  bytes.push_back(std::byte{0});
  EXPECT_FALSE(DecodeForStore(bytes).ok());
  EXPECT_FALSE(DecodeForStore(EncodeForFs(config).Expose()).ok());
  EXPECT_FALSE(DecodeForFs(encoded.Expose()).ok());
}

}  // namespace
}  // namespace leasefs
