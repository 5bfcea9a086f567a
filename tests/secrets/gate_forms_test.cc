// Forms and files that are made of secrets (S7).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fs/base/sim_loop.h"
#include "fs/secrets/secret_gate.h"
#include "tests/support/map_backend.h"
#include "tests/support/minting_backend.h"
#include "tests/support/sim_mount.h"

namespace leasefs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

constexpr Caller kAlice{1000, 1000, 11};
constexpr Caller kBob{2000, 2000, 22};
constexpr std::chrono::seconds kSecond{1};

FileOptions MakeFile(const std::string& path, const std::string& text, std::vector<FileSecret> secrets) {
  FileOptions file;
  file.path = path;
  file.text = text;
  file.secrets = std::move(secrets);
  return file;
}

TreeOptions WithForms(TreeOptions tree, FormOptions forms) {
  tree.forms = forms;
  return tree;
}

class GateFormsTest : public testing::Test {
 protected:
  explicit GateFormsTest(Config config = Standard())
      : backend_(loop_), server_(loop_, backend_, {}), mount_(loop_, std::move(config)) {
    backend_.Put("app/db", {{"password", "pw"}, {"user", "joe"}});
    backend_.Put("app/api", {{"token", "T0"}});
    mount_.Connect("local", server_);
    loop_.RunFor(kSecond);
  }

  static Config Standard() {
    Config config = SimConfig({WithForms(SimTree("app", "app"), {true, true, true})},
                              {AllowUser("app/**", 1000), AllowUser("etc/app.conf", 2000)});
    config.files.push_back(MakeFile("etc/app.conf", "u={{ db.user }} p={{ db.password | url }} t={{ api.token }}\n",
                                    {{"db", "app/db"}, {"api", "app/api"}}));
    return config;
  }

  void Put(const std::string& secret, const MapBackend::Keys& keys) {
    backend_.Put(secret, keys);
    loop_.RunFor(kSecond);
  }
  SimRead Conf() { return mount_.OpenNow("etc/app.conf", kBob); }
  SimRead Json() { return mount_.OpenNow("app/db/.json", kAlice); }
  SimRead Env() { return mount_.OpenNow("app/db/.env", kAlice); }
  ErrorKind KindOf(const SimRead& read) { return read.error ? read.error->kind() : ErrorKind{}; }
  std::string Status(const std::string& path) { return mount_.gate().Stat(path)->status; }
  void KillAndRestart() {
    mount_.Crash();
    mount_.Restart();
    mount_.Connect("local", server_);
  }

  SimLoop loop_{1};
  MapBackend backend_;
  BackendServer server_;
  SimMount mount_;
};

TEST_F(GateFormsTest, S7_FormsLieBesideTheKeysOfASecretAndOnlyThere) {
  EXPECT_THAT(*mount_.ListNow("app/db", kBob), UnorderedElementsAre("password", "user", ".json", ".env"));
  EXPECT_THAT(*mount_.ListNow("app", kBob), UnorderedElementsAre("db", "api"));
  EXPECT_EQ(Json().bytes, "{\"password\":\"pw\",\"user\":\"joe\"}\n");
  EXPECT_EQ(Env().bytes, "password=pw\nuser=joe\n");
  EXPECT_EQ(backend_.reads(), 1u);
}

TEST_F(GateFormsTest, S7_JsonTextOfTheBackendStaysAsItIs) {
  backend_.SetJson("limit");
  Put("app/db", {{"limit", "1.50"}, {"user", "5"}});
  EXPECT_EQ(Json().bytes, "{\"limit\":1.50,\"user\":\"5\"}\n");
  // The same bytes, and a string now: the key is no new version, the form is.
  SimRead key = mount_.OpenNow("app/db/user", kAlice);
  backend_.SetJson("user");
  Put("app/db", {{"limit", "1.50"}, {"user", "5"}});
  EXPECT_EQ(Json().bytes, "{\"limit\":1.50,\"user\":5}\n");
  EXPECT_EQ(mount_.OpenNow("app/db/user", kAlice).inode, key.inode);
}

TEST_F(GateFormsTest, S7_WhatAFormCannotExpressIsAnErrorInWords) {
  Put("app/db", {{"password", "a b"}, {"user", std::string("\xff", 1)}});
  EXPECT_EQ(KindOf(Json()), ErrorKind::kRemote);
  EXPECT_THAT(Status("app/db/.json"), HasSubstr("failed: .json cannot express the key user"));
  EXPECT_EQ(KindOf(Env()), ErrorKind::kRemote);
  EXPECT_THAT(Status("app/db/.env"), HasSubstr("failed: .env cannot express the key password"));
  EXPECT_EQ(mount_.OpenNow("app/db/password", kAlice).bytes, "a b");
  Put("app/db", {{"password", "ab"}});
  EXPECT_EQ(Env().bytes, "password=ab\n");
  EXPECT_EQ(Status("app/db/.env"), "fresh");
}

