// `leasefs import`, and the directories that it reads.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "fs/cli/import_source.h"
#include "tests/cli/run_cli.h"
#include "tests/cli/scripted_peer.h"

namespace leasefs::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class ImportTest : public testing::Test {
 protected:
  ImportTest() {
    store_.emplace(run_ / "store-local.sock", [](store_admin::AdminRequest& request) {
      store_admin::AdminReply reply;
      for (size_t i = 0; i < request.puts.size(); ++i) reply.versions.push_back(1);
      return reply;
    });
  }
  CliResult Import(std::vector<std::string> words, std::string standard_input = "") {
    words.insert(words.begin(), {"--socket-dir", run_.path(), "import"});
    return RunCli(words, {.standard_input = std::move(standard_input), .environment = {}});
  }
  // "path/key=value" of everything that the store was sent.
  std::vector<std::string> Sent() {
    std::vector<std::string> out;
    for (const store_admin::AdminRequest& request : store_->requests()) {
      for (const Store::Put& put : request.puts) {
        for (const protocol::Field& field : put.fields)
          out.push_back(put.secret + "/" + field.key + "=" + std::string(field.value.ExposeText()));
      }
    }
    return out;
  }

  TempDirectory run_;
  TempDirectory data_;
  std::optional<ScriptedStore> store_;
};

TEST_F(ImportTest, TakesADotenv) {
  const CliResult result = Import({data_.Write("web.env", "A=1\nB='two'\n"), "--to", "web/app"});
  EXPECT_EQ(result.exit, 0) << result.err;
  EXPECT_THAT(Sent(), ElementsAre("web/app/A=1", "web/app/B=two"));
  EXPECT_THAT(result.err, HasSubstr("imported 2 keys of 1 secret"));
  EXPECT_EQ(store_->requests()[0].verb, store_admin::Verb::kImport);
  EXPECT_FALSE(store_->requests()[0].puts[0].replace);
}

TEST_F(ImportTest, TakesJsonAndReplaces) {
  const CliResult result = Import(
      {data_.Write("s.json", R"({"db": {"user": "u"}, "web/tls": {"key": "k"}})"), "--to=local:prod", "--replace"});
  EXPECT_EQ(result.exit, 0) << result.err;
  EXPECT_THAT(Sent(), ElementsAre("prod/db/user=u", "prod/web/tls/key=k"));
  EXPECT_TRUE(store_->requests()[0].puts[0].replace);
}

TEST_F(ImportTest, TakesStandardInputByItsContent) {
  EXPECT_EQ(Import({"-", "--to", "a"}, " {\"k\": 1.10}").exit, 0);
  EXPECT_EQ(Import({"-", "--to", "b"}, "K=v\n").exit, 0);
  EXPECT_EQ(Import({"-", "--to", "c", "--format", "env"}, "K={\n").exit, 0);
  EXPECT_THAT(Sent(), ElementsAre("a/k=1.10", "b/K=v", "c/K={"));
}

TEST_F(ImportTest, TakesADirectory) {
  data_.Write("in/top", "t\n");
  data_.Write("in/db/password", std::string("p\0q", 3));
  data_.Write("in/web/tls/key", "");
  EXPECT_EQ(Import({data_ / "in", "--to", "x"}).exit, 0);
  EXPECT_THAT(Sent(), ElementsAre("x/top=t\n", std::string("x/db/password=p\0q", 17), "x/web/tls/key="));
}

TEST_F(ImportTest, ADryRunChangesNothing) {
  CliResult result = Import({data_.Write("s.json", R"({"db": {"user": "canary"}})"), "--dry-run"});
  EXPECT_EQ(result.exit, 0);
  EXPECT_THAT(result.out, HasSubstr("db      user  6 B\n"));
  EXPECT_THAT(result.err, HasSubstr("would import 1 key of 1 secret"));
  result = Import({data_ / "s.json", "--dry-run", "-ojson"});
  EXPECT_EQ(result.out,
            "{\"dry_run\":true,\"secrets\":[{\"path\":\"db\",\"keys\":[{\"key\":\"user\",\"size\":6}]}]}\n");
  EXPECT_THAT(Sent(), ElementsAre());
}

TEST_F(ImportTest, ErrorsNameThePlaceAndNothingIsSent) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{data_.Write("bad.env", "A=1\nB='canary\n"), "--to", "x"}, "bad.env:2:3: this quote is never closed"},
      {{data_.Write("bad.json", "{\"a\": canary}"), "--to", "x"}, "bad.json:1:7: this is not a JSON value"},
      {{data_.Write("flat.json", R"({"a": "canary"})")}, "some keys would belong to no secret"},
      {{data_.Write("empty.env", "# nothing\n"), "--to", "x"}, "there is nothing to import"},
      {{data_ / "absent.env", "--to", "x"}, "No such file"},
      {{data_ / "bad.env", "--to", "x", "--format", "yaml"}, "there is no format 'yaml'"},
      {{data_ / "bad.env", "--to", "x", "--format", "dir"}, "is not a directory"},
      {{data_ / "bad.env", "--to", "/x"}, "begins with a slash"},
  };
  for (const auto& [words, message] : cases) {
    const CliResult result = Import(words);
    EXPECT_EQ(result.exit, 1) << message;
    EXPECT_THAT(result.err, HasSubstr(message));
    EXPECT_THAT(result.err, Not(HasSubstr("canary")));
  }
  EXPECT_THAT(Sent(), ElementsAre());
}

