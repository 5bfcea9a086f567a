// put, get, ls, rm, history, rollback, store status, unlock and backup, against a store that answers by script.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "fs/control/report_json.h"
#include "fs/control/wire.h"
#include "tests/cli/run_cli.h"
#include "tests/cli/scripted_peer.h"

namespace leasefs::cli {
namespace {

using store_admin::AdminReply;
using store_admin::AdminRequest;
using store_admin::Verb;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class StoreVerbsTest : public testing::Test {
 protected:
  StoreVerbsTest() : store_(run_ / "store-local.sock", [this](AdminRequest&) { return Copy(reply_); }) {}

  static AdminReply Copy(const AdminReply& reply) {
    return std::move(AdminReply::Decode(reply.Encode().Expose())).value();
  }
  CliResult Run(std::vector<std::string> words, std::string standard_input = "") {
    words.insert(words.begin(), {"--socket-dir", run_.path()});
    return RunCli(words, {.standard_input = std::move(standard_input), .environment = {}});
  }
  void AddField(const std::string& key, std::string_view value) {
    reply_.fields.push_back({.key = key, .too_large = false, .value = SecretBuffer::CopyOf(value)});
  }

  TempDirectory run_;
  TempDirectory data_;
  AdminReply reply_;
  ScriptedStore store_;
};

TEST_F(StoreVerbsTest, PutSendsTheBytesOfFilesAndStandardInputAsTheyAre) {
  reply_.versions = {3};
  const std::string value("line\nand\0nul\xff\n", 14);
  const CliResult result =
      Run({"put", "web/tls", "cert=@" + data_.Write("cert", value), "key=-", "--replace"}, value + value);
  EXPECT_EQ(result.exit, 0) << result.err;
  EXPECT_EQ(result.out, "local:web/tls  version 3\n");
  ASSERT_EQ(store_.requests().size(), 1u);
  const AdminRequest& request = store_.requests()[0];
  EXPECT_EQ(request.verb, Verb::kPut);
  ASSERT_EQ(request.puts.size(), 1u);
  EXPECT_EQ(request.puts[0].secret, "web/tls");
  EXPECT_TRUE(request.puts[0].replace);
  EXPECT_EQ(request.puts[0].fields[0].key, "cert");
  EXPECT_EQ(request.puts[0].fields[0].value.ExposeText(), value);
  EXPECT_EQ(request.puts[0].fields[1].value.ExposeText(), value + value);
}

TEST_F(StoreVerbsTest, PutKeepsOtherKeysUnlessToldOtherwise) {
  EXPECT_EQ(Run({"put", "x", "empty=@/dev/null", "-ojson"}).out,
            "{\"backend\":\"local\",\"path\":\"x\",\"version\":0,\"applied\":true}\n");
  EXPECT_FALSE(store_.requests()[0].puts[0].replace);
  EXPECT_TRUE(store_.requests()[0].puts[0].fields[0].value.empty());
}

TEST_F(StoreVerbsTest, PutSaysWhatItCannotRead) {
  CliResult result = Run({"put", "x", "k=@" + data_ / "absent"});
  EXPECT_EQ(result.exit, 1);
  EXPECT_THAT(result.err, HasSubstr("the file of k: No such file"));
  result = Run({"put", "x", "k=@" + data_.path()});
  EXPECT_THAT(result.err, HasSubstr("the file of k: Is a directory"));
  data_.Write("huge", "");
  ASSERT_EQ(truncate((data_ / "huge").c_str(), (4 << 20) + 1), 0);
  result = Run({"put", "x", "k=@" + data_ / "huge"});
  EXPECT_EQ(result.exit, 1);
  EXPECT_THAT(result.err, HasSubstr("has more than 4194304 bytes"));
  EXPECT_TRUE(store_.requests().empty());
}

TEST_F(StoreVerbsTest, PutWarnsWhenTheMountDoesNotShowItYet) {
  reply_.applied = false;
  const CliResult result = Run({"-q", "put", "x", "k=-"}, "v");
  EXPECT_EQ(result.exit, 0);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, HasSubstr("the mount has not confirmed"));
}

TEST_F(StoreVerbsTest, PutAndImportWarnWhenNoTreeShowsIt) {
  std::vector<std::string> asked;
  const ScriptedPeer control(run_ / "control.sock", [&](PeerConnection& connection) {
    const SecretBuffer payload = connection.ReadFrame();
    auto request = control::ControlRequest::Decode(payload.Expose());
    if (request.ok()) asked.push_back(request->verb);
    control::ControlReply reply;
    reply.json = control::TreesJson(
        {{"web", "local", "web", 0, 0, 0}, {"pg", "local", "db/main", 0, 0, 0}, {"other", "second", "", 0, 0, 0}});
    connection.WriteFrame(control::kReplyFrame, reply.Encode());
  });
  for (const char* shown : {"web", "web/tls", "db/main", "db/main/x"})
    EXPECT_EQ(Run({"put", shown, "k=-"}, "v").err, "") << shown;
  for (const char* hidden : {"we", "webs/tls", "db", "db/mainly"}) {
    const CliResult result = Run({"put", hidden, "k=-"}, "v");
    EXPECT_EQ(result.exit, 0);
    EXPECT_THAT(result.err, HasSubstr(std::string("no [[tree]] shows local:") + hidden)) << hidden;
  }
  EXPECT_THAT(Run({"import", data_.Write("x.json", R"({"tls":{"k":"v"}})"), "--to", "web"}).err,
              Not(HasSubstr("tree")));
  EXPECT_THAT(Run({"import", data_ / "x.json", "--to", "app"}).err, HasSubstr("no [[tree]] shows local:app/tls"));
  EXPECT_THAT(asked, testing::Each(std::string("trees")));
}

TEST_F(StoreVerbsTest, WhatIsNotThereIsHintedAtByTheVerb) {
  reply_.error = Error(ErrorKind::kNotFound, "web/tls has no version 99");
  EXPECT_THAT(Run({"rollback", "web/tls", "99"}).err, HasSubstr("`leasefs history local:web/tls`"));
  reply_.error = Error(ErrorKind::kNotFound, "no secret web/tls/key");
  EXPECT_THAT(Run({"get", "web/tls/key"}).err, HasSubstr("`leasefs get local:web/tls key`"));
  EXPECT_THAT(Run({"get", "web", "key"}).err, Not(HasSubstr("is a key")));
}

TEST_F(StoreVerbsTest, GetGivesTheBytesAndNothingElse) {
  reply_.versions = {2};
  AddField("key", std::string_view("a\0\xff", 3));
  const CliResult result = Run({"get", "web", "key", "--version", "2"});
  EXPECT_EQ(result.exit, 0);
  EXPECT_EQ(result.out, std::string("a\0\xff", 3));
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(store_.requests()[0].version, 2u);
  EXPECT_THAT(store_.requests()[0].keys, ElementsAre("key"));
  EXPECT_EQ(Run({"get", "web", "--field", "key"}).out, std::string("a\0\xff", 3));
  EXPECT_EQ(Run({"get", "web", "key", "--field", "key"}).exit, 1);
}

TEST_F(StoreVerbsTest, GetWithoutAKeyShowsNamesAndSizesOnly) {
  reply_.versions = {7};
  AddField("user", "canary");
  AddField("pass", "canary2");
  CliResult result = Run({"get", "web"});
  EXPECT_EQ(result.out, "KEY   SIZE\nuser  6 B\npass  7 B\n");
  EXPECT_THAT(result.err, HasSubstr("local:web  version 7"));
  result = Run({"get", "web", "-o", "json"});
  EXPECT_EQ(result.out,
            "{\"backend\":\"local\",\"path\":\"web\",\"version\":7,\"keys\":[{\"key\":\"user\",\"size\":6},{\"key\":"
            "\"pass\",\"size\":7}]}\n");
}

TEST_F(StoreVerbsTest, GetPutsValuesIntoJsonOnlyWhenToldTo) {
  AddField("text", "é\"");
  AddField("bytes", "\xff");
  const CliResult result = Run({"get", "web", "-ojson", "--reveal"});
  EXPECT_THAT(result.out, HasSubstr(R"({"key":"text","size":3,"value":"é\""})"));
  EXPECT_THAT(result.out, HasSubstr(R"({"key":"bytes","size":1,"value":"/w==","encoding":"base64"})"));
}

TEST_F(StoreVerbsTest, GetOfAKeyThatIsNotThereIsAnError) {
  const CliResult result = Run({"get", "web", "absent"});
  EXPECT_EQ(result.exit, 2);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, HasSubstr("there is no key absent in local:web"));
}

