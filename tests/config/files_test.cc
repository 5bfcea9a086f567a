// Configuration on disk. What depends on owners is tried by root only, and says so otherwise.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "tests/config/config_cases.h"

namespace leasefs {
namespace {

namespace files = std::filesystem;

class ConfigFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "leasefs-config-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    main_ = directory_ + "/leasefs.toml";
    rules_.check_owner = geteuid() == 0;
  }
  void TearDown() override { files::remove_all(directory_); }

  std::string Write(const std::string& name, const std::string& text) {
    std::string path = directory_ + "/" + name;
    files::create_directories(files::path(path).parent_path());
    std::ofstream(path) << text;
    chmod(path.c_str(), 0644);
    return path;
  }
  Result<Config> Load() { return LoadConfig(main_, FakeAccounts(), rules_); }
  // The errors, with the test's directory written as "D".
  std::string Error() {
    Result<Config> config = Load();
    if (config.ok()) return "accepted";
    std::string text = config.error().message();
    for (size_t at; (at = text.find(directory_)) != std::string::npos;) text.replace(at, directory_.size(), "D");
    return text;
  }

  std::string directory_, main_;
  ConfigFileRules rules_;
};

TEST_F(ConfigFilesTest, DropInsAreReadInLexicalOrderAfterTheMainFile) {
  auto tree = [](const std::string& path) { return "[[tree]]\npath = \"" + path + "\"\nsource = \"local:\"\n"; };
  Write("leasefs.toml", kStore + tree("main"));
  Write("conf.d/9.toml", tree("nine"));
  Write("conf.d/10.toml", tree("ten"));
  Write("conf.d/B.toml", "[limits]\nnames = 99\n" + tree("capital"));
  Write("conf.d/a.toml", "[limits]\ndeadline = \"1s\"\n" + tree("small"));
  Write("conf.d/.hidden.toml", "garbage");
  Write("conf.d/readme.txt", "garbage");
  Write("conf.d/x.toml~", "garbage");
  Result<Config> config = Load();
  ASSERT_TRUE(config.ok()) << config.error().message();
  std::vector<std::string> paths;
  for (const TreeOptions& each : config->trees) paths.push_back(each.path);
  EXPECT_EQ(paths, (std::vector<std::string>{"main", "ten", "nine", "capital", "small"}));
  EXPECT_EQ(config->limits.names, 99u);
  EXPECT_EQ(config->limits.deadline, std::chrono::seconds(1));
  EXPECT_EQ(config->trees[1].where.file, directory_ + "/conf.d/10.toml");
}

TEST_F(ConfigFilesTest, ASettingGivenTwiceIsAnErrorThatNamesBothPlaces) {
  Write("leasefs.toml", "mount = \"/a\"\n[limits]\nnames = 50\n");
  Write("conf.d/a.toml", "\nmount = \"/b\"\nlimits.names = 50\n");
  Write("conf.d/b.toml", "audit.file = \"\"\n[backend.x]\nkey = { file = \"/k\" }\n");
  Write("conf.d/c.toml", "[audit]\nfile = \"\"\n[backend.x]\ntype = \"store\"\npath = \"/p\"\nkey.passphrase = true\n");
  EXPECT_EQ(Error(),
            "D/conf.d/a.toml:2:1: mount is given twice: it stands in D/leasefs.toml:1:9 too; keep one\n"
            "D/conf.d/a.toml:3:8: limits.names is given twice: it stands in D/leasefs.toml:3:9 too; keep one\n"
            "D/conf.d/c.toml:2:1: audit.file is given twice: it stands in D/conf.d/b.toml:1:14 too; keep one\n"
            "D/conf.d/c.toml:6:1: backend.x.key is given twice: it stands in D/conf.d/b.toml:3:7 too; keep one");
}

TEST_F(ConfigFilesTest, ErrorsOfAllFilesAreReportedTogether) {
  Write("leasefs.toml", "mont = 1\n[[tree]]\npath = \"a\"\nsource = \"vault:\"\n");
  Write("conf.d/1.toml", "x = \n");
  Write("conf.d/2.toml", "[[tree]]\npath = \"a/b\"\nsource = \"vault:\"\n");
  // The unknown backend is no error here: it may be in the file that cannot be read.
  EXPECT_EQ(Error(),
            "D/leasefs.toml:1:1: unknown key \"mont\": did you mean \"mount\"?\n"
            "D/conf.d/1.toml:1:5: not TOML, parsing key-value pair: expected value, saw '\\n': correct the line\n"
            "D/conf.d/2.toml:2:8: tree.path lies inside tree \"a\" (D/leasefs.toml:3:8): give it a path beside that "
            "tree");
}