TEST_F(GateFormsTest, S7_S8_AFormIsANewVersionOnlyWhenItsBytesChange) {
  SimRead first = Json();
  EXPECT_EQ(first.inode.version, 1u);
  SimRead held = mount_.OpenNow("app/db/.json", kAlice, true);
  Put("app/db", {{"password", "pw"}, {"user", "joe"}});
  EXPECT_EQ(Json().inode, first.inode);
  Put("app/db", {{"password", "new"}, {"user", "joe"}});
  EXPECT_EQ(Json().inode.version, 2u);
  EXPECT_EQ(mount_.StatNow("app/db/.json", kAlice)->size, Json().bytes.size());
  EXPECT_EQ(*mount_.ReadAgain(held), first.bytes);
  mount_.Close(held);
}

TEST_F(GateFormsTest, S4_S7_AKeyWithTheNameOfAFormIsReachableByItsEscape) {
  Put("app/db", {{".json", "key"}, {"user", "joe"}});
  EXPECT_EQ(Json().bytes, "{\".json\":\"key\",\"user\":\"joe\"}\n");
  EXPECT_EQ(mount_.OpenNow("app/db/.jso%6E", kAlice).bytes, "key");
  EXPECT_EQ(mount_.gate().Report().names_not_shown, 0u);
}

TEST_F(GateFormsTest, S7_FormsGoWithTheirSecret) {
  EXPECT_FALSE(Json().error);
  Put("app/db", {});
  EXPECT_EQ(KindOf(Json()), ErrorKind::kNotFound);
  Put("app/db", {{"user", "ann"}});
  EXPECT_EQ(Env().bytes, "user=ann\n");
}

TEST_F(GateFormsTest, S7_ATreeMayShowItsFormsOnly) {
  Config config = Standard();
  config.trees[0].forms = {false, true, false};
  EXPECT_EQ(mount_.OpenNow("app/db/user", kAlice).bytes, "joe");
  ASSERT_TRUE(mount_.Reload(config).ok());
  EXPECT_THAT(*mount_.ListNow("app/db", kAlice), ElementsAre(".json"));
  EXPECT_EQ(KindOf(mount_.OpenNow("app/db/user", kAlice)), ErrorKind::kNotFound);
  EXPECT_EQ(KindOf(mount_.OpenNow("app/db/.env", kAlice)), ErrorKind::kNotFound);
  EXPECT_EQ(Json().bytes, "{\"password\":\"pw\",\"user\":\"joe\"}\n");
  EXPECT_EQ(Conf().bytes, "u=joe p=pw t=T0\n");
  ASSERT_TRUE(mount_.Reload(Standard()).ok());
  EXPECT_EQ(mount_.OpenNow("app/db/user", kAlice).bytes, "joe");
}

TEST_F(GateFormsTest, S7_AReloadThatAddsAFormMovesTheKeyThatHadItsName) {
  Config config = Standard();
  config.trees[0].forms = {};
  ASSERT_TRUE(mount_.Reload(config).ok());
  Put("app/db", {{".env", "key"}, {"user", "joe"}});
  EXPECT_EQ(mount_.OpenNow("app/db/.env", kAlice).bytes, "key");
  config.trees[0].forms.json = config.trees[0].forms.env = true;
  ASSERT_TRUE(mount_.Reload(config).ok());
  loop_.RunFor(kSecond);
  EXPECT_EQ(mount_.OpenNow("app/db/.en%76", kAlice).bytes, "key");
  EXPECT_EQ(KindOf(Env()), ErrorKind::kRemote);  // .env is no identifier
  EXPECT_EQ(Json().bytes, "{\".env\":\"key\",\"user\":\"joe\"}\n");
  config.trees[0].forms = {};
  ASSERT_TRUE(mount_.Reload(config).ok());
  EXPECT_EQ(mount_.OpenNow("app/db/.env", kAlice).bytes, "key");
  EXPECT_THAT(*mount_.ListNow("app/db", kAlice), UnorderedElementsAre(".env", "user"));
}

