// store init and rekey: what happens to files, with the real store.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/store/store.h"
#include "fs/base/loop.h"
#include "fs/cli/key_file.h"
#include "tests/cli/run_cli.h"
#include "tests/cli/scripted_peer.h"

namespace leasefs::cli {
namespace {

using store_admin::AdminReply;
using store_admin::AdminRequest;
using store_admin::Verb;
using testing::ElementsAre;
using testing::HasSubstr;

struct stat StatOf(const std::string& path) {
  struct stat info {};
  EXPECT_EQ(stat(path.c_str(), &info), 0) << path;
  return info;
}

class StoreInitTest : public testing::Test {
 protected:
  StoreInitTest() {
    chmod(directory_.path().c_str(), 0755);
    const std::string user = geteuid() == 0 ? "nobody" : getpwuid(geteuid())->pw_name;
    WriteConfig("key = { file = \"" + directory_ / "etc/store.key" + "\" }", user);
  }
  void WriteConfig(const std::string& key, const std::string& user = "nobody") {
    directory_.Write("leasefs.toml",
                     "mount = \"" + directory_ / "mnt" + "\"\nbackend_user = \"" + user +
                         "\"\n[backend.local]\ntype = \"store\"\npath = \"" + directory_ / "lib/store.db" + "\"\n" +
                         key + "\n",
                     0644);
  }
  CliResult Init(std::vector<std::string> words = {}, std::string standard_input = "") {
    words.insert(words.begin(), {"--config", directory_ / "leasefs.toml", "store", "init"});
    return RunCli(words, {.standard_input = std::move(standard_input), .environment = {}});
  }
  Status Opens(StoreKey::Kind kind, SecretBuffer key) {
    auto loop = std::move(FdLoop::Create()).value();
    auto store = Store::Open(directory_ / "lib/store.db", {kind, std::move(key)}, loop->random(), {});
    return store.ok() ? Ok() : Status(std::move(store).error());
  }

