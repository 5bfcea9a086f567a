// The command and the store's own server together, over a real socket; only fs is not there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "backend/server.h"
#include "backend/store/admin_server.h"
#include "backend/store/store_backend.h"
#include "fs/cli/key_file.h"
#include "tests/cli/run_cli.h"

namespace leasefs::cli {
namespace {

using testing::HasSubstr;

UniqueFd Listen(const std::string& path) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size());
  unlink(path.c_str());
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(fd.get(), 8) != 0)
    std::abort();
  return fd;
}

// What a store process is, on a thread. The key comes from the file, as at each start.
class StoreProcess {
 public:
  StoreProcess(const std::string& socket, const std::string& store, const std::string& key_file)
      : loop_(std::move(FdLoop::Create()).value()) {
    backend_ = std::make_unique<StoreBackend>(*loop_, StoreBackend::Options{"local", store, {}});
    fs_ = std::make_unique<BackendServer>(*loop_, *backend_, ServerOptions{});
    AdminOptions options;
    options.audit_required = false;
    admin_ = std::move(AdminServer::Create(*loop_, Listen(socket), *backend_, *fs_, options)).value();
    if (auto key = ReadKeyFile(key_file); key.ok()) {
      (void)backend_->TryOpen({StoreKey::Kind::kRaw, std::move(*key)}).ok();
    }
    thread_ = std::thread([this] { loop_->Run(); });
  }
  ~StoreProcess() {
    loop_->Stop();
    thread_.join();
  }
  StoreProcess(const StoreProcess&) = delete;
  StoreProcess& operator=(const StoreProcess&) = delete;

 private:
  std::unique_ptr<FdLoop> loop_;
  std::unique_ptr<StoreBackend> backend_;
  std::unique_ptr<BackendServer> fs_;
  std::unique_ptr<AdminServer> admin_;
  std::thread thread_;
};

class RealStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root: values are shown to root only";
    chmod(directory_.path().c_str(), 0755);
    directory_.Write("leasefs.toml",
                     "run_directory = \"" + directory_.path() +
                         "\"\nbackend_user = \"nobody\"\n[backend.local]\ntype = \"store\"\npath = \"" + store_ +
                         "\"\nkey = { file = \"" + key_ + "\" }\n",
                     0644);
    ASSERT_EQ(Run({"store", "init"}).exit, 0);
    Restart();
  }
  void Restart() {
    process_.reset();
    process_.emplace(directory_ / "store-local.sock", store_, key_);
  }
  CliResult Run(std::vector<std::string> words, std::string standard_input = "") {
    words.insert(words.begin(), {"--config", directory_ / "leasefs.toml"});
    return RunCli(words, {.standard_input = std::move(standard_input), .environment = {}});
  }

  TempDirectory directory_;
  const std::string store_ = directory_ / "lib/store.db";
  const std::string key_ = directory_ / "store.key";
  std::optional<StoreProcess> process_;
};

TEST_F(RealStoreTest, WhatIsPutComesBackAndHistoryIsKept) {
  const std::string value("one\0\xff\n", 6);
  CliResult result = Run({"put", "web/tls", "key=-"}, value);
  ASSERT_EQ(result.exit, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("has not confirmed"));  // there is no fs
  EXPECT_EQ(Run({"put", "web/tls", "cert=-"}, "c").exit, 0);
  EXPECT_EQ(Run({"get", "web/tls", "key"}).out, value);
  EXPECT_THAT(Run({"get", "web/tls"}).out, HasSubstr("cert  1 B"));
  EXPECT_EQ(Run({"put", "web/tls", "--replace", "key=-"}, "two").exit, 0);
  EXPECT_EQ(Run({"get", "web/tls", "cert"}).exit, 2);
  EXPECT_EQ(Run({"rollback", "local:web/tls", "2"}).out, "local:web/tls  version 4\n");
  EXPECT_EQ(Run({"get", "web/tls", "key"}).out, value);
  EXPECT_THAT(Run({"history", "web/tls"}).out, HasSubstr("rollback to 2"));
  EXPECT_EQ(Run({"ls"}).out, "web/\n");
  EXPECT_EQ(Run({"ls", "-r"}).out, "web/tls\n");
  EXPECT_EQ(Run({"rm", "web/tls", "cert"}).exit, 0);
  EXPECT_EQ(Run({"rm", "web/tls"}).exit, 0);
  EXPECT_EQ(Run({"get", "web/tls"}).exit, 2);
  EXPECT_THAT(Run({"store", "status"}).out, HasSubstr("local  open   0"));
}

