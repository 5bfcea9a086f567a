// Versions, removal, rollback, and what a restarted reader is told of.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "backend/store/store.h"
#include "tests/store/store_fixture.h"

namespace leasefs::store_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class StoreHistoryTest : public StoreFixture {
 protected:
  static std::vector<uint64_t> Versions(const Store& store, const std::string& secret) {
    std::vector<uint64_t> versions;
    const auto history = store.History(secret);
    if (!history.ok()) return versions;
    for (const VersionInfo& one : *history) versions.push_back(one.version);
    return versions;
  }
};

TEST_F(StoreHistoryTest, HistoryTellsWhoWhenAndWhat) {
  auto store = Fresh();
  std::vector<Store::Put> puts;
  puts.push_back(PutOf("db", {{"user", "app"}, {"password", "12345"}}));
  ASSERT_TRUE(store->Apply(std::move(puts), 1000, "import", At(10)).ok());
  ASSERT_TRUE(store->Remove("db", {"user"}, 1001, At(20)).ok());
  ASSERT_EQ(store->Rollback("db", 1, 1002, At(30)).value(), 3U);
  store.reset();
  store = Open();
  const auto history = store->History("db");
  ASSERT_EQ(history->size(), 3U);
  const VersionInfo& newest = history->at(0);
  EXPECT_EQ(newest.version, 3U);
  EXPECT_EQ(newest.created, At(30));
  EXPECT_EQ(newest.author, 1002U);
  EXPECT_EQ(newest.note, "rollback to 1");
  EXPECT_THAT(newest.keys, ElementsAre(std::pair<std::string, uint64_t>("password", 5),
                                       std::pair<std::string, uint64_t>("user", 3)));
  EXPECT_EQ(history->at(1).note, "rm");
  EXPECT_THAT(history->at(1).keys, ElementsAre(std::pair<std::string, uint64_t>("password", 5)));
  EXPECT_EQ(history->at(2).note, "import");
  EXPECT_EQ(history->at(2).author, 1000U);
}

TEST_F(StoreHistoryTest, TheOldestVersionsGo) {
  auto store = Fresh();
  for (int i = 1; i <= 5; ++i) PutValues(*store, "s", {{"k", "value " + std::to_string(i)}});
  EXPECT_THAT(Versions(*store, "s"), ElementsAre(5, 4, 3));
  EXPECT_EQ(Get(*store, "s", 3), (Values{{"k", "value 3"}}));
  const auto gone = store->Get("s", 2);
  ASSERT_FALSE(gone.ok());
  EXPECT_EQ(gone.error().kind(), ErrorKind::kNotFound);
  EXPECT_THAT(gone.error().message(), HasSubstr("kept are 3 to 5"));
  EXPECT_EQ(store->figures().versions, 3U);
  store.reset();
  settings_.keep_versions = 1;
  store = Open();
  EXPECT_THAT(Versions(*store, "s"), ElementsAre(5, 4, 3)) << "until the next change";
  PutValues(*store, "s", {{"k", "value 6"}});
  EXPECT_THAT(Versions(*store, "s"), ElementsAre(6));
}

TEST_F(StoreHistoryTest, NewLimitsCountFromTheNextChangeOn) {
  auto store = Fresh();
  for (int i = 1; i <= 3; ++i) PutValues(*store, "s", {{"k", "value " + std::to_string(i)}});
  store->SetLimits(2, 7);
  EXPECT_THAT(Versions(*store, "s"), ElementsAre(3, 2, 1));
  PutValues(*store, "s", {{"k", "seven b"}});
  EXPECT_THAT(Versions(*store, "s"), ElementsAre(4, 3));
  store->SetLimits(2, 6);
  std::vector<Store::Put> puts(1);
  puts[0].secret = "s";
  puts[0].fields.push_back({"k", false, SecretBuffer::CopyOf("seven B")});
  EXPECT_EQ(store->Apply(std::move(puts), 0, "put", At(2)).error().kind(), ErrorKind::kTooLarge);
}

