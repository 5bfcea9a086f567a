// Forms of trees, and [[file]] (S7).
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "fs/config/config_codec.h"
#include "tests/config/config_cases.h"

namespace leasefs {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Below kStoreAndTree: the header is line 10, path 11, template 12, secrets 13.
std::string File(const std::string& path, const std::string& text, const std::string& secrets) {
  return "[[file]]\npath = \"" + path + "\"\ntemplate = '" + text + "'\nsecrets = { " + secrets + " }\n";
}
const std::string kGood = File("app/conf", "{{ db.password | url }}", "db = \"web/db\"");

TEST(FileSectionTest, S7_AFileIsReadWithAllThatATreeCanSayOfFiles) {
  auto config = ParseConfig(kStoreAndTree + kGood + R"(owner = "alice"
group = 7
mode = "0440"
hidden = true
page_cache = false
errors = "posix"
[[allow]]
path = "app/conf"
user = "alice"
[[allow]]
path = "web/**"
user = "alice"
)",
                            "c", FakeAccounts());
  ASSERT_TRUE(config.ok()) << config.error().message();
  EXPECT_THAT(config->warnings, IsEmpty());
  ASSERT_EQ(config->files.size(), 1u);
  auto decoded = DecodeForFs(EncodeForFs(*config).Expose());
  ASSERT_TRUE(decoded.ok());
  for (const FileOptions& file : {config->files[0], decoded->files.at(0)}) {
    EXPECT_EQ(file.path, "app/conf");
    EXPECT_EQ(file.text, "{{ db.password | url }}");
    ASSERT_EQ(file.secrets.size(), 1u);
    EXPECT_EQ(file.secrets[0].alias, "db");
    EXPECT_EQ(file.secrets[0].path, "web/db");
    EXPECT_TRUE(file.owner);
    EXPECT_EQ(file.group, 7u);
    EXPECT_EQ(file.mode, mode_t{0440});
    EXPECT_TRUE(file.hidden);
    EXPECT_FALSE(file.page_cache);
    EXPECT_EQ(file.errors, ErrnoStyle::kPosix);
    EXPECT_EQ(file.where.line, 10u);
  }
  // Nothing of it is fixed at the start of a process.
  EXPECT_THAT(NotReloadable(*ParseConfig(kStoreAndTree, "c", FakeAccounts()), *config), IsEmpty());
}

TEST(FileSectionTest, TheCodecRefusesWhatTheReaderCannotHaveMade) {
  auto refused = [](auto change) {
    Config config = *ParseConfig(kStoreAndTree + kGood, "c", FakeAccounts());
    change(config.files[0]);
    return !DecodeForFs(EncodeForFs(config).Expose()).ok();
  };
  EXPECT_FALSE(refused([](FileOptions&) {}));
  EXPECT_TRUE(refused([](FileOptions& file) { file.text = "{{"; }));
  EXPECT_TRUE(refused([](FileOptions& file) { file.path = "/x"; }));
  EXPECT_TRUE(refused([](FileOptions& file) { file.secrets[0].alias = "a b"; }));
  EXPECT_TRUE(refused([](FileOptions& file) { file.secrets[0].path = ""; }));
  EXPECT_TRUE(refused([](FileOptions& file) { file.secrets.resize(33, file.secrets[0]); }));
  EXPECT_TRUE(refused([](FileOptions& file) { file.mode = 0600; }));
}

TEST(FileSectionTest, S7_FormsOfATree) {
  auto forms = [](const std::string& text) {
    auto config = ParseConfig(kStoreAndTree + ("forms = " + text + "\n"), "c", FakeAccounts());
    if (!config.ok()) return config.error().message();
    auto decoded = DecodeForFs(EncodeForFs(*config).Expose());
    const FormOptions& read = decoded->trees[0].forms;
    return std::string(read.keys ? "k" : "") + (read.json ? "j" : "") + (read.env ? "e" : "");
  };
  EXPECT_EQ(forms("[\"keys\"]"), "k");
  EXPECT_EQ(forms("[\"env\", \"keys\", \"json\"]"), "kje");
  EXPECT_EQ(forms("[\"json\"]"), "j");
  const std::string remedy = ": write some of \"keys\", \"json\" and \"env\"";
  EXPECT_EQ(forms("[]"), "c:10:9: tree.forms is empty and would show nothing" + remedy);
  EXPECT_EQ(forms("\"json\""), "c:10:9: tree.forms is a string, not an array" + remedy);
  EXPECT_EQ(forms("[\"yaml\"]"), "c:10:10: tree.forms names the unknown form \"yaml\"" + remedy);
  EXPECT_EQ(forms("[\"env\", \"env\"]"), "c:10:17: tree.forms names \"env\" twice: remove one");
}