TEST_F(StoreVerbsTest, LsListsNamesSortedWithFoldersMarked) {
  reply_.entries = {{protocol::EntryKind::kFolder, "web"}, {protocol::EntryKind::kKey, "a\033"}};
  EXPECT_EQ(Run({"ls"}).out, "a\\x1b\nweb/\n");
  EXPECT_EQ(Run({"ls", "local:x", "-ojson"}).out,
            "{\"backend\":\"local\",\"path\":\"x\",\"entries\":[{\"name\":\"a\\u001b\",\"kind\":\"key\"},{\"name\":"
            "\"web\",\"kind\":\"folder\"}]}\n");
  EXPECT_FALSE(store_.requests()[0].recursive);
}

TEST_F(StoreVerbsTest, LsRecursiveListsSecrets) {
  reply_.paths = {"a", "web/tls"};
  EXPECT_EQ(Run({"ls", "-r"}).out, "a\nweb/tls\n");
  EXPECT_TRUE(store_.requests()[0].recursive);
  EXPECT_EQ(Run({"ls", "-r", "-ojson"}).out, "{\"backend\":\"local\",\"path\":\"\",\"secrets\":[\"a\",\"web/tls\"]}\n");
}

TEST_F(StoreVerbsTest, RmNamesItsKeys) {
  EXPECT_THAT(Run({"rm", "web", "a", "b"}).err, HasSubstr("removed 2 keys of local:web"));
  EXPECT_EQ(store_.requests()[0].verb, Verb::kRemove);
  EXPECT_THAT(store_.requests()[0].keys, ElementsAre("a", "b"));
  EXPECT_THAT(Run({"rm", "web"}).err, HasSubstr("removed local:web with all its versions"));
}