TEST_F(ImportTest, LinksPipesAndHugeFilesAreRefusedByName) {
  data_.Write("in/good", "g");
  ASSERT_EQ(symlink("/etc/shadow", (data_ / "in/link").c_str()), 0);
  EXPECT_THAT(Import({data_ / "in", "--to", "x"}).err, HasSubstr("in/link: a symbolic link is not followed"));
  unlink((data_ / "in/link").c_str());
  ASSERT_EQ(symlink("/etc", (data_ / "in/folder").c_str()), 0);
  EXPECT_THAT(Import({data_ / "in", "--to", "x"}).err, HasSubstr("in/folder: a symbolic link is not followed"));
  unlink((data_ / "in/folder").c_str());
  ASSERT_EQ(mkfifo((data_ / "in/pipe").c_str(), 0600), 0);
  EXPECT_THAT(Import({data_ / "in", "--to", "x"}).err, HasSubstr("in/pipe: neither a file nor a directory"));
  unlink((data_ / "in/pipe").c_str());
  data_.Write("in/huge", "");
  ASSERT_EQ(truncate((data_ / "in/huge").c_str(), (4 << 20) + 1), 0);
  EXPECT_THAT(Import({data_ / "in", "--to", "x"}).err, HasSubstr("in/huge: more than 4194304 bytes"));
  EXPECT_THAT(Sent(), ElementsAre());
}

TEST_F(ImportTest, AFileThatBecameALinkAfterTheScanIsNotFollowed) {
  data_.Write("in/db/password", "p");
  auto source = OpenDirectory(data_ / "in");
  ASSERT_TRUE(source.ok());
  unlink((data_ / "in/db/password").c_str());
  ASSERT_EQ(symlink("/etc/shadow", (data_ / "in/db/password").c_str()), 0);
  EXPECT_FALSE(source.value()->Take(0).ok());
  unlink((data_ / "in/db/password").c_str());
  ASSERT_EQ(rmdir((data_ / "in/db").c_str()), 0);
  ASSERT_EQ(symlink("/etc", (data_ / "in/db").c_str()), 0);
  EXPECT_FALSE(source.value()->Take(0).ok());
}

TEST_F(ImportTest, NestingOfDirectoriesIsBounded) {
  std::string deep = "in";
  for (int i = 0; i < 40; ++i) deep += "/d";
  data_.Write(deep + "/f", "x");
  EXPECT_THAT(Import({data_ / "in", "--to", "x"}).err, HasSubstr("nested deeper than 32"));
}

TEST_F(ImportTest, WhatDoesNotFitIntoOneRequestGoesInSeveral) {
  for (int i = 0; i < 9; ++i) {
    const std::string name = "in/s" + std::to_string(i) + "/v";
    data_.Write(name, "");
    ASSERT_EQ(truncate((data_ / name).c_str(), 4 << 20), 0);
  }
  const CliResult result = Import({data_ / "in", "-ojson"});
  EXPECT_EQ(result.exit, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("too much for one request: 2 requests"));
  EXPECT_EQ(result.out,
            "{\"backend\":\"local\",\"secrets\":9,\"keys\":9,\"bytes\":37748736,\"requests\":2,\"applied\":true}\n");
  ASSERT_EQ(store_->requests().size(), 2u);
  EXPECT_EQ(store_->requests()[0].puts.size() + store_->requests()[1].puts.size(), 9u);
}

TEST_F(ImportTest, OnATerminalItShowsHowFarItIsAlsoWithinOneRequest) {
  std::vector<std::string> words = {"--socket-dir", run_.path(), "import", data_ / "in"};
  for (int i = 0; i < 8; ++i) data_.Write("in/s" + std::to_string(i) + "/v", "v");
  const UniqueFd master(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  ASSERT_TRUE(master.valid() && grantpt(master.get()) == 0 && unlockpt(master.get()) == 0);
  const UniqueFd terminal(open(ptsname(master.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
  Invocation invocation;
  invocation.words = words;
  invocation.descriptors = {terminal.get(), terminal.get(), terminal.get()};
  invocation.environment = [](const std::string&) { return std::optional<std::string>(); };
  EXPECT_EQ(cli::Run(invocation), 0);
  std::string shown(4096, '\0');
  shown.resize(static_cast<size_t>(std::max<ssize_t>(read(master.get(), shown.data(), shown.size()), 0)));
  EXPECT_THAT(shown, HasSubstr("]  1/8"));
  EXPECT_THAT(shown, Not(HasSubstr("]  0/8")));
}

TEST_F(ImportTest, AStoresErrorSaysHowMuchWasImported) {
  store_.reset();
  unlink((run_ / "store-local.sock").c_str());
  store_.emplace(run_ / "store-local.sock", [](store_admin::AdminRequest&) {
    store_admin::AdminReply reply;
    reply.error = Error(ErrorKind::kTooLarge, "db/user has more than 1048576 bytes");
    return reply;
  });
  const CliResult result = Import({data_.Write("s.json", R"({"db": {"user": "u"}})")});
  EXPECT_EQ(result.exit, 2);
  EXPECT_THAT(result.err, HasSubstr("db/user has more than 1048576 bytes; nothing was imported"));
  EXPECT_THAT(result.err, HasSubstr("limits.value"));
}

}  // namespace
}  // namespace leasefs::cli