TEST(FileSectionTest, WhatIsMissingOrWrong) {
  const std::string name_secrets = ": name the secrets' directories, such as secrets = { db = \"payments/db\" }";
  const std::string give_text = ": give template = \"TEXT\" or template_file = \"/PATH\"";
  ExpectErrors(
      {{"[[file]]\npath = \"a\"\nsecrets = {}\n", "c:10:1: file has no template" + give_text},
       {"[[file]]\npath = \"a\"\ntemplate = \"\"\ntemplate_file = \"/t\"\nsecrets = {}\n",
        "c:10:1: file has a template and a template_file" + give_text},
       {"[[file]]\ntemplate = \"\"\nsecrets = {}\n",
        "c:10:1: file.path is missing: say where on the mount the file is, such as path = \"app/pgpass\""},
       {"[[file]]\npath = \"a\"\ntemplate = \"\"\n", "c:10:1: file.secrets is missing" + name_secrets},
       {"[[file]]\npath = \"a\"\ntemplate = \"\"\nsecrets = 5\n",
        "c:13:11: file.secrets is an integer, not a table" + name_secrets},
       {File("a", "", "\"a b\" = \"web/x\""),
        "c:13:13: file.secrets has the alias \"a b\": use 1 to 64 of A-Z a-z 0-9 _ -"},
       {File("a", "", "x = \"/web\""),
        "c:13:17: file.secrets.x starts with \"/\": write it relative to the mount, without the first \"/\""},
       {File("a", "", "x = \"wbe/db\""),
        "c:13:17: file.secrets.x names \"wbe/db\", which no tree shows: give the path of a secret's directory on the "
        "mount"},
       {File("a", "{{ x.k }}{{ y.k }}", "x = \"web/db\", y = \"web/db\""),
        "c:13:31: file.secrets.y is that of x: use one of them"}},
      kStoreAndTree);
}

TEST(FileSectionTest, APlaceOfItsOwn) {
  const std::string own = ": give the file a name of its own";
  ExpectErrors({{File("web", "", ""), "c:11:8: file.path has tree \"web\" (c:7:8) at or below it" + own},
                {File("x", "", "") + File("x", "", ""),
                 "c:15:8: file.path is at or below that of file \"x\" (c:11:8): give each file a place of its own"},
                {File("x", "", "") + File("x/y", "", ""),
                 "c:15:8: file.path is at or below that of file \"x\" (c:11:8): give each file a place of its own"},
                {File("x/y", "", "") + File("x/z", "", "") + File("web/db/conf", "", ""), "accepted"},
                {"forms = [\"env\"]\n" + File("web/db/.env", "", ""),
                 "c:12:8: file.path is that of a form of tree \"web\" (c:7:8)" + own + ", or remove the form"},
                {"forms = [\"env\"]\n" + File("web/db/.json", "", ""), "accepted"}},
               kStoreAndTree);
}

TEST(FileSectionTest, S7_S15_WhatHasOneForEachReaderHasNoFormsAndGoesIntoNoFile) {
  ExpectErrors({{"lease_scope = \"uid\"\nforms = [\"keys\", \"env\"]\n",
                 "c:7:8: tree \"web\" has both lease_scope and forms: a form is one for all its readers: remove one of "
                 "the two"},
                {"lease_scope = \"uid\"\n" + File("a", "", "db = \"web/db\""),
                 "c:14:18: file.secrets.db is of a tree with lease_scope: a file is one for all its readers: name a "
                 "secret of a tree without it"}},
               "[backend.v]\ntype = \"vault\"\naddress = \"https://x\"\nauth = { method = \"token\", token = { file = "
               "\"/t\" } }\n\n[[tree]]\npath = \"web\"\nsource = \"v:web\"\n\n");
}