  TempDirectory directory_;
};

TEST_F(StoreInitTest, MakesAKeyAndAStoreThatItOpens) {
  const CliResult result = Init();
  ASSERT_EQ(result.exit, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("systemctl start leasefs"));
  auto key = ReadKeyFile(directory_ / "etc/store.key");
  ASSERT_TRUE(key.ok());
  EXPECT_TRUE(Opens(StoreKey::Kind::kRaw, std::move(*key)).ok());
  EXPECT_EQ(StatOf(directory_ / "etc/store.key").st_mode & 07777, 0400u);
  EXPECT_EQ(StatOf(directory_ / "lib").st_mode & 07777, 0700u);
  EXPECT_EQ(StatOf(directory_ / "lib/store.db").st_mode & 07777, 0600u);
  if (geteuid() != 0) GTEST_SKIP() << "not root: the owner was not checked";
  const uid_t nobody = getpwnam("nobody")->pw_uid;
  EXPECT_EQ(StatOf(directory_ / "etc/store.key").st_uid, 0u);
  EXPECT_EQ(StatOf(directory_ / "lib").st_uid, nobody);
  EXPECT_EQ(StatOf(directory_ / "lib/store.db").st_uid, nobody);
  EXPECT_EQ(geteuid(), 0u);
}

TEST_F(StoreInitTest, OverwritesNothing) {
  ASSERT_EQ(Init().exit, 0);
  const std::string key = ReadText(directory_ / "etc/store.key");
  const std::string store = ReadText(directory_ / "lib/store.db");
  const CliResult again = Init();
  EXPECT_EQ(again.exit, 1);
  EXPECT_THAT(again.err, HasSubstr("exists already and is left as it is"));
  EXPECT_EQ(ReadText(directory_ / "etc/store.key"), key);
  EXPECT_EQ(ReadText(directory_ / "lib/store.db"), store);
}

TEST_F(StoreInitTest, TakesAKeyThatIsThere) {
  ASSERT_EQ(Init().exit, 0);
  const std::string key = ReadText(directory_ / "etc/store.key");
  unlink((directory_ / "lib/store.db").c_str());
  const CliResult result = Init({"-ojson"});
  ASSERT_EQ(result.exit, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("\"key_made\":false"));
  EXPECT_EQ(ReadText(directory_ / "etc/store.key"), key);
  EXPECT_TRUE(Opens(StoreKey::Kind::kRaw, std::move(*ReadKeyFile(directory_ / "etc/store.key"))).ok());
}

TEST_F(StoreInitTest, RefusesAKeyThatOthersMayReadOrThatIsNone) {
  directory_.Write("etc/store.key", "leasefs-store-key-1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", 0640);
  EXPECT_THAT(Init().err, HasSubstr("can be read by others"));
  directory_.Write("etc/store.key", "canary", 0400);
  const CliResult result = Init();
  EXPECT_EQ(result.exit, 1);
  EXPECT_THAT(result.err, testing::Not(HasSubstr("canary")));
  EXPECT_FALSE(Exists(directory_ / "lib/store.db"));
}

TEST_F(StoreInitTest, AFailureTakesItsNewKeyAway) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  directory_.Write("lib/other", "");  // a directory of root's: the backend's user could make nothing in it
  const CliResult result = Init();
  EXPECT_EQ(result.exit, 1);
  EXPECT_THAT(result.err, HasSubstr("does not belong to nobody"));
  EXPECT_FALSE(Exists(directory_ / "etc/store.key"));
}

TEST_F(StoreInitTest, TakesAPassphrase) {
  EXPECT_THAT(Init({"--passphrase"}, "short\n").err, HasSubstr("at least 8 bytes"));
  const CliResult result = Init({"--passphrase"}, "correct horse\n");
  ASSERT_EQ(result.exit, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("leasefs store unlock"));
  EXPECT_THAT(result.err, HasSubstr("names another key"));
  EXPECT_TRUE(Opens(StoreKey::Kind::kPassphrase, SecretBuffer::CopyOf("correct horse")).ok());
  EXPECT_FALSE(Exists(directory_ / "etc/store.key"));
}

TEST_F(StoreInitTest, ACredentialNeedsAPlaceInClear) {
  WriteConfig("key = { credential = \"store-key\" }", geteuid() == 0 ? "nobody" : getpwuid(geteuid())->pw_name);
  EXPECT_THAT(Init().err, HasSubstr("--credential-file"));
  const CliResult result = Init({"--credential-file", directory_ / "clear.key"});
  ASSERT_EQ(result.exit, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("systemd-creds encrypt --name=store-key"));
}

TEST_F(StoreInitTest, AWrongConfigurationOrUserIsSaidSo) {
  EXPECT_EQ(Init({"--passphrase", "--key-file", "/x"}).exit, 1);
  EXPECT_EQ(Init({"--backend", "other"}).exit, 1);
  directory_.Write("leasefs.toml", "moutn = \"/x\"\n", 0644);
  EXPECT_EQ(Init().exit, 78);
  if (geteuid() != 0) GTEST_SKIP() << "not root: the user was not checked";
  WriteConfig("key = { file = \"" + directory_ / "etc/store.key" + "\" }", "no-such-user");
  EXPECT_NE(Init().exit, 0);
  EXPECT_FALSE(Exists(directory_ / "etc/store.key"));
}

// A store that counts what it is told about keys, and fails when it should.
class RekeyTest : public testing::Test {
 protected:
  RekeyTest()
      : store_(run_ / "store-local.sock", [this](AdminRequest& request) {
          verbs_.push_back(request.verb);
          if (request.verb == Verb::kRekey) last_key_ = SecretBuffer::CopyOf(request.key.bytes.Expose());
          AdminReply reply;
          if (request.verb == fail_at_) reply.error = Error(fail_with_, "no");
          return reply;
        }) {
    auto loop = std::move(FdLoop::Create()).value();
    EXPECT_TRUE(MakeKeyFileAt(key_, loop->random()).ok());
    old_ = ReadText(key_);
    directory_.Write(
        "leasefs.toml",
        "[backend.local]\ntype = \"store\"\npath = \"/nonexistent/store.db\"\nkey = { file = \"" + key_ + "\" }\n",
        0644);
  }
  CliResult Rekey(std::vector<std::string> words = {}, std::string standard_input = "") {
    words.insert(words.begin(),
                 {"--socket-dir", run_.path(), "--config", directory_ / "leasefs.toml", "store", "rekey"});
    return RunCli(words, {.standard_input = std::move(standard_input), .environment = {}});
  }
  bool LastKeyIsThatOf(const std::string& path) {
    auto key = ReadKeyFile(path);
    return key.ok() && ConstantTimeEqual(*key, last_key_);
  }