TEST_F(StoreVerbsTest, HistoryShowsVersionsNewestFirst) {
  reply_.history = {{4, WallTime(std::chrono::seconds(1'795'503'672)), 0, "rollback to 2", {{"key", 1704}}},
                    {3, WallTime(std::chrono::seconds(1'795'503'600)), 0, "put", {{"key", 5}, {"cert", 6}}}};
  EXPECT_EQ(Run({"history", "web"}).out,
            "VERSION  CREATED               BY    HOW            KEYS\n"
            "4        2026-11-24T07:01:12Z  root  rollback to 2  key (1.7 KiB)\n"
            "3        2026-11-24T07:00:00Z  root  put            key (5 B), cert (6 B)\n");
  EXPECT_THAT(
      Run({"history", "web", "-ojson"}).out,
      HasSubstr(
          R"({"version":3,"created":"2026-11-24T07:00:00Z","author":0,"note":"put","keys":[{"key":"key","size":5})"));
}

TEST_F(StoreVerbsTest, RollbackTakesAVersion) {
  reply_.versions = {9};
  EXPECT_EQ(Run({"rollback", "web", "2"}).out, "local:web  version 9\n");
  EXPECT_EQ(store_.requests()[0].version, 2u);
  for (const char* bad : {"0", "-1", "x", "2x", "99999999999999999999"})
    EXPECT_EQ(Run({"rollback", "web", "--", bad}).exit, 1) << bad;
}

TEST_F(StoreVerbsTest, ErrorsOfTheStoreHaveTheirOwnStatusAndAHint) {
  reply_.error = Error(ErrorKind::kLocked, "the store has no key yet");
  CliResult result = Run({"put", "x", "k=-"}, "canary");
  EXPECT_EQ(result.exit, 2);
  EXPECT_THAT(result.err, HasSubstr("leasefs: the store has no key yet\n"));
  EXPECT_THAT(result.err, HasSubstr("leasefs store unlock"));
  EXPECT_THAT(result.err, Not(HasSubstr("canary")));
  result = Run({"put", "x", "k=-", "-ojson"}, "canary");
  EXPECT_THAT(result.err,
              HasSubstr("{\"error\":{\"code\":\"locked\",\"message\":\"the store has no key yet\",\"hint\":"));
}

TEST_F(StoreVerbsTest, StatusShowsEachStore) {
  reply_.state = "open";
  reply_.figures = {.secrets = 2, .versions = 5, .generation = 9, .file_bytes = 4096};
  EXPECT_EQ(Run({"store", "status"}).out,
            "STORE  STATE  SECRETS  VERSIONS  SIZE\n"
            "local  open   2        5         4 KiB\n");
  EXPECT_EQ(Run({"store", "status", "-ojson"}).out,
            "{\"stores\":[{\"name\":\"local\",\"state\":\"open\",\"secrets\":2,\"versions\":5,\"generation\":9,\"file_"
            "bytes\":4096}]}\n");
  reply_.state = "locked: key file /k: No such file or directory; for a store, `leasefs store init` makes it";
  CliResult result = Run({"store", "status", "-b", "local"});
  EXPECT_THAT(result.out, HasSubstr("leasefs store init"));
  EXPECT_THAT(result.err, Not(HasSubstr("unlock"))) << "what to do depends on the key, so the store says it";
}

TEST_F(StoreVerbsTest, UnlockTakesThePassphraseFromStandardInput) {
  EXPECT_EQ(Run({"store", "unlock"}, "correct horse\n").exit, 0);
  EXPECT_EQ(store_.requests()[0].verb, Verb::kUnlock);
  EXPECT_EQ(store_.requests()[0].key.kind, StoreKey::Kind::kPassphrase);
  EXPECT_EQ(store_.requests()[0].key.bytes.ExposeText(), "correct horse");
  EXPECT_EQ(Run({"store", "unlock"}, "\n").exit, 1);
}

TEST_F(StoreVerbsTest, ABackupAppearsWholeAndOverwritesNothing) {
  store_.SetData({"SQLite", " format 3"});
  const std::string file = data_ / "backup.db";
  EXPECT_EQ(Run({"store", "backup", file, "-ojson"}).out,
            "{\"backend\":\"local\",\"file\":\"" + file + "\",\"bytes\":15}\n");
  EXPECT_EQ(ReadText(file), "SQLite format 3");
  struct stat info {};
  ASSERT_EQ(stat(file.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  const CliResult again = Run({"store", "backup", file});
  EXPECT_EQ(again.exit, 1);
  EXPECT_THAT(again.err, HasSubstr("exists already and is left as it is"));
}

TEST_F(StoreVerbsTest, ABackupThatFailsLeavesNothing) {
  store_.SetData({"part"});
  reply_.error = Error(ErrorKind::kRemote, "damaged");
  EXPECT_EQ(Run({"store", "backup", data_ / "backup.db"}).exit, 2);
  store_.SetData({});
  reply_.error.reset();
  EXPECT_EQ(Run({"store", "backup", data_ / "backup.db"}).exit, 2);  // an empty one is none
  EXPECT_NE(access((data_ / "backup.db").c_str(), F_OK), 0);
  EXPECT_EQ(Run({"store", "backup", data_ / "no/such/backup.db"}).exit, 1);
}

}  // namespace
}  // namespace leasefs::cli
