// Backends of type "vault", trees that show them, and what their process is told.
#include "fs/config/config_codec.h"
#include "fs/config/vault_part.h"
#include "tests/config/config_cases.h"

namespace leasefs {
namespace {

constexpr char kVault[] = R"([backend.v]
type = "vault"
address = ["https://vault-1:8200", "https://[::1]:8200"]
ca_file = "/etc/ca.pem"
client_certificate = "/etc/c.pem"
client_key = "/etc/k.pem"
namespace = "a/b"
http2 = true
concurrency = 4
on_stop = "revoke"
state_key = { credential = "lease-key" }
state_file = "/var/lib/leasefs/v.leases"
auth = { method = "approle", mount = "team/approle", role_id = "r")"
                          R"(, secret_id = { file = "/etc/s" }, wrapped = "auth/approle/role/app/secret-id" }

[backend.v.identity.web]
auth = { method = "cert", role = "web" }

[[tree]]
path = "pki"
source = "v:pki/issue/web"
identity = "web"
engine = "dynamic"
method = "POST"
params = { common_name = "a.test", ttl = 60, exclude_cn_from_sans = true, alt_names = ["b", "c\"d"] }
keys = ["certificate", "private_key"]
min_ttl = "30s"
mint_interval = "1s"
idle = "10m"
lease_scope = "process"

[[allow]]
path = "pki/**"
user = 0
)";

TEST(VaultConfigTest, EverythingIsReadAndReachesTheProcess) {
  Result<Config> config = ParseConfig(kVault, "c", FakeAccounts());
  ASSERT_TRUE(config.ok()) << config.error().message();
  SecretBuffer encoded = EncodeForVault(*config, config->backends[0]);
  Result<VaultPart> part = DecodeForVault(encoded.Expose());
  ASSERT_TRUE(part.ok());
  const VaultOptions& vault = part->vault;
  EXPECT_EQ(part->name, "v");
  EXPECT_EQ(vault.addresses, (std::vector<std::string>{"https://vault-1:8200", "https://[::1]:8200"}));
  EXPECT_EQ(vault.ca_file, "/etc/ca.pem");
  EXPECT_EQ(vault.name_space, "a/b");
  EXPECT_TRUE(vault.http2);
  EXPECT_EQ(vault.concurrency, 4u);
  EXPECT_EQ(vault.on_stop, VaultOptions::OnStop::kRevoke);
  ASSERT_EQ(vault.identities.size(), 2u);
  EXPECT_EQ(vault.identities[0].auth,
            (AuthOptions{AuthOptions::Method::kApprole, "team/approle", "r", "",
                         KeySource{KeySource::Kind::kFile, "/etc/s"}, "auth/approle/role/app/secret-id"}));
  EXPECT_EQ(vault.identities[1].name, "web");
  EXPECT_EQ(vault.identities[1].auth.method, AuthOptions::Method::kCert);
  ASSERT_EQ(part->trees.size(), 1u);
  const TreeOptions& tree = part->trees[0];
  EXPECT_TRUE(tree.by_name);
  EXPECT_EQ(tree.BackendRoot(), "pki");
  EXPECT_EQ(tree.source, "pki/issue/web");
  VaultTreeOptions expected{"web", VaultEngine::kDynamic, 0, "POST", {}, {"certificate", "private_key"}};
  expected.params = {
      {"common_name", "\"a.test\""}, {"ttl", "60"}, {"exclude_cn_from_sans", "true"}, {"alt_names", R"(["b","c\"d"])"}};
  expected.min_ttl = std::chrono::seconds(30);
  expected.mint_interval = std::chrono::seconds(1);
  EXPECT_EQ(tree.vault, expected);
  EXPECT_EQ(tree.idle, std::chrono::minutes(10));
  EXPECT_EQ(tree.lease_scope, LeaseScope::kProcess);
}

TEST(VaultConfigTest, APartThatIsCutShortOrLongerIsRefused) {
  Result<Config> config = ParseConfig(kVault, "c", FakeAccounts());
  ASSERT_TRUE(config.ok());
  SecretBuffer encoded = EncodeForVault(*config, config->backends[0]);
  for (size_t length = 0; length < encoded.size(); ++length) {
    EXPECT_FALSE(DecodeForVault(encoded.Expose().first(length)).ok()) << length;
  }
  encoded.Resize(encoded.size() + 1);
  EXPECT_FALSE(DecodeForVault(encoded.Expose()).ok());
}

TEST(VaultConfigTest, TheKeeperOpensEachFileOnce) {
  Result<Config> config = ParseConfig(kVault, "c", FakeAccounts());
  ASSERT_TRUE(config.ok());
  std::vector<KeySource> files = VaultFiles(config->backends[0].vault);
  std::vector<KeySource> expected = {{KeySource::Kind::kFile, "/etc/ca.pem"},
                                     {KeySource::Kind::kFile, "/etc/c.pem"},
                                     {KeySource::Kind::kFile, "/etc/k.pem"},
                                     {KeySource::Kind::kCredential, "lease-key"},
                                     {KeySource::Kind::kFile, "/etc/s"}};
  EXPECT_EQ(files, expected);
}

TEST(VaultConfigTest, FsKnowsATreeByItsPath) {
  Result<Config> config = ParseConfig(kVault, "c", FakeAccounts());
  ASSERT_TRUE(config.ok());
  Result<Config> for_fs = DecodeForFs(EncodeForFs(*config).Expose());
  ASSERT_TRUE(for_fs.ok());
  EXPECT_TRUE(for_fs->trees[0].by_name);
  EXPECT_EQ(for_fs->trees[0].BackendRoot(), "pki");
  EXPECT_EQ(for_fs->backends[0].type, BackendType::kVault);
  EXPECT_TRUE(for_fs->backends[0].vault.addresses.empty()) << "fs never learns where a server is";
}

TEST(VaultConfigTest, ErrorsNameThePlace) {
  const std::string head = "[backend.v]\ntype = \"vault\"\naddress = \"https://x\"\n";
  const std::string token = head + "auth = { method = \"token\", token = { file = \"/t\" } }\n";
  ExpectErrors({
      {"[backend.v]\ntype = \"vault\"\n",
       "c:1:1: backend.v.address is missing: say where the server is, such as address = \"https://vault:8200\"\n"
       "c:1:1: backend.v.auth is missing: say how to log in, such as auth = { method = \"token\", token = { file = "
       "\"/path\" } }"},
      {"[backend.v]\ntype = \"vault\"\naddress = \"vault:8200\"\nauth = { method = \"token\", token = { file = \"/t\" "
       "} }\n",
       "c:3:11: backend.v.address is no address of a server: write https://HOST:PORT"},
      {"[backend.v]\ntype = \"vault\"\naddress = \"http://vault:8200\"\nauth = { method = \"token\", token = { file = "
       "\"/t\" } "
       "}\n",
       "c:3:11: backend.v.address is no address of a server: write https: over plain http, "
       "which is allowed to loopback addresses only, others could read tokens and secrets"},
      {head + "auth = { method = \"appole\" }\n",
       "c:4:19: backend.v.auth.method is the unknown method \"appole\": write \"token\", \"approle\", \"cert\", "
       "\"kubernetes\", \"jwt\" or \"userpass\""},
      {head + "auth = { method = \"approle\" }\n",
       "c:4:8: backend.v.auth.role_id is missing: give the role's id: `vault read auth/approle/role/NAME/role-id` "
       "shows "
       "it"},
      {head + "auth = { method = \"userpass\", username = \"u\", password = \"secret\" }\n",
       "c:4:58: backend.v.auth.password is a string, not a table: write { file = \"/path\" } or { credential = "
       "\"name\" }"},
      {head + "auth = { method = \"cert\" }\n",
       "c:4:8: backend.v.auth is by certificate, and there is none: add client_certificate and client_key to the "
       "backend"},
      {token + "client_key = \"/k\"\n",
       "c:5:14: backend.v.client_key needs client_certificate: add client_certificate"},
      {token + "on_stop = \"drop\"\n",
       "c:5:11: backend.v.on_stop is neither \"keep\" nor \"revoke\": say what becomes of leases when leasefs stops"},
      {token + "[[tree]]\npath = \"p\"\nsource = \"v:\"\n",
       "c:7:10: tree.source names no path of the server: write \"v:MOUNT/PATH\", such as \"v:secret/web\""},
      {token + "[[tree]]\npath = \"p\"\nsource = \"v:kv\"\nidentity = \"x\"\n",
       "c:7:10: tree.identity names the unknown identity \"x\": add [backend.v.identity.NAME] with that name, or "
       "correct "
       "it"},
      {token + "[[tree]]\npath = \"p\"\nsource = \"v:kv\"\nengine = \"kv3\"\n",
       "c:8:10: tree.engine is the unknown engine \"kv3\": write \"kv1\", \"kv2\", \"static\" or \"dynamic\", or "
       "nothing: "
       "it is found out"},
      {token + "[[tree]]\npath = \"p\"\nsource = \"v:kv\"\nparams = { a = 1.5 }\n",
       "c:8:12: tree.params.a cannot be sent as JSON: give a string, a whole number, true, false, an array or a table"},
      {std::string(kStoreAndTree) + "min_ttl = \"1s\"\n",
       "c:8:10: tree \"web\" has settings of a vault (identity, engine, version, method, params, keys, min_ttl, "
       "mint_interval, idle or lease_scope), but its backend is a store: remove them, or name a backend of type "
       "\"vault\""},
  });
}

}  // namespace
}  // namespace leasefs