TEST_F(ConfigFilesTest, ABackendMayComeFromAnotherFileThanItsTrees) {
  Write("leasefs.toml", "[[tree]]\npath = \"a\"\nsource = \"local:\"\n");
  Write("conf.d/backend.toml", kStore);
  EXPECT_EQ(Error(), "accepted");
}

TEST_F(ConfigFilesTest, WhatIsNoFile) {
  EXPECT_EQ(Error(), "D/leasefs.toml:1:1: cannot be opened (No such file or directory): create it, or name another "
                     "with "
                     "--config FILE");
  files::create_directory(main_);
  EXPECT_EQ(Error(), "D/leasefs.toml:1:1: is a directory: name a file");
  files::remove(main_);
  ASSERT_EQ(mkfifo(main_.c_str(), 0600), 0);
  EXPECT_EQ(Error(), "D/leasefs.toml:1:1: is a FIFO: name a file");
  main_ = "/dev/null";
  EXPECT_EQ(Error(), "/dev/null:1:1: is a device: name a file");
}

TEST_F(ConfigFilesTest, ALoopOfLinksAndAConfdThatIsAFile) {
  Write("leasefs.toml", "");
  Write("conf.d", "");
  EXPECT_EQ(Error(), "D/conf.d:1:1: cannot be opened (Not a directory): make it a directory");
  files::remove(directory_ + "/conf.d");
  files::remove(main_);
  files::create_symlink("leasefs.toml", main_);
  EXPECT_EQ(Error(), "D/leasefs.toml:1:1: cannot be opened (Too many levels of symbolic links): create it, or name "
                     "another with --config FILE");
}

TEST_F(ConfigFilesTest, TenGigabytesAreRefusedWithoutBeingRead) {
  const std::string too_large =
      "D/leasefs.toml:1:1: is larger than 1MiB: check that it is the right file, or split it over conf.d";
  Write("leasefs.toml", "");
  files::resize_file(main_, uintmax_t{10} << 30);  // sparse; reading it would take seconds
  auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(Error(), too_large);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(1));
  files::resize_file(main_, (1 << 20) + 1);
  EXPECT_EQ(Error(), too_large);
  Write("leasefs.toml", std::string(1 << 20, '#'));
  EXPECT_EQ(Error(), "accepted");
}

TEST_F(ConfigFilesTest, AFileNamedToConfuseIsPrintedSafely) {
  Write("leasefs.toml", "");
  Write("conf.d/\x1b[31m\n.toml", "x = 1\n");
  std::string error = Error();
  EXPECT_TRUE(error.starts_with("D/conf.d/\\x1b[31m\\x0a.toml:1:1: unknown key \"x\": ")) << error;
}

class ConfigOwnerTest : public ConfigFilesTest {
 protected:
  void SetUp() override {
    ConfigFilesTest::SetUp();
    if (geteuid() != 0) GTEST_SKIP() << "needs root, to make files of others";
  }
};

TEST_F(ConfigOwnerTest, AFileThatOthersMayWriteIsRefused) {
  Write("leasefs.toml", "");
  EXPECT_EQ(Error(), "accepted");
  for (mode_t mode : {0664, 0646, 0620, 0602}) {
    chmod(main_.c_str(), mode);
    EXPECT_EQ(Error(), "D/leasefs.toml:1:1: may be written by others than root: chmod go-w D/leasefs.toml");
  }
  chmod(main_.c_str(), 0644);
  ASSERT_EQ(chown(main_.c_str(), 1000, 0), 0);
  EXPECT_EQ(Error(), "D/leasefs.toml:1:1: belongs to uid 1000, not to root: chown root:root D/leasefs.toml");
  rules_.check_owner = false;
  EXPECT_EQ(Error(), "accepted");
}

TEST_F(ConfigOwnerTest, SoIsADropInAndADirectory) {
  Write("leasefs.toml", "");
  std::string drop_in = Write("conf.d/a.toml", "");
  chmod(drop_in.c_str(), 0666);
  EXPECT_EQ(Error(), "D/conf.d/a.toml:1:1: may be written by others than root: chmod go-w D/conf.d/a.toml");
  chmod(drop_in.c_str(), 0644);
  chmod((directory_ + "/conf.d").c_str(), 0777);
  EXPECT_EQ(Error(), "D/conf.d:1:1: may be written by others than root: chmod go-w D/conf.d");
  chmod((directory_ + "/conf.d").c_str(), 0755);
  chmod(directory_.c_str(), 01777);
  EXPECT_EQ(Error(), "D/leasefs.toml:1:1: its directory D may be written by others than root: chmod go-w D");
  chmod(directory_.c_str(), 0700);
  ASSERT_EQ(chown(directory_.c_str(), 1000, 1000), 0);
  EXPECT_EQ(Error(), "D/leasefs.toml:1:1: its directory D belongs to uid 1000, not to root: chown root:root D");
}

