#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/config/config_cases.h"

namespace leasefs {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> WarningsOf(const std::string& text) {
  Result<Config> config = ParseConfig(text, "c", FakeAccounts());
  if (config.ok()) return config->warnings;
  return {"refused: " + config.error().message()};
}

std::string Allow(const std::string& path) { return "[[allow]]\npath = \"" + path + "\"\nuser = \"alice\"\n"; }

TEST(ConfigWarningTest, NoneForWhatIsUseful) {
  EXPECT_THAT(WarningsOf(kStoreAndTree + Allow("web/**")), IsEmpty());
  EXPECT_THAT(WarningsOf(kStoreAndTree + Allow("web/cert/tls-*")), IsEmpty());
  EXPECT_THAT(WarningsOf(kStoreAndTree + Allow("*/cert/key")), IsEmpty());
  EXPECT_THAT(WarningsOf(kStoreAndTree + Allow("**/key")), IsEmpty());
  const std::string readable = "[[tree]]\npath=\"a/b\"\nsource=\"local:\"\nmode=\"0444\"\n";
  EXPECT_THAT(WarningsOf(kStore + readable + Allow("a/**")), IsEmpty());
}

TEST(ConfigWarningTest, ARuleThatCanMatchNoFile) {
  const std::string good = Allow("web/**");
  EXPECT_THAT(WarningsOf(kStoreAndTree + good + Allow("wbe/**")),
              ElementsAre("c:14:8: allow \"wbe/**\" can match no file of any tree: correct the path or remove the "
                          "rule"));
  EXPECT_THAT(WarningsOf(kStoreAndTree + good + Allow("web")),
              ElementsAre("c:14:8: allow \"web\" can match no file of any tree: a tree's files lie below it; write "
                          "\"web/**\""));
  EXPECT_THAT(WarningsOf(Allow("*/x")),
              ElementsAre("c:2:8: allow \"*/x\" can match no file of any tree: correct the path or remove the rule"));
}

TEST(ConfigWarningTest, ARuleForASecretItself) {
  EXPECT_THAT(WarningsOf(kStoreAndTree + Allow("web/tls")),
              ElementsAre("c:11:8: allow \"web/tls\" opens a key of that name, and no secret: if it is a secret, write "
                          "\"web/tls/*\" (or \"/**\")"));
  EXPECT_THAT(WarningsOf(kStoreAndTree + Allow("web/key.pem")), IsEmpty());
  EXPECT_THAT(WarningsOf(kStoreAndTree + Allow("web/tls/key")), IsEmpty());
}

TEST(ConfigWarningTest, ARuleThatOpensEverything) {
  for (const char* path : {"**", "**/*", "*/**", "*/**/*", "*/*/**"}) {
    EXPECT_THAT(WarningsOf(kStoreAndTree + Allow(path)),
                ElementsAre(std::string("c:11:8: allow \"") + path +
                            "\" opens every tree, also those added later: name the trees if that is not meant"));
  }
  EXPECT_THAT(WarningsOf(kStoreAndTree + Allow("*/*/*/**")), IsEmpty());
  EXPECT_THAT(WarningsOf(kStoreAndTree + Allow("**/k*")), IsEmpty());
}

TEST(ConfigWarningTest, ATreeThatNoRuleOpens) {
  EXPECT_THAT(WarningsOf(kStoreAndTree),
              ElementsAre("c:7:8: no rule opens anything in tree \"web\": add an [[allow]] with path = \"web/**\""));
}

TEST(ConfigWarningTest, ProcessesWithoutAUserOfTheirOwn) {
  EXPECT_THAT(WarningsOf("user = \"root\"\nbackend_user = \"alice\"\n"),
              ElementsAre("c:1:8: user is root: give the process a user of its own"));
  EXPECT_THAT(WarningsOf("user = \"alice\"\nbackend_user = \"alice\"\n"),
              ElementsAre("c:2:16: user and backend_user are the same: give each a user of its own, so that neither "
                          "can "
                          "look into the other"));
}

}  // namespace
}  // namespace leasefs