TEST_F(GateFormsTest, S7_AFileIsMadeOfItsSecretsByTheRulesOfItsOwnPath) {
  EXPECT_THAT(*mount_.ListNow("", kAlice), UnorderedElementsAre("app", "etc"));
  EXPECT_THAT(*mount_.ListNow("etc", kAlice), ElementsAre("app.conf"));
  EXPECT_EQ(KindOf(mount_.OpenNow("app/db/user", kBob)), ErrorKind::kDenied);
  EXPECT_EQ(Conf().bytes, "u=joe p=pw t=T0\n");
  EXPECT_EQ(KindOf(mount_.OpenNow("etc/app.conf", kAlice)), ErrorKind::kDenied);
  EXPECT_EQ(backend_.reads(), 2u);
  Attributes attributes = *mount_.StatNow("etc/app.conf", kAlice);
  EXPECT_EQ(attributes.size, 16u);
  EXPECT_EQ(attributes.uid, 2000u);
  EXPECT_EQ(attributes.permissions, 0400u);
}

TEST_F(GateFormsTest, S7_AllSecretsAreAskedForAtOnce) {
  backend_.SetDelay(kSecond * 2);
  BootTime before = loop_.Now();
  EXPECT_EQ(Conf().bytes, "u=joe p=pw t=T0\n");
  EXPECT_LT(loop_.Now() - before, kSecond * 3);
}

TEST_F(GateFormsTest, S7_StatByWhoMayOpenShowsTheTrueSizeBeforeTheFirstOpen) {
  EXPECT_EQ(mount_.StatNow("etc/app.conf", kAlice)->size, 0u);
  EXPECT_EQ(backend_.reads(), 0u);
  EXPECT_EQ(mount_.StatNow("etc/app.conf", kBob)->size, 16u);
  EXPECT_GT(mount_.StatNow("etc/app.conf", kBob)->attribute_timeout, Duration::zero());
}

TEST_F(GateFormsTest, S7_S11_TheNextOpenAndStatSeeAChangeOfAnySource) {
  SimRead before = Conf();
  size_t told = mount_.invalidated().size();
  Put("app/api", {{"token", "T-longer"}});
  std::vector<NodeId> invalidated(mount_.invalidated().begin() + static_cast<long>(told), mount_.invalidated().end());
  EXPECT_THAT(invalidated, testing::Contains(before.inode));
  EXPECT_EQ(mount_.StatNow("etc/app.conf", kBob)->size, 22u);
  EXPECT_EQ(Conf().bytes, "u=joe p=pw t=T-longer\n");
  // Also when somebody else has fetched the source meanwhile.
  Put("app/db", {{"password", "a b"}, {"user", "joe"}});
  EXPECT_EQ(mount_.OpenNow("app/db/password", kAlice).bytes, "a b");
  EXPECT_EQ(mount_.StatNow("etc/app.conf", kAlice)->size, 25u);
  EXPECT_EQ(Conf().bytes, "u=joe p=a%20b t=T-longer\n");
  EXPECT_EQ(Conf().inode.version, 3u);
}

TEST_F(GateFormsTest, S7_WhatFailsOfOneSecretFailsTheFileAndNamesIt) {
  Put("app/api", {});
  SimRead read = Conf();
  EXPECT_EQ(KindOf(read), ErrorKind::kNotFound);
  EXPECT_THAT(read.error->message(), HasSubstr("app/api"));
  EXPECT_THAT(Status("etc/app.conf"), HasSubstr("failed: app/api: "));
  Put("app/api", {{"other", "x"}});
  read = Conf();
  EXPECT_EQ(KindOf(read), ErrorKind::kNotFound);
  EXPECT_THAT(read.error->message(), HasSubstr("app/api has no key token"));
  Put("app/api", {{"token", "line\n"}});
  EXPECT_EQ(KindOf(Conf()), ErrorKind::kRemote);
  EXPECT_THAT(Status("etc/app.conf"), HasSubstr("api.token has a line break"));
  EXPECT_THAT(Status("etc/app.conf"), testing::Not(HasSubstr("line\n")));
  Put("app/api", {{"token", "T1"}});
  EXPECT_EQ(Conf().bytes, "u=joe p=pw t=T1\n");
}

TEST_F(GateFormsTest, S7_S17_DuringAnOutageAFileIsMadeOfWhatIsHeld) {
  EXPECT_FALSE(Conf().error);
  Put("app/api", {{"token", "T2"}});
  backend_.SetOutage(ErrorKind::kUnreachable);
  SimRead stale = Conf();
  EXPECT_EQ(stale.bytes, "u=joe p=pw t=T0\n");
  EXPECT_THAT(Status("etc/app.conf"), HasSubstr("stale: app/api: "));
  backend_.SetOutage(std::nullopt);
  loop_.RunFor(kSecond * 60);
  EXPECT_EQ(Conf().bytes, "u=joe p=pw t=T2\n");
}