TEST_F(RealStoreTest, AnImportIsAllOrNothing) {
  const std::string good = directory_.Write("good.json", R"({"a": {"k": "1"}, "b": {"k": 1.10, "l": [true, null]}})");
  ASSERT_EQ(Run({"import", good, "--to", "in"}).exit, 0);
  EXPECT_EQ(Run({"get", "in/b", "l"}).out, "[true,null]");
  EXPECT_EQ(Run({"get", "in/b", "k"}).out, "1.10");
  const std::string too_large = "{\"c\": {\"k\": \"1\"}, \"d\": {\"k\": \"" + std::string(5 << 20, 'x') + "\"}}";
  EXPECT_EQ(Run({"import", directory_.Write("bad.json", too_large), "--to", "in"}).exit, 1);
  EXPECT_EQ(Run({"ls", "-r"}).out, "in/a\nin/b\n");
}

TEST_F(RealStoreTest, ABackupOpensWithTheKey) {
  ASSERT_EQ(Run({"put", "a", "k=-"}, "v").exit, 0);
  ASSERT_EQ(Run({"store", "backup", directory_ / "backup.db"}).exit, 0);
  ASSERT_EQ(Run({"put", "a", "k=-"}, "newer").exit, 0);
  process_.reset();
  ASSERT_EQ(rename((directory_ / "backup.db").c_str(), store_.c_str()), 0);
  unlink((store_ + "-wal").c_str());
  unlink((store_ + "-shm").c_str());
  Restart();
  EXPECT_EQ(Run({"get", "a", "k"}).out, "v");
}

TEST_F(RealStoreTest, ARekeyLeavesOneKeyThatOpens) {
  ASSERT_EQ(Run({"put", "a", "k=-"}, "v").exit, 0);
  const std::string old = ReadText(key_);
  const CliResult result = Run({"store", "rekey"});
  ASSERT_EQ(result.exit, 0) << result.err;
  Restart();
  EXPECT_EQ(Run({"get", "a", "k"}).out, "v");
  directory_.Write("store.key", old, 0400);
  Restart();
  EXPECT_EQ(Run({"get", "a", "k"}).exit, 2);
  EXPECT_THAT(Run({"store", "status"}).out, HasSubstr("locked"));
}

TEST_F(RealStoreTest, ARekeyThatWasInterruptedGoesOnAfterARestart) {
  ASSERT_EQ(Run({"put", "a", "k=-"}, "v").exit, 0);
  // As a rekey leaves it that ended behind its first step: the new key is there, and opens the store too.
  auto loop = std::move(FdLoop::Create()).value();
  ASSERT_TRUE(MakeKeyFileAt(key_ + ".new", loop->random()).ok());
  ASSERT_EQ(Run({"store", "rekey", "--key-file", key_ + ".new", "--resume"}).exit, 0);  // adds it, and no more
  Restart();
  EXPECT_EQ(Run({"get", "a", "k"}).out, "v");
  EXPECT_EQ(Run({"store", "rekey"}).exit, 1);
  const CliResult result = Run({"store", "rekey", "--resume"});
  ASSERT_EQ(result.exit, 0) << result.err;
  EXPECT_FALSE(Exists(key_ + ".new"));
  Restart();
  EXPECT_EQ(Run({"get", "a", "k"}).out, "v");
}

TEST_F(RealStoreTest, APassphraseTakesOverFromAKeyFile) {
  ASSERT_EQ(Run({"put", "a", "k=-"}, "v").exit, 0);
  ASSERT_EQ(Run({"store", "rekey", "--passphrase"}, "correct horse\n").exit, 0);
  ASSERT_EQ(rename(key_.c_str(), (directory_ / "old.key").c_str()), 0);
  Restart();
  EXPECT_EQ(Run({"get", "a", "k"}).exit, 2);
  ASSERT_EQ(Run({"store", "unlock"}, "correct horse\n").exit, 0);
  ASSERT_EQ(Run({"store", "rekey", "--finish", "--yes"}).exit, 0);
  EXPECT_EQ(Run({"get", "a", "k"}).out, "v");
  ASSERT_EQ(rename((directory_ / "old.key").c_str(), key_.c_str()), 0);
  Restart();
  EXPECT_EQ(Run({"get", "a", "k"}).exit, 2);
}

}  // namespace
}  // namespace leasefs::cli