TEST_F(StoreHistoryTest, RollbackMakesOldBytesANewVersion) {
  auto store = Fresh();
  PutValues(*store, "s", {{"k", "1"}});
  PutValues(*store, "s", {{"k", "2"}, {"l", "2"}});
  EXPECT_EQ(store->Rollback("s", 1, 0, At(2)).value(), 3U);
  EXPECT_EQ(Get(*store, "s"), (Values{{"k", "1"}}));
  EXPECT_THAT(Listed(*store, "s"), ElementsAre("k"));
  EXPECT_EQ(store->Rollback("s", 3, 0, At(2)).value(), 3U) << "the current bytes make no new version";
  EXPECT_EQ(store->Rollback("s", 9, 0, At(2)).error().kind(), ErrorKind::kNotFound);
  EXPECT_EQ(store->Rollback("t", 1, 0, At(2)).error().kind(), ErrorKind::kNotFound);
}

TEST_F(StoreHistoryTest, RemovingTheLastKeyRemovesTheSecret) {
  auto store = Fresh();
  PutValues(*store, "s", {{"a", "1"}, {"b", "2"}});
  EXPECT_EQ(store->Remove("s", {"a", "c"}, 0, At(2)).error().kind(), ErrorKind::kNotFound);
  EXPECT_EQ(Get(*store, "s"), (Values{{"a", "1"}, {"b", "2"}})) << "all or nothing";
  ASSERT_TRUE(store->Remove("s", {"a"}, 0, At(2)).ok());
  EXPECT_EQ(Get(*store, "s"), (Values{{"b", "2"}}));
  ASSERT_TRUE(store->Remove("s", {"b"}, 0, At(2)).ok());
  EXPECT_THAT(store->Secrets(""), IsEmpty());
}

TEST_F(StoreHistoryTest, NumbersGoOnAfterARemoval) {
  auto store = Fresh();
  PutValues(*store, "s", {{"k", "1"}});
  PutValues(*store, "s", {{"k", "2"}});
  ASSERT_TRUE(store->Remove("s", {}, 0, At(2)).ok());
  store.reset();
  store = Open();
  EXPECT_EQ(PutValues(*store, "s", {{"k", "2"}}), 3U);
  EXPECT_THAT(Versions(*store, "s"), ElementsAre(3));
  EXPECT_EQ(PutValues(*store, "t", {{"k", "2"}}), 1U);
}

TEST_F(StoreHistoryTest, NumbersGoOnEvenWhenTheRemovalIsForgotten) {
  auto store = Fresh();
  PutValues(*store, "first", {{"k", "1"}});
  PutValues(*store, "first", {{"k", "2"}});
  const uint64_t before = store->generation();
  ASSERT_TRUE(store->Remove("first", {}, 0, At(2)).ok());
  const uint64_t size = store->figures().file_bytes;
  for (int i = 0; i < 5000; ++i) {
    const std::string path = "p" + std::to_string(i);
    PutValues(*store, path, {{"k", "1"}});
    ASSERT_TRUE(store->Remove(path, {}, 0, At(2)).ok());
  }
  EXPECT_LT(store->figures().file_bytes, size + uint64_t{4096} * 300) << "removed secrets do not pile up";
  EXPECT_EQ(store->ChangedSince(before).error().kind(), ErrorKind::kNotFound);
  store.reset();
  store = Open();
  EXPECT_EQ(PutValues(*store, "first", {{"k", "3"}}), 3U);
  EXPECT_EQ(PutValues(*store, "never seen", {{"k", "3"}}), 3U);
}