TEST_F(GateFormsTest, S7_ASuccessorServesTheSameVersionWithoutAFetch) {
  SimRead conf = mount_.OpenNow("etc/app.conf", kBob, true);
  SimRead json = Json();
  uint64_t reads = backend_.reads();
  for (int i = 0; i < 5; ++i) {
    KillAndRestart();
    EXPECT_EQ(*mount_.ReadAgain(conf), conf.bytes);
    EXPECT_EQ(Conf().inode, conf.inode);
    EXPECT_EQ(Json().inode, json.inode);
    EXPECT_GT(mount_.StatNow("etc/app.conf", kBob)->attribute_timeout, Duration::zero());
  }
  EXPECT_EQ(backend_.reads(), reads);
  mount_.Close(conf);
  EXPECT_EQ(mount_.gate().Report().handles, 0u);
}

TEST_F(GateFormsTest, S7_AWaitingReaderOfAFileIsAnsweredByTheSuccessor) {
  EXPECT_TRUE(mount_.ListNow("etc", kBob).ok());
  backend_.SetDelay(kSecond);
  std::optional<SimRead> read;
  mount_.Open("etc/app.conf", kBob, false, [&](SimRead result) { read = std::move(result); });
  loop_.RunFor(std::chrono::milliseconds(200));
  KillAndRestart();
  loop_.RunFor(kSecond * 4);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->bytes, "u=joe p=pw t=T0\n");
}

TEST_F(GateFormsTest, S7_AReloadMakesAFileAnewAndTakesOneAway) {
  SimRead before = Conf();
  Config config = Standard();
  config.files[0].text = "{{ db.user }}";
  config.files.push_back(MakeFile("app/db/pgpass", "*:*:*:{{ db.user | pgpass }}\n", {{"db", "app/db"}}));
  ASSERT_TRUE(mount_.Reload(config).ok());
  EXPECT_EQ(Conf().bytes, "joe");
  EXPECT_EQ(Conf().inode.version, before.inode.version + 1);
  EXPECT_EQ(mount_.OpenNow("app/db/pgpass", kAlice).bytes, "*:*:*:joe\n");
  EXPECT_THAT(*mount_.ListNow("app/db", kAlice), UnorderedElementsAre("password", "user", ".json", ".env", "pgpass"));
  EXPECT_EQ(Json().bytes, "{\"password\":\"pw\",\"user\":\"joe\"}\n");  // of keys, and of no file that lies there
  config.files.clear();
  ASSERT_TRUE(mount_.Reload(config).ok());
  EXPECT_EQ(KindOf(Conf()), ErrorKind::kNotFound);
  EXPECT_EQ(KindOf(mount_.OpenNow("app/db/pgpass", kAlice)), ErrorKind::kNotFound);
  EXPECT_THAT(*mount_.ListNow("", kAlice), ElementsAre("app"));
}

TEST_F(GateFormsTest, S4_S7_AFileInATreeHasItsNameAndStaysWhateverIsListed) {
  Config config = Standard();
  config.files.push_back(MakeFile("app/db/user", "made", {}));
  config.files.push_back(MakeFile("app/gone/file", "{{ db.user }}", {{"db", "app/db"}}));
  ASSERT_TRUE(mount_.Reload(config).ok());
  EXPECT_EQ(mount_.OpenNow("app/db/user", kAlice).bytes, "made");
  EXPECT_EQ(mount_.OpenNow("app/db/use%72", kAlice).bytes, "joe");
  EXPECT_THAT(*mount_.ListNow("app", kAlice), UnorderedElementsAre("db", "api", "gone"));
  EXPECT_EQ(mount_.OpenNow("app/gone/file", kAlice).bytes, "joe");
  Put("app/db", {{"user", "ann"}});
  Put("app/x", {{"k", "v"}});
  EXPECT_EQ(mount_.OpenNow("app/gone/file", kAlice).bytes, "ann");
  EXPECT_EQ(mount_.OpenNow("app/db/user", kAlice).bytes, "made");
}

TEST_F(GateFormsTest, S7_WhatIsLargerThanTheLimitIsAnErrorAndNeverCut) {
  Config config = Standard();
  config.limits.value_bytes = 20;
  ASSERT_TRUE(mount_.Reload(config).ok());
  EXPECT_FALSE(Conf().error);
  EXPECT_EQ(KindOf(Json()), ErrorKind::kTooLarge);
  Put("app/db", {{"password", std::string(21, 'x')}, {"user", "joe"}});
  EXPECT_EQ(KindOf(Conf()), ErrorKind::kTooLarge);
  EXPECT_EQ(mount_.OpenNow("app/db/user", kAlice).bytes, "joe");
}