  TempDirectory run_;
  TempDirectory directory_;
  const std::string key_ = directory_ / "store.key";
  std::string old_;
  std::optional<Verb> fail_at_;
  ErrorKind fail_with_ = ErrorKind::kInternal;
  std::vector<Verb> verbs_;
  SecretBuffer last_key_;
  ScriptedStore store_;
};

TEST_F(RekeyTest, TheNewKeyIsInPlaceBeforeTheOldOneIsForgotten) {
  const CliResult result = Rekey();
  ASSERT_EQ(result.exit, 0) << result.err;
  EXPECT_THAT(verbs_, ElementsAre(Verb::kRekey, Verb::kFinishRekey));
  EXPECT_NE(ReadText(key_), old_);
  EXPECT_TRUE(LastKeyIsThatOf(key_));
  EXPECT_FALSE(Exists(key_ + ".new"));
  EXPECT_EQ(StatOf(key_).st_mode & 07777, 0400u);
}

TEST_F(RekeyTest, ARefusalChangesNothing) {
  fail_at_ = Verb::kRekey;
  EXPECT_EQ(Rekey().exit, 2);
  EXPECT_EQ(ReadText(key_), old_);
  EXPECT_FALSE(Exists(key_ + ".new"));
}

TEST_F(RekeyTest, AnUnknownResultKeepsTheNewKeyAndResumeGoesOn) {
  fail_at_ = Verb::kRekey;
  fail_with_ = ErrorKind::kRemote;
  CliResult result = Rekey();
  EXPECT_EQ(result.exit, 2);
  EXPECT_THAT(result.err, HasSubstr("--resume"));
  EXPECT_EQ(ReadText(key_), old_);
  ASSERT_TRUE(Exists(key_ + ".new"));
  fail_at_.reset();
  EXPECT_EQ(Rekey().exit, 1);  // not without being told to
  EXPECT_TRUE(LastKeyIsThatOf(key_ + ".new"));
  ASSERT_EQ(Rekey({"--resume"}).exit, 0);
  EXPECT_TRUE(LastKeyIsThatOf(key_));
  EXPECT_FALSE(Exists(key_ + ".new"));
}

TEST_F(RekeyTest, AnInterruptionBeforeTheEndIsResumedWithTheKeyOnTheDisk) {
  fail_at_ = Verb::kFinishRekey;
  CliResult result = Rekey();
  EXPECT_EQ(result.exit, 2);
  EXPECT_THAT(result.err, HasSubstr("--resume"));
  EXPECT_TRUE(LastKeyIsThatOf(key_));
  fail_at_.reset();
  verbs_.clear();
  ASSERT_EQ(Rekey({"--resume"}).exit, 0);
  EXPECT_THAT(verbs_, ElementsAre(Verb::kRekey, Verb::kFinishRekey));
  EXPECT_TRUE(LastKeyIsThatOf(key_));
}

TEST_F(RekeyTest, AStoreThatOnlyTheUnfinishedKeyOpensIsUnlockedWithIt) {
  auto loop = std::move(FdLoop::Create()).value();
  ASSERT_TRUE(MakeKeyFileAt(key_ + ".new", loop->random()).ok());
  fail_at_ = Verb::kRekey;
  fail_with_ = ErrorKind::kLocked;
  EXPECT_EQ(Rekey({"--resume"}).exit, 2);
  EXPECT_THAT(verbs_, ElementsAre(Verb::kRekey, Verb::kUnlock, Verb::kRekey));
  EXPECT_TRUE(Exists(key_ + ".new"));
}

TEST_F(RekeyTest, ACutNewKeyIsSaidSo) {
  directory_.Write("store.key.new", "leasefs-store-key-1:AAAA", 0400);
  const CliResult result = Rekey({"--resume"});
  EXPECT_EQ(result.exit, 1);
  EXPECT_THAT(result.err, HasSubstr("remove it and begin anew"));
  EXPECT_TRUE(verbs_.empty());
}

TEST_F(RekeyTest, APassphraseInsteadOfAFileLeavesBothUntilFinish) {
  const CliResult result = Rekey({"--passphrase"}, "correct horse\n");
  ASSERT_EQ(result.exit, 0) << result.err;
  EXPECT_THAT(verbs_, ElementsAre(Verb::kRekey));
  EXPECT_THAT(result.err, HasSubstr("--finish"));
  EXPECT_EQ(ReadText(key_), old_);
  EXPECT_EQ(Rekey({"--finish"}).exit, 1);  // nobody to ask
  EXPECT_EQ(Rekey({"--finish", "--yes"}).exit, 0);
  EXPECT_THAT(verbs_, ElementsAre(Verb::kRekey, Verb::kFinishRekey));
}

TEST_F(RekeyTest, ANewPlaceForTheKeyLeavesBothUntilFinish) {
  CliResult result = Rekey({"--credential-file", directory_ / "clear"});
  ASSERT_EQ(result.exit, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("systemd-creds encrypt"));
  EXPECT_TRUE(LastKeyIsThatOf(directory_ / "clear"));
  result = Rekey({"--key-file", directory_ / "other.key"});
  ASSERT_EQ(result.exit, 0) << result.err;
  EXPECT_TRUE(LastKeyIsThatOf(directory_ / "other.key"));
  EXPECT_THAT(verbs_, ElementsAre(Verb::kRekey, Verb::kRekey));
  EXPECT_EQ(ReadText(key_), old_);
}

TEST_F(RekeyTest, OptionsThatContradictAreRefused) {
  EXPECT_EQ(Rekey({"--passphrase", "--finish"}).exit, 1);
  EXPECT_EQ(Rekey({"--resume", "--finish"}).exit, 1);
  EXPECT_TRUE(verbs_.empty());
}

}  // namespace
}  // namespace leasefs::cli
