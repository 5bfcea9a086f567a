// vault-policy: which rules come of what the configuration says of a tree.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fs/base/strings.h"
#include "fs/cli/vault_rules.h"

namespace leasefs::cli {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Key;
using testing::Not;

PolicyRules RulesOf(const std::string& source, const VaultTreeOptions& options = {}) {
  Config config;
  TreeOptions tree;
  tree.path = "t";
  tree.backend = "vault";
  tree.source = source;
  tree.vault = options;
  config.trees.push_back(tree);
  BackendOptions backend;
  backend.name = "vault";
  PolicyRules rules = RulesFor(config, backend, "");
  std::erase_if(rules.paths, [](const auto& rule) { return rule.first.starts_with("auth/token/"); });
  return rules;
}

// "read update" of that path, with '?' behind it if there is a condition; "": it has no rule.
std::string Allowed(const PolicyRules& rules, const std::string& path) {
  const auto found = rules.paths.find(path);
  if (found == rules.paths.end()) return "";
  std::string words;
  for (const std::string& word : found->second.capabilities) words += (words.empty() ? "" : " ") + word;
  return words + (found->second.always ? "" : "?");
}

VaultTreeOptions Engine(VaultEngine engine) {
  VaultTreeOptions options;
  options.engine = engine;
  return options;
}

TEST(VaultPolicyTest, AnEngineIsAskedByWhatItsFactsSay) {
  const std::pair<const char*, const char*> expected[] = {
      {"database/creds/app", "read"},        {"database/static-creds/app", "read"}, {"pki/issue/web", "update"},
      {"pki/ca/pem", "read"},                {"ssh/sign/login", "update"},          {"ssh/public_key", "read"},
      {"transit/decrypt/box", "update"},     {"transit/random/16", "update"},       {"totp/code/phone", "read"},
      {"ldap/library/s/check-out", "update"}, {"aws/sts/deploy", "read"},           {"identity/oidc/token/job", "read"},
      {"cubbyhole/x", "read"},               {"transit/datakey/plaintext/box", "update"}};
  for (const auto& [source, words] : expected) {
    const PolicyRules rules = RulesOf(source);
    EXPECT_EQ(Allowed(rules, source), words) << source;
    for (const auto& [path, rule] : rules.paths) {
      EXPECT_TRUE(rule.always) << path;
      EXPECT_TRUE(path == source || path.starts_with("sys/leases/")) << path;
    }
  }
}

TEST(VaultPolicyTest, AMountMayLieBelowAFolderThatIsNamedAfterItsEngine) {
  EXPECT_EQ(Allowed(RulesOf("pki/int/issue/web"), "pki/int/issue/web"), "update");
  EXPECT_EQ(Allowed(RulesOf("ssh/prod/sign/login"), "ssh/prod/sign/login"), "update");
  EXPECT_EQ(Allowed(RulesOf("kubernetes/c1/creds/job"), "kubernetes/c1/creds/job"), "update");
  const PolicyRules rules = RulesOf("database/prod/creds/app");
  EXPECT_EQ(Allowed(rules, "database/prod/creds/app"), "read");
  EXPECT_EQ(Allowed(rules, "sys/leases/renew"), "update");
  EXPECT_EQ(Allowed(RulesOf("pki/int/ca/pem"), "pki/int/ca/pem"), "read");
}

TEST(VaultPolicyTest, ParametersAloneMakeNoWrite) {
  VaultTreeOptions options;
  options.params = {{"ttl", "\"1h\""}};
  EXPECT_EQ(Allowed(RulesOf("aws/sts/deploy", options), "aws/sts/deploy"), "read");
  EXPECT_EQ(Allowed(RulesOf("elsewhere/thing", options), "elsewhere/thing"), "read");
  EXPECT_EQ(Allowed(RulesOf("intermediate/issue/web", options), "intermediate/issue/web"), "update");
}

TEST(VaultPolicyTest, TheMethodOfATreeDecides) {
  VaultTreeOptions options;
  options.method = "PUT";
  EXPECT_EQ(Allowed(RulesOf("aws/sts/deploy", options), "aws/sts/deploy"), "update");
  options.method = "GET";
  EXPECT_EQ(Allowed(RulesOf("pki/issue/web", options), "pki/issue/web"), "read");
}

TEST(VaultPolicyTest, OnlyWhatIsMintedHasLeases) {
  EXPECT_EQ(Allowed(RulesOf("database/creds/app"), "sys/leases/renew"), "update");
  EXPECT_EQ(Allowed(RulesOf("database/static-creds/app"), "sys/leases/renew"), "");
  EXPECT_EQ(Allowed(RulesOf("database/creds/app", Engine(VaultEngine::kStatic)), "sys/leases/revoke"), "");
  EXPECT_EQ(Allowed(RulesOf("secret/web", Engine(VaultEngine::kKv1)), "sys/leases/revoke"), "");
}

TEST(VaultPolicyTest, AnyPartOfASourceMayBeTheMountOfKv2) {
  const PolicyRules rules = RulesOf("deep/whole/web", Engine(VaultEngine::kKv2));
  EXPECT_EQ(Allowed(rules, "deep/data/whole/web"), "read?");
  EXPECT_EQ(Allowed(rules, "deep/whole/data/web/*"), "read?");
  EXPECT_EQ(Allowed(rules, "deep/whole/metadata/web/*"), "list?");
  EXPECT_EQ(Allowed(rules, "deep/whole/web/subkeys/*"), "read?");
  EXPECT_EQ(Allowed(rules, "deep/whole/web"), "");
  EXPECT_THAT(rules.remarks, ElementsAre(HasSubstr("where the mount in deep/whole/web ends")));
  const PolicyRules whole = RulesOf("kv", Engine(VaultEngine::kKv2));
  EXPECT_THAT(whole.paths, ElementsAre(Key("kv/data/*"), Key("kv/metadata/*"), Key("kv/subkeys/*")));
  EXPECT_THAT(whole.remarks, IsEmpty());
}

TEST(VaultPolicyTest, WhatNobodyTellsIsAllowedAsEitherKvAndAsAnotherEngine) {
  const PolicyRules rules = RulesOf("secret/team/web");
  EXPECT_EQ(Allowed(rules, "secret/team/web"), "read?");
  EXPECT_EQ(Allowed(rules, "secret/team/web/"), "list?");
  EXPECT_EQ(Allowed(rules, "secret/team/web/*"), "list read?");
  EXPECT_EQ(Allowed(rules, "secret/data/team/web"), "read?");
  EXPECT_EQ(Allowed(rules, "sys/leases/renew"), "update?");
  EXPECT_THAT(rules.remarks, ElementsAre(HasSubstr("does not tell what secret/team/web is")));
}

// The rule for "kv", which is for another engine, would be the one for LIST kv/, too.
TEST(VaultPolicyTest, AWholeMountThatMayBeKvCanBeListed) {
  const PolicyRules rules = RulesOf("kv");
  EXPECT_EQ(Allowed(rules, "kv"), "read?");
  EXPECT_EQ(Allowed(rules, "kv/"), "list?");
  EXPECT_EQ(Allowed(rules, "kv/*"), "list read?");
  EXPECT_EQ(Allowed(rules, "kv/metadata/*"), "list?");
}

// Of KV version 1 it would be overwritten.
TEST(VaultPolicyTest, WhatMayBeKvIsNeverWritten) {
  const PolicyRules rules = RulesOf("secret/creds/app");
  EXPECT_EQ(Allowed(rules, "secret/creds/app"), "read?");
  EXPECT_EQ(Allowed(rules, "secret/data/creds/app"), "read?");
  EXPECT_THAT(rules.remarks, Contains(HasSubstr("of type kubernetes or ssh is written to")));
  for (const char* source : {"secret/issue", "secret/sign/key", "kv/app/hmac/x", "kv/random/16"}) {
    for (const auto& [path, rule] : RulesOf(source).paths) {
      EXPECT_TRUE(path.starts_with("sys/leases/") || !rule.capabilities.contains("update")) << path;
    }
    EXPECT_EQ(Allowed(RulesOf(source), StrCat(source, "/*")), "list read?") << source;
  }
  for (const char* source : {"kv/creds/app", "kv/sign/key", "kv/plain"}) {
    EXPECT_EQ(Allowed(RulesOf(source, Engine(VaultEngine::kStatic)), source), "read") << source;
  }
  const VaultTreeOptions dynamic = Engine(VaultEngine::kDynamic);
  EXPECT_EQ(Allowed(RulesOf("ours/thing", dynamic), "sys/leases/renew"), "update");
  EXPECT_EQ(Allowed(RulesOf("secret/creds/app", dynamic), "secret/creds/app"), "read update");
  EXPECT_EQ(Allowed(RulesOf("team/database/creds/app", dynamic), "team/database/creds/app"), "read");
}

TEST(VaultPolicyTest, FoldersOfRoles) {
  EXPECT_EQ(Allowed(RulesOf("database/creds"), "database/creds/*"), "read");
  EXPECT_EQ(Allowed(RulesOf("database/creds"), "database/creds"), "");
}

TEST(VaultPolicyTest, WhatCannotBeNamedIsSaid) {
  for (const char* source : {"", "kv/a*", "kv/+/a", "kv/{{a}}", "kv/${a}", "kv/a\nb"}) {
    const PolicyRules rules = RulesOf(source);
    EXPECT_THAT(rules.paths, IsEmpty()) << source;
    EXPECT_THAT(rules.remarks, ElementsAre(HasSubstr("by hand"))) << source;
    EXPECT_THAT(rules.remarks[0], Not(HasSubstr("\n")));
  }
}

}  // namespace
}  // namespace leasefs::cli