TEST(FileSectionTest, S7_ATemplateIsCheckedWhenTheConfigurationIsLoaded) {
  ExpectErrors(
      {{File("a", "x {{ db.k | jsn }}", "db = \"web/db\""),
        "c:12:12: file.template, line 1, column 13 of it, names the unknown filter \"jsn\": did you mean "
        "\"json\"?"},
       {File("a", "{{ dv.k }}", "db = \"web/db\""),
        "c:12:12: file.template, line 1, column 1 of it, names the unknown secret \"dv\": did you mean "
        "\"db\"?"},
       {File("a", "{{ x.k }}", ""),
        "c:12:12: file.template, line 1, column 1 of it, names the unknown secret \"x\": name it in secrets"},
       {File("a", std::string(65537, 'x'), ""), "c:12:12: file.template is 65537 bytes long: give at most 65536"}},
      kStoreAndTree);
}

TEST(FileSectionTest, Warnings) {
  auto config = ParseConfig(kStoreAndTree + File("web/db/x", "", "db = \"web/db\"") +
                                "[[allow]]\npath = \"web/db\"\nuser = \"alice\"\n[[allow]]\npath = "
                                "\"elsewhere\"\nuser=\"alice\"\n" +
                                File("elsewhere", "", ""),
                            "c", FakeAccounts());
  ASSERT_TRUE(config.ok()) << config.error().message();
  EXPECT_THAT(
      config->warnings,
      testing::Contains("c:11:8: no rule opens the file \"web/db/x\": add an [[allow]] with path = \"web/db/x\""));
  EXPECT_THAT(config->warnings, testing::Contains("c:13:18: the template does not use file.secrets.db: remove it"));
  for (const std::string& warning : config->warnings)
    EXPECT_EQ(warning.find("elsewhere"), std::string::npos) << warning;
}

class TemplateFileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "leasefs-template-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    Write("c.toml", std::string(kStoreAndTree) + "[[file]]\npath = \"a\"\ntemplate_file = \"" + directory_ +
                        "/t\"\nsecrets = { db = \"web/db\" }\n");
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  void Write(const std::string& name, const std::string& text) {
    std::string path = directory_ + "/" + name;
    std::ofstream(path) << text;
    chmod(path.c_str(), 0644);
  }
  // The template's text, or the errors with the test's directory written as "D".
  std::string Load() {
    auto config = LoadConfig(directory_ + "/c.toml", FakeAccounts(), {.check_owner = geteuid() == 0});
    if (config.ok()) return config->files.at(0).text;
    std::string text = config.error().message();
    for (size_t at; (at = text.find(directory_)) != std::string::npos;) text.replace(at, directory_.size(), "D");
    return text;
  }

  std::string directory_;
};

TEST_F(TemplateFileTest, S7_ATemplateIsReadWithTheConfigurationAndItsErrorsHaveItsLines) {
  Write("t", "a\n{{ db.k }}\n");
  EXPECT_EQ(Load(), "a\n{{ db.k }}\n");
  Write("t", "a\n {{ db.k | x }}\n{{ d.k }}");
  EXPECT_EQ(Load(),
            "D/t:2:12: the template names the unknown filter \"x\": there are base64, json, pgpass, raw, shell, "
            "trim, url");
  Write("t", "\n{{ db2.k }}");
  EXPECT_EQ(Load(), "D/t:2:1: the template names the unknown secret \"db2\": did you mean \"db\"?");
  std::filesystem::remove(directory_ + "/t");
  EXPECT_EQ(Load(),
            "D/t:1:1: cannot be opened (No such file or directory): create it, or correct template_file at "
            "D/c.toml:12:17");
  Write("t", std::string(65537, 'x'));
  EXPECT_EQ(Load(), "D/t:1:1: is larger than 64KiB: check that it is the right file");
}

TEST_F(TemplateFileTest, ATemplateThatOthersMayWriteIsRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  Write("t", "x");
  chmod((directory_ + "/t").c_str(), 0666);
  EXPECT_EQ(Load(), "D/t:1:1: may be written by others than root: chmod go-w D/t");
}

}  // namespace
}  // namespace leasefs
