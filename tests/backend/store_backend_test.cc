#include "backend/store/store_backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/store/store_fixture.h"

namespace leasefs {
namespace {

using protocol::EntryKind;
using protocol::HealthState;
using std::chrono::seconds;
using store_test::Passphrase;
using store_test::PutOf;
using store_test::RawKey;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class StoreBackendTest : public testing::Test {
 protected:
  StoreBackendTest() {
    Backend::Events events;
    events.on_changed = [this](const std::string& secret) { told_.push_back("changed " + secret); };
    events.on_entry = [this](const std::string& directory, const protocol::Entry& entry, bool present) {
      std::string name = entry.name + (entry.kind == EntryKind::kFolder ? "/" : "");
      told_.push_back((present ? "+" : "-") + directory + ":" + name);
    };
    events.on_health = [this](HealthState state, const std::string& message) {
      health_ = state;
      message_ = message;
    };
    events.on_everything_changed = [this] { told_.push_back("everything"); };
    backend_.SetEvents(std::move(events));
  }
  void MakeStore(const StoreKey& key = RawKey()) { ASSERT_TRUE(Store::Create(path_, key, random_).ok()); }
  void OpenStore() {
    MakeStore();
    ASSERT_TRUE(backend_.TryOpen(RawKey()).ok());
    told_.clear();
  }
  std::vector<std::string> Put(const std::string& secret, const store_test::Values& values) {
    std::vector<Store::Put> puts;
    puts.push_back(PutOf(secret, values));
    EXPECT_TRUE(backend_.Apply(std::move(puts), 0, "put").ok());
    return std::exchange(told_, {});
  }
  std::vector<std::string> Remove(const std::string& secret, const std::vector<std::string>& keys = {}) {
    EXPECT_TRUE(backend_.Remove(secret, keys, 0).ok());
    return std::exchange(told_, {});
  }
  Result<SecretVersion> Read(const std::string& secret) {
    std::optional<Result<SecretVersion>> got;
    backend_.Read(secret, [&](Result<SecretVersion> result) { got.emplace(std::move(result)); });
    return std::move(got).value();
  }

  store_test::TemporaryDirectory directory_;
  std::string path_ = directory_ / "store.db";
  SimLoop loop_{3};
  SimRandom random_{7};
  StoreBackend backend_{loop_, {"local", path_, {}}};
  std::vector<std::string> told_;
  HealthState health_ = HealthState::kUp;
  std::string message_;
};

TEST_F(StoreBackendTest, TellsEveryNameThatComesWithASecret) {
  OpenStore();
  EXPECT_THAT(
      Put("web/eu/tls", {{"cert", "C"}, {"key", "K"}}),
      ElementsAre("+:web/", "+web:eu/", "+web/eu:tls/", "+web/eu/tls:cert", "+web/eu/tls:key", "changed web/eu/tls"));
}

TEST_F(StoreBackendTest, TellsNoNameWhenOnlyValuesChange) {
  OpenStore();
  Put("web/tls", {{"cert", "C"}});
  EXPECT_THAT(Put("web/tls", {{"cert", "D"}}), ElementsAre("changed web/tls"));
  EXPECT_THAT(Put("web/tls", {{"key", "K"}}), ElementsAre("-web/tls:cert", "+web/tls:key", "changed web/tls"));
}

TEST_F(StoreBackendTest, AFolderThatBecomesASecretIsNoNewName) {
  OpenStore();
  Put("web/tls", {{"cert", "C"}});
  EXPECT_THAT(Put("web", {{"user", "u"}}), ElementsAre("+web:user", "changed web"));
}

TEST_F(StoreBackendTest, TellsEveryNameThatGoesWithASecret) {
  OpenStore();
  Put("web/eu/tls", {{"cert", "C"}, {"key", "K"}});
  EXPECT_THAT(Remove("web/eu/tls", {"key"}), ElementsAre("-web/eu/tls:key", "changed web/eu/tls"));
  Put("web/db", {{"user", "u"}});
  EXPECT_THAT(Remove("web/eu/tls"), ElementsAre("-web/eu:tls/", "-web:eu/", "-web/eu/tls:cert", "changed web/eu/tls"));
  EXPECT_THAT(Remove("web/db", {"user"}), ElementsAre("-web:db/", "-:web/", "-web/db:user", "changed web/db"));
}

TEST_F(StoreBackendTest, ASecretAboveOthersGoesWithoutItsFolder) {
  OpenStore();
  Put("web", {{"user", "u"}});
  Put("web/tls", {{"cert", "C"}});
  EXPECT_THAT(Remove("web"), ElementsAre("-web:user", "changed web"));
}

TEST_F(StoreBackendTest, TellsARollback) {
  OpenStore();
  Put("s", {{"a", "1"}});
  auto history = backend_.store()->History("s");
  Put("s", {{"b", "2"}});
  ASSERT_TRUE(backend_.Rollback("s", history->front().version, 0).ok());
  EXPECT_THAT(told_, ElementsAre("-s:b", "+s:a", "changed s"));
}

TEST_F(StoreBackendTest, WhatFailsTellsNothing) {
  OpenStore();
  std::vector<Store::Put> puts;
  puts.push_back(PutOf("good", {{"k", "v"}}));
  puts.push_back(PutOf("bad", {}));
  EXPECT_FALSE(backend_.Apply(std::move(puts), 0, "import").ok());
  EXPECT_FALSE(backend_.Remove("nowhere", {}, 0).ok());
  EXPECT_FALSE(backend_.Rollback("nowhere", 1, 0).ok());
  EXPECT_THAT(told_, IsEmpty());
}

TEST_F(StoreBackendTest, ReadsTheCurrentVersion) {
  OpenStore();
  Put("s", {{"k", "v"}});
  Result<SecretVersion> version = Read("s");
  ASSERT_TRUE(version.ok());
  EXPECT_NE(version->version, 0u);
  EXPECT_EQ(version->lease_end, kNever);
  EXPECT_EQ(store_test::ValuesOf(version->fields), (store_test::Values{{"k", "v"}}));
  EXPECT_EQ(Read("t").error().kind(), ErrorKind::kNotFound);
}

TEST_F(StoreBackendTest, ALockedStoreSaysHowToUnlockIt) {
  MakeStore(Passphrase("open sesame"));
  EXPECT_EQ(health_, HealthState::kLocked);
  EXPECT_EQ(Read("s").error().kind(), ErrorKind::kLocked);
  EXPECT_THAT(Read("s").error().message(), HasSubstr("leasefs store unlock"));
  EXPECT_THAT(backend_.StateText(), testing::StartsWith("locked: "));
  EXPECT_EQ(backend_.ChangedSince(1).error().kind(), ErrorKind::kLocked);
  EXPECT_EQ(backend_.Apply({}, 0, "put").error().kind(), ErrorKind::kLocked);
  EXPECT_EQ(backend_.Generation(), 0u);

  EXPECT_EQ(backend_.TryOpen(Passphrase("wrong")).error().kind(), ErrorKind::kLocked);
  EXPECT_EQ(health_, HealthState::kLocked);
  EXPECT_TRUE(backend_.TryOpen(Passphrase("open sesame")).ok());
  EXPECT_EQ(health_, HealthState::kUp);
  EXPECT_THAT(told_, ElementsAre("everything"));
  EXPECT_EQ(backend_.StateText(), "open");
  EXPECT_EQ(backend_.TryOpen(Passphrase("open sesame")).error().kind(), ErrorKind::kInvalid);
}

TEST_F(StoreBackendTest, SaysWhyItHasNoKey) {
  backend_.StayLocked("the key file /etc/k cannot be read");
  EXPECT_EQ(health_, HealthState::kLocked);
  EXPECT_THAT(message_, HasSubstr("/etc/k"));
  EXPECT_THAT(backend_.StateText(), HasSubstr("/etc/k"));
}

TEST_F(StoreBackendTest, AMissingStoreIsOpenedOnceItIsThere) {
  EXPECT_EQ(backend_.TryOpen(RawKey()).error().kind(), ErrorKind::kRemote);
  EXPECT_EQ(health_, HealthState::kDown);
  EXPECT_THAT(message_, HasSubstr("leasefs store init"));
  EXPECT_THAT(backend_.StateText(), testing::StartsWith("missing: "));
  loop_.RunFor(seconds(5));
  EXPECT_FALSE(backend_.is_open());
  MakeStore();
  loop_.RunFor(seconds(2));
  EXPECT_TRUE(backend_.is_open());
  EXPECT_EQ(health_, HealthState::kUp);
  EXPECT_THAT(told_, ElementsAre("everything"));
  EXPECT_EQ(loop_.pending(), 0u);
}

TEST_F(StoreBackendTest, AStoreThatAnotherHasOpenIsTriedAgain) {
  MakeStore();
  auto predecessor = Store::Open(path_, RawKey(), random_, {});
  ASSERT_TRUE(predecessor.ok());
  EXPECT_EQ(backend_.TryOpen(RawKey()).error().kind(), ErrorKind::kUnreachable);
  EXPECT_THAT(backend_.StateText(), testing::StartsWith("in use: "));
  predecessor->reset();
  loop_.RunFor(seconds(2));
  EXPECT_TRUE(backend_.is_open());
}

TEST_F(StoreBackendTest, ADamagedStoreIsRefusedWithTheReason) {
  store_test::WriteFile(path_, std::string(8192, 'x'));
  EXPECT_EQ(backend_.TryOpen(RawKey()).error().kind(), ErrorKind::kRemote);
  EXPECT_EQ(health_, HealthState::kDown);
  EXPECT_THAT(backend_.StateText(), testing::StartsWith("damaged: "));
  EXPECT_EQ(Read("s").error().kind(), ErrorKind::kRemote);
  EXPECT_EQ(loop_.pending(), 0u);
}

TEST_F(StoreBackendTest, ALogOfAnotherFileIsNamedAndLeftAlone) {
  MakeStore(RawKey());
  store_test::WriteFile(path_ + "-wal", "");
  store_test::WriteFile(path_, std::string(8192, 'x'));
  const Status refused = backend_.TryOpen(RawKey());
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message(), HasSubstr("without " + path_ + "-wal"));
  unlink((path_ + "-wal").c_str());
  EXPECT_THAT(backend_.TryOpen(RawKey()).error().message(), testing::Not(HasSubstr("-wal")));
}

TEST_F(StoreBackendTest, TellsWhatChangedSinceAGeneration) {
  OpenStore();
  Put("a", {{"k", "v"}});
  uint64_t then = backend_.Generation();
  EXPECT_NE(then, 0u);
  Put("b", {{"k", "v"}});
  EXPECT_GT(backend_.Generation(), then);
  EXPECT_THAT(backend_.ChangedSince(then).value(), ElementsAre("b"));
}

}  // namespace
}  // namespace leasefs