TEST_F(ConfigOwnerTest, LinksAreFollowedOnlyThroughRootsHands) {
  std::string real = Write("real/leasefs.toml", "");
  files::create_symlink("real/leasefs.toml", main_);
  EXPECT_EQ(Error(), "accepted");
  ASSERT_EQ(lchown(main_.c_str(), 1000, 1000), 0);
  EXPECT_EQ(Error(), "D/leasefs.toml:1:1: the symbolic link D/leasefs.toml belongs to uid 1000, not to root: chown -h "
                     "root:root D/leasefs.toml");
  ASSERT_EQ(lchown(main_.c_str(), 0, 0), 0);
  chmod((directory_ + "/real").c_str(), 0777);
  EXPECT_EQ(Error(), "D/leasefs.toml:1:1: its directory D/real may be written by others than root: chmod go-w D/real");
  chmod((directory_ + "/real").c_str(), 0755);
  // By way of a link in somebody's directory.
  files::create_directory(directory_ + "/home");
  files::remove(main_);
  files::create_symlink(real, directory_ + "/home/link");
  files::create_symlink("home/link", main_);
  EXPECT_EQ(Error(), "accepted");
  ASSERT_EQ(chown((directory_ + "/home").c_str(), 1000, 1000), 0);
  EXPECT_EQ(Error(), "D/leasefs.toml:1:1: its directory D/home belongs to uid 1000, not to root: chown root:root "
                     "D/home");
}

TEST_F(ConfigOwnerTest, FilesOfAVaultAreLookedAtWhenAsked) {
  Write("leasefs.toml", "[backend.x]\ntype = \"vault\"\naddress = \"https://h\"\nca_file = \"" + directory_ +
                            "/ca.pem\"\nauth = { method = \"approle\", role_id = \"r\", secret_id = { file = \"" +
                            directory_ + "/secret-id\" } }\n");
  const auto has = [](const std::string& words) { return testing::Contains(testing::HasSubstr(words)); };
  EXPECT_THAT(Load()->warnings, testing::Not(has("ca.pem")));
  rules_.key_files = KeyFileCheck::kAll;
  EXPECT_THAT(Load()->warnings, has("leasefs.toml:4:11: " + directory_ + "/ca.pem cannot be read"));
  EXPECT_THAT(Load()->warnings, has("leasefs.toml:5:8: " + directory_ + "/secret-id cannot be read"));
  Write("ca.pem", "");
  Write("secret-id", "");
  chmod((directory_ + "/ca.pem").c_str(), 0644);
  chmod((directory_ + "/secret-id").c_str(), 0644);
  EXPECT_THAT(Load()->warnings, testing::Not(has("ca.pem")));
  EXPECT_THAT(Load()->warnings, has("/secret-id is open to everybody: chmod o-rwx"));
  chmod((directory_ + "/ca.pem").c_str(), 0666);
  chmod((directory_ + "/secret-id").c_str(), 0600);
  EXPECT_THAT(Load()->warnings, has("/ca.pem is open to everybody"));
  EXPECT_THAT(Load()->warnings, testing::Not(has("secret-id")));
}

TEST_F(ConfigOwnerTest, KeyFilesAreLookedAtWhenAsked) {
  std::string key = directory_ + "/store.key";
  Write("leasefs.toml", "[backend.x]\ntype = \"store\"\npath = \"/p\"\nkey = { file = \"" + key + "\" }\n");
  EXPECT_EQ(Error(), "accepted");
  rules_.key_files = KeyFileCheck::kAll;
  EXPECT_EQ(Error(), "accepted") << "the store may not be made yet";
  EXPECT_THAT(Load()->warnings,
              testing::Contains(testing::HasSubstr("leasefs.toml:4:7: key file " + key + " is not there")));
  rules_.key_files = KeyFileCheck::kUnusable;
  EXPECT_THAT(Load()->warnings, testing::Not(testing::Contains(testing::HasSubstr("key file"))));
  Write("store.key", "");
  EXPECT_EQ(Error(), "D/leasefs.toml:4:7: key file D/store.key is open to others than root: chown root:root "
                     "D/store.key "
                     "and chmod 0400 D/store.key");
  chmod(key.c_str(), 0400);
  EXPECT_EQ(Error(), "accepted");
  files::remove(key);
  files::create_directory(key);
  EXPECT_EQ(Error(), "D/leasefs.toml:4:7: key file D/store.key is a directory: name a file");
}

}  // namespace
}  // namespace leasefs