TEST_F(StoreHistoryTest, ChangesSinceAGenerationAreTold) {
  auto store = Fresh();
  EXPECT_THAT(store->ChangedSince(0).value(), IsEmpty());
  PutValues(*store, "a", {{"k", "1"}});
  const uint64_t first = store->generation();
  PutValues(*store, "b", {{"k", "1"}});
  PutValues(*store, "c", {{"k", "1"}});
  const uint64_t third = store->generation();
  EXPECT_LT(first, third);
  PutValues(*store, "a", {{"k", "2"}});
  ASSERT_TRUE(store->Remove("b", {}, 0, At(2)).ok());
  store.reset();
  store = Open();
  EXPECT_THAT(store->ChangedSince(first).value(), ElementsAre("c", "a", "b"));
  EXPECT_THAT(store->ChangedSince(third).value(), ElementsAre("a", "b"));
  EXPECT_THAT(store->ChangedSince(store->generation()).value(), IsEmpty());
}

TEST_F(StoreHistoryTest, EachSecretOfOnePutHasItsOwnGeneration) {
  auto store = Fresh();
  std::vector<Store::Put> puts;
  puts.push_back(PutOf("a", {{"k", "1"}}));
  puts.push_back(PutOf("b", {{"k", "1"}}));
  ASSERT_TRUE(store->Apply(std::move(puts), 0, "import", At(1)).ok());
  EXPECT_THAT(store->ChangedSince(0).value(), ElementsAre("a", "b"));
}

TEST_F(StoreHistoryTest, AGenerationOfAnotherHistoryIsNotMistaken) {
  auto store = Fresh();
  PutValues(*store, "a", {{"k", "1"}});
  ASSERT_TRUE(CopyTo(*store, directory_ / "backup.db").ok());
  PutValues(*store, "a", {{"k", "2"}});
  const uint64_t told = store->generation();
  store.reset();

  path_ = directory_ / "backup.db";
  store = Open();
  EXPECT_EQ(store->ChangedSince(told).error().kind(), ErrorKind::kNotFound);
  for (int i = 0; i < 200; ++i) {
    PutValues(*store, "b", {{"k", std::to_string(i)}});
    ASSERT_EQ(store->ChangedSince(told).error().kind(), ErrorKind::kNotFound);
  }
}

TEST_F(StoreHistoryTest, ThousandsOfRandomChangesFollowAModel) {
  struct Model {
    uint64_t next = 1;
    std::vector<std::pair<uint64_t, Values>> kept;
  };
  std::map<std::string, Model> model;
  auto store = Fresh();
  SimRandom chance(3);
  for (int step = 0; step < 3000; ++step) {
    const std::string path = std::string("s") + (chance.Below(2) ? "/" : "-") + std::to_string(chance.Below(6));
    Model& secret = model[path];
    const auto add = [&secret](Values values) {
      if (!secret.kept.empty() && secret.kept.back().second == values) return secret.kept.back().first;
      secret.kept.emplace_back(secret.next, std::move(values));
      if (secret.kept.size() > 3) secret.kept.erase(secret.kept.begin());
      return secret.next++;
    };
    const Values change = {{std::string(1, static_cast<char>('a' + chance.Below(3))), std::to_string(chance.Below(3))}};
    switch (chance.Below(8)) {
      case 0:
        ASSERT_EQ(store->Remove(path, {}, 0, At(1)).ok(), !secret.kept.empty());
        secret.kept.clear();
        break;
      case 1:
        if (secret.kept.empty()) break;
        {
          const auto [version, values] = secret.kept.front();
          ASSERT_EQ(store->Rollback(path, version, 0, At(1)).value(), add(values));
        }
        break;
      case 2:
        store.reset();
        store = Open();
        break;
      case 3:
      case 4:
        ASSERT_EQ(PutValues(*store, path, change), add(change));
        break;
      default:
        Values merged = secret.kept.empty() ? Values() : secret.kept.back().second;
        for (const auto& [key, value] : change) merged[key] = value;
        ASSERT_EQ(PutValues(*store, path, change, false), add(merged));
    }
    std::vector<uint64_t> versions;
    for (auto at = secret.kept.rbegin(); at != secret.kept.rend(); ++at) {
      versions.push_back(at->first);
      ASSERT_EQ(Get(*store, path, at->first), at->second);
    }
    ASSERT_EQ(Versions(*store, path), versions) << path;
  }
}

}  // namespace
}  // namespace leasefs::store_test