TEST_F(GateFormsTest, S22_AHiddenFileIsSeenByWhoMayOpenIt) {
  Config config = Standard();
  config.files[0].hidden = true;
  ASSERT_TRUE(mount_.Reload(config).ok());
  EXPECT_THAT(*mount_.ListNow("etc", kAlice), ElementsAre());
  EXPECT_THAT(*mount_.ListNow("etc", kBob), ElementsAre("app.conf"));
  EXPECT_EQ(KindOf(mount_.OpenNow("etc/app.conf", kAlice)), ErrorKind::kNotFound);
  EXPECT_FALSE(Conf().error);
}

// Of a secret that must be minted.
class GateMintedFormsTest : public testing::Test {
 protected:
  GateMintedFormsTest() : mount_(loop_, Configured()) {
    mount_.Connect("local", server_);
    loop_.RunFor(kSecond);
  }
  static Config Configured() {
    Config config = SimConfig({WithForms(SimTree("db", "db"), {true, true, false})}, {AllowUser("**", 1000)});
    config.files.push_back(MakeFile("conf", "p={{ db.password }}", {{"db", "db"}}));
    return config;
  }
  static std::string Version(uint64_t version) { return "p=" + MintingBackend::ValueOf("db", version); }
  std::string Expires() {
    NodeId id = mount_.StatNow("conf", kAlice)->id;
    return mount_.gate().GetExtendedAttribute({1, kAlice, loop_.Now()}, id, "user.leasefs.expires").value();
  }

  SimLoop loop_{1};
  MintingBackend backend_{loop_, "db"};
  BackendServer server_{loop_, backend_, {}};
  SimMount mount_;
};

TEST_F(GateMintedFormsTest, S6_S7_OnlyAnOpenMintsAndASuccessorDoesNot) {
  EXPECT_EQ(mount_.StatNow("conf", kAlice)->size, 0u);
  EXPECT_EQ(mount_.StatNow("db/.json", kAlice)->size, 0u);
  EXPECT_EQ(Expires(), "not read yet");
  EXPECT_EQ(backend_.mints(), 0u);
  SimRead read = mount_.OpenNow("conf", kAlice);
  EXPECT_EQ(read.bytes, Version(1));
  EXPECT_EQ(mount_.StatNow("conf", kAlice)->size, read.bytes.size());
  EXPECT_FALSE(mount_.OpenNow("db/.json", kAlice).error);
  EXPECT_EQ(backend_.mints(), 1u);
  mount_.Crash();
  mount_.Restart();
  mount_.Connect("local", server_);
  EXPECT_EQ(mount_.OpenNow("conf", kAlice).inode, read.inode);
  EXPECT_EQ(backend_.mints(), 1u);
}

TEST_F(GateMintedFormsTest, S7_NothingIsMintedForAReaderWhoHasGone) {
  Config config = Configured();
  config.trees.push_back(SimTree("other", "db/other"));
  config.files[0].secrets.push_back({"other", "other"});
  ASSERT_TRUE(mount_.Reload(config).ok());
  mount_.Crash();
  mount_.Restart();  // and no backend is there
  SimRead read = mount_.OpenNow("conf", kAlice);
  ASSERT_TRUE(read.error);
  EXPECT_EQ(read.error->kind(), ErrorKind::kUnreachable);
  mount_.Connect("local", server_);
  loop_.RunFor(kSecond * 10);
  EXPECT_EQ(backend_.mints(), 0u);
}

TEST_F(GateMintedFormsTest, S7_S14_AFileFollowsTheLeaseOfItsSecret) {
  EXPECT_EQ(mount_.OpenNow("conf", kAlice).bytes, Version(1));
  EXPECT_EQ(Expires(), "599 s");
  backend_.Replace("db");
  loop_.RunFor(kSecond);
  EXPECT_EQ(mount_.gate().Stat("conf")->file_version, 2u) << "make before break: it is there without an open";
  EXPECT_EQ(mount_.OpenNow("conf", kAlice).bytes, Version(2));
  backend_.outage = ErrorKind::kUnreachable;
  loop_.RunFor(backend_.lease + kSecond);
  EXPECT_EQ(mount_.StatNow("conf", kAlice)->size, 0u);
  SimRead ended = mount_.OpenNow("conf", kAlice);
  ASSERT_TRUE(ended.error);
  EXPECT_EQ(ended.error->kind(), ErrorKind::kExpired);
  EXPECT_THAT(ended.error->message(), HasSubstr("db: the lease has ended"));
}

}  // namespace
}  // namespace leasefs
