#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "fs/base/strings.h"
#include "tests/config/config_cases.h"

namespace leasefs {
namespace {

using namespace std::chrono_literals;

Config Parsed(const std::string& text) {
  Result<Config> config = ParseConfig(text, "c", FakeAccounts());
  if (config.ok()) return std::move(config).value();
  ADD_FAILURE() << config.error().message();
  return {};
}

TEST(ConfigTest, AnEmptyFileIsTheDefaults) {
  for (const char* text : {"", "\n", "# nothing\n", "\xEF\xBB\xBF", "[limits]\n[audit]\n[memory]\n[backend]\n",
                           "tree = []\nallow = []\n"}) {
    SCOPED_TRACE(text);
    Config config = Parsed(text);
    EXPECT_EQ(config.mount, "/run/leasefs");
    EXPECT_EQ(config.run_directory, "/run/leasefsd");
    EXPECT_EQ(config.user, "leasefs");
    EXPECT_EQ(config.limits.deadline, 5s);
    EXPECT_EQ(config.limits.value_bytes, 1u << 20);
    EXPECT_TRUE(config.audit.required);
    EXPECT_TRUE(config.backends.empty() && config.trees.empty() && config.rules.empty());
    EXPECT_TRUE(config.warnings.empty());
  }
}

TEST(ConfigTest, EverySettingIsTakenOver) {
  Config config = Parsed(R"(
mount = "/srv/secrets"
run_directory = "/srv/run"
user = "leasefs"
backend_user = "postgres"
group = "ssl-cert"
[limits]
deadline = "1500ms"
waiting_secrets_per_uid = 3
value = "64KiB"
memory = 2097152
names = 5000
[audit]
required = false
file = "/var/log/a"
syslog = false
syslog_socket = "/run/log"
[memory]
require_lock = true
)");
  EXPECT_EQ(config.mount, "/srv/secrets");
  EXPECT_EQ(config.run_directory, "/srv/run");
  EXPECT_EQ(config.user, "leasefs");
  EXPECT_EQ(config.backend_user, "postgres");
  EXPECT_EQ(config.group, "ssl-cert");
  EXPECT_EQ(config.limits.deadline, 1500ms);
  EXPECT_EQ(config.limits.waiting_secrets_per_uid, 3u);
  EXPECT_EQ(config.limits.value_bytes, 65536u);
  EXPECT_EQ(config.limits.memory_bytes, 2097152u);
  EXPECT_EQ(config.limits.names, 5000u);
  EXPECT_FALSE(config.audit.required);
  EXPECT_EQ(config.audit.file, "/var/log/a");
  EXPECT_FALSE(config.audit.syslog);
  EXPECT_EQ(config.audit.syslog_socket, "/run/log");
  EXPECT_TRUE(config.memory.require_lock);
}

TEST(ConfigTest, BackendsHaveTheirKeySource) {
  Config config = Parsed(R"(
[backend.local]
type = "store"
path = "/a"
key = { file = "/k" }
keep_versions = 3
[backend.b-2_x]
type = "store"
path = "/b"
[backend.b-2_x.key]
credential = "store-key"
[backend.c]
type = "store"
path = "/c"
key.passphrase = true
)");
  ASSERT_EQ(config.backends.size(), 3u);
  EXPECT_EQ(config.backends[0].name, "local");
  EXPECT_EQ(config.backends[0].store.path, "/a");
  EXPECT_EQ(config.backends[0].store.key.kind, KeySource::Kind::kFile);
  EXPECT_EQ(config.backends[0].store.key.name, "/k");
  EXPECT_EQ(config.backends[0].store.keep_versions, 3u);
  EXPECT_EQ(ToString(config.backends[0].where), "c:2:1");
  EXPECT_EQ(config.backends[1].name, "b-2_x");
  EXPECT_EQ(config.backends[1].store.key.kind, KeySource::Kind::kCredential);
  EXPECT_EQ(config.backends[1].store.key.name, "store-key");
  EXPECT_EQ(config.backends[1].store.keep_versions, 10u);
  EXPECT_EQ(config.backends[2].store.key.kind, KeySource::Kind::kPassphrase);
}

TEST(ConfigTest, TreesAndRulesInTheOrderOfTheFile) {
  Config config = Parsed(std::string(kStoreAndTree) + R"(
[[tree]]
path = "db/main"
source = "local:"
ttl = "1s"
max_stale = "0s"
keep = "24h"
hidden = true
page_cache = false
owner = "postgres"
group = 5
mode = "440"
errors = "posix"
[[allow]]
path = "web/**"
user = "www-data"
[[allow]]
path = "db/*/tls-*"
user = [4000, "alice"]
group = ["ssl-cert", 12]
)");
  ASSERT_EQ(config.trees.size(), 2u);
  EXPECT_EQ(config.trees[0].backend, "local");
  EXPECT_EQ(config.trees[0].source, "web");
  EXPECT_EQ(config.trees[0].ttl, 60s);
  EXPECT_FALSE(config.trees[0].mode || config.trees[0].owner || config.trees[0].group);
  const TreeOptions& tree = config.trees[1];
  EXPECT_EQ(tree.source, "");
  EXPECT_EQ(tree.ttl, 1s);
  EXPECT_EQ(tree.max_stale, 0s);
  EXPECT_EQ(tree.keep, 24h);
  EXPECT_TRUE(tree.hidden && !tree.page_cache);
  EXPECT_EQ(tree.owner, 101u);
  EXPECT_EQ(tree.group, 5u);
  EXPECT_EQ(tree.mode, mode_t{0440});
  EXPECT_EQ(tree.errors, ErrnoStyle::kPosix);
  EXPECT_EQ(ToString(tree.where), "c:11:1");
  ASSERT_EQ(config.rules.size(), 2u);
  EXPECT_EQ(config.rules[0].users.size(), 1u);
  const AllowRule& rule = config.rules[1];
  EXPECT_EQ(rule.path, "db/*/tls-*");
  ASSERT_EQ(rule.users.size(), 2u);
  EXPECT_EQ(rule.users[0].uid, 4000u);
  EXPECT_EQ(rule.users[0].primary_group, 4000u);
  EXPECT_EQ(rule.users[0].name, "4000");
  EXPECT_EQ(rule.users[1].primary_group, 1000u);
  ASSERT_EQ(rule.groups.size(), 2u);
  EXPECT_EQ(rule.groups[0].gid, 110u);
  EXPECT_EQ(rule.groups[1].name, "12");
  EXPECT_EQ(ToString(rule.where), "c:26:1");
}

// What the documents show must be what the reader accepts. Accounts that they name exist.
class AnyAccounts : public AccountDatabase {
 public:
  std::optional<RuleUser> User(const std::string& name) const override { return RuleUser{1, 1, name}; }
  std::optional<RuleGroup> Group(const std::string& name) const override { return RuleGroup{1, name}; }
};

// The lines of `file` between one that ends with `begin`, after a line `section`, and one that is `end`; each with the
// number that it has there.
std::string BlockOf(const std::string& file, const std::string& section, const std::string& begin,
                    const std::string& end) {
  std::ifstream in(file);
  std::string line, block;
  bool in_section = section.empty(), inside = begin.empty();
  while (std::getline(in, line)) {
    if (inside && !end.empty() && line == end) return block;
    block += inside ? line + "\n" : "\n";
    in_section = in_section || line == section;
    inside = inside || (in_section && line.ends_with(begin));
  }
  return inside ? block : "";
}

TEST(ConfigTest, WhatTheDocumentsShowIsAccepted) {
  if (!std::ifstream("README.md")) GTEST_SKIP() << "run from the top of the source tree";
  const std::pair<std::string, std::string> blocks[] = {
      {"README.md", BlockOf("README.md", "", "<<'TOML'", "TOML")},
      {"leasefs.toml(5)", BlockOf("packaging/man/leasefs.toml.5.scd", "# EXAMPLES", "```", "```")},
      {"leasefsd(8)", BlockOf("packaging/man/leasefsd.8.scd", "# EXAMPLES", "# cat leasefs.toml",
                              "# export LEASEFS_CONFIG=$PWD/leasefs.toml")},
      {"leasefs.toml", BlockOf("packaging/leasefs.toml", "", "", "")}};
  for (const auto& [name, block] : blocks) {
    EXPECT_NE(block.find("[backend.local]"), std::string::npos) << name;
    Result<Config> config = ParseConfig(block, name, AnyAccounts());
    ASSERT_TRUE(config.ok()) << config.error().message();
    EXPECT_EQ(config->trees.empty(), name == "leasefs.toml") << name;
    EXPECT_TRUE(config->warnings.empty()) << config->warnings.front();
  }
}

}  // namespace
}  // namespace leasefs
