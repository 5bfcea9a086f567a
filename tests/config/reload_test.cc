#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fs/config/config_codec.h"

namespace leasefs {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Config Running() {
  Config config;
  config.backends = {{"local", {"/db", {KeySource::Kind::kFile, "/key"}, 10}, {}},
                     {"other", {"/other", {KeySource::Kind::kPassphrase, ""}, 10}, {}}};
  config.trees.push_back({});
  return config;
}

TEST(ReloadTest, RulesTreesLimitsAndAuditCanBeReloaded) {
  Config loaded = Running();
  loaded.trees.clear();
  loaded.rules.push_back({});
  loaded.limits.deadline = std::chrono::seconds(1);
  loaded.limits.value_bytes = 5;
  loaded.audit.file = "/x";
  loaded.audit.required = false;
  loaded.backends[0].store.keep_versions = 3;
  std::swap(loaded.backends[0], loaded.backends[1]);
  EXPECT_THAT(NotReloadable(Running(), loaded), IsEmpty());
}

TEST(ReloadTest, NamesEverythingThatNeedsARestart) {
  Config loaded = Running();
  loaded.mount = "/m";
  loaded.run_directory = "/r";
  loaded.user = "u";
  loaded.backend_user = "b";
  loaded.group = "g";
  loaded.limits.names = 5;
  loaded.memory.require_lock = true;
  loaded.backends[0].store.path = "/db2";
  loaded.backends[0].store.key.name = "/key2";
  loaded.backends[1].name = "third";
  EXPECT_THAT(NotReloadable(Running(), loaded),
              ElementsAre("mount", "run_directory", "user", "backend_user", "group", "limits.names",
                          "memory.require_lock", "backend.local.path", "backend.local.key", "backend.other",
                          "backend.third"));
}

TEST(ReloadTest, TokensAndLeasesAreOfOneServer) {
  Config running = Running();
  running.backends[0].type = BackendType::kVault;
  running.backends[0].vault.addresses = {"https://a", "https://b"};
  Config loaded = running;
  loaded.backends[0].vault.addresses = {"https://b", "https://c"};
  EXPECT_THAT(NotReloadable(running, loaded), IsEmpty());
  loaded.backends[0].vault.addresses = {"https://c"};
  EXPECT_THAT(NotReloadable(running, loaded), ElementsAre("backend.local.address"));
}

TEST(ReloadTest, LeasesLiveInANamespace) {
  Config loaded = Running();
  loaded.backends[0].vault.name_space = "team/b";
  EXPECT_THAT(NotReloadable(Running(), loaded), ElementsAre("backend.local.namespace"));
}

TEST(ReloadTest, AnotherKindOfKeyIsAnotherKey) {
  Config loaded = Running();
  loaded.backends[0].store.key.kind = KeySource::Kind::kCredential;
  EXPECT_THAT(NotReloadable(Running(), loaded), ElementsAre("backend.local.key"));
}

}  // namespace
}  // namespace leasefs
