// What a store does while nothing goes wrong.
#include "backend/store/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "fs/base/limits.h"
#include "tests/store/store_fixture.h"

namespace leasefs::store_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class StoreTest : public StoreFixture {
 protected:
  static Status Apply(Store& store, Store::Put put) {
    std::vector<Store::Put> puts;
    puts.push_back(std::move(put));
    auto versions = store.Apply(std::move(puts), 0, "put", At(1));
    return versions.ok() ? Ok() : Status(std::move(versions).error());
  }
};

TEST_F(StoreTest, ANewStoreIsEmptyAndForItsOwnerOnly) {
  auto store = Fresh();
  EXPECT_THAT(store->Secrets(""), IsEmpty());
  EXPECT_THAT(Listed(*store, ""), IsEmpty());
  EXPECT_EQ(store->generation(), 0U);
  struct stat info {};
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600U);
}

TEST_F(StoreTest, NothingIsOverwrittenByANewStore) {
  WriteFile(path_, "precious");
  const Status status = Store::Create(path_, RawKey(), random_, settings_);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind(), ErrorKind::kInvalid);
  EXPECT_THAT(status.error().message(), HasSubstr("exists already"));
  EXPECT_EQ(ReadFile(path_), "precious");
  EXPECT_THAT(FilesIn(directory_ / ""), ElementsAre("store.db"));
}

TEST_F(StoreTest, ValuesAreThereAgainAfterReopening) {
  const Values values = {{"empty", ""}, {"binary", std::string("\0\xff\n\0", 4)}, {"text", "hunter2"}};
  {
    auto store = Fresh();
    EXPECT_EQ(PutValues(*store, "web/tls", values), 1U);
    EXPECT_EQ(Get(*store, "web/tls"), values);
  }
  auto store = Open();
  EXPECT_EQ(Get(*store, "web/tls"), values);
  EXPECT_THAT(FilesIn(directory_ / ""), ElementsAre("store.db", "store.db-wal"));
  EXPECT_EQ(ReadFile(path_ + "-wal"), "");
}

TEST_F(StoreTest, APutOfManySecretsIsAllOrNothing) {
  auto store = Fresh();
  std::vector<Store::Put> puts;
  puts.push_back(PutOf("a", {{"k", "1"}}));
  puts.push_back(PutOf("b", {{"k", std::string(1001, 'x')}}));
  const auto refused = store->Apply(std::move(puts), 0, "import", At(1));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind(), ErrorKind::kTooLarge);
  EXPECT_THAT(store->Secrets(""), IsEmpty());

  puts.clear();
  puts.push_back(PutOf("a", {{"k", "1"}}));
  puts.push_back(PutOf("b", {{"k", "2"}}));
  EXPECT_THAT(store->Apply(std::move(puts), 0, "import", At(1)).value(), ElementsAre(1, 1));
  EXPECT_THAT(store->Secrets(""), ElementsAre("a", "b"));
}

TEST_F(StoreTest, WhatComesTooLateInAPutTakesTheWholeOfItBack) {
  settings_.value_bytes = kHardMaxValueBytes;
  auto store = Fresh();
  PutValues(*store, "b", {{"k", "old"}, {"big", std::string(kHardMaxValueBytes, 'x')}});
  std::vector<Store::Put> puts;
  puts.push_back(PutOf("a", {{"k", "1"}}));
  // Allowed by itself; only together with what is there already it is too much.
  puts.push_back(PutOf("b", {{"more", std::string(kHardMaxValueBytes, 'y')}}, false));
  const uint64_t generation = store->generation();
  const auto refused = store->Apply(std::move(puts), 0, "import", At(1));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind(), ErrorKind::kTooLarge);
  EXPECT_THAT(store->Secrets(""), ElementsAre("b"));
  EXPECT_EQ(store->generation(), generation);
  EXPECT_EQ(PutValues(*store, "b", {{"k", "new"}}), 2U);
  store.reset();
  EXPECT_EQ(Get(*Open(), "b"), (Values{{"k", "new"}}));
}

TEST_F(StoreTest, APutWithoutReplaceKeepsTheOtherKeys) {
  auto store = Fresh();
  PutValues(*store, "db", {{"user", "app"}, {"password", "old"}});
  EXPECT_EQ(PutValues(*store, "db", {{"password", "new"}, {"host", "h"}}, false), 2U);
  EXPECT_EQ(Get(*store, "db"), (Values{{"host", "h"}, {"password", "new"}, {"user", "app"}}));
  EXPECT_EQ(PutValues(*store, "db", {{"password", "only"}}, true), 3U);
  EXPECT_EQ(Get(*store, "db"), (Values{{"password", "only"}}));
}

TEST_F(StoreTest, EqualBytesMakeNoNewVersion) {
  auto store = Fresh();
  PutValues(*store, "db", {{"user", "app"}, {"password", "p"}});
  const uint64_t generation = store->generation();
  EXPECT_EQ(PutValues(*store, "db", {{"password", "p"}, {"user", "app"}}), 1U);
  EXPECT_EQ(PutValues(*store, "db", {{"user", "app"}}, false), 1U);
  EXPECT_EQ(store->generation(), generation);
  EXPECT_EQ(store->History("db")->size(), 1U);
}

TEST_F(StoreTest, BadInputIsRefusedAndNamed) {
  auto store = Fresh();
  const std::pair<Store::Put, const char*> cases[] = {
      {PutOf("", {{"k", "v"}}), "cannot be the path"},
      {PutOf("/a", {{"k", "v"}}), "\"/a\" cannot be the path"},
      {PutOf("a//b", {{"k", "v"}}), "cannot be the path"},
      {PutOf("a/../b", {{"k", "v"}}), "cannot be the path"},
      {PutOf(std::string(kMaxPathBytes + 1, 'a'), {{"k", "v"}}), "cannot be the path"},
      {PutOf("a", {}), "without a key"},
      {PutOf("a", {{"", "v"}}), "cannot be a key"},
      {PutOf("a", {{std::string(kMaxKeyBytes + 1, 'k'), "v"}}), "cannot be a key"},
      {PutOf("a", {{std::string("k\0y", 3), "v"}}), "cannot be a key"},
      {PutOf("a", {{"k", std::string(1001, 'v')}}), "more than limits.value (1000)"},
  };
  for (const auto& [put, expected] : cases) {
    std::vector<Store::Put> puts;
    puts.push_back(PutOf(put.secret, ValuesOf(put.fields)));
    const auto refused = store->Apply(std::move(puts), 0, "put", At(1));
    ASSERT_FALSE(refused.ok()) << expected;
    EXPECT_THAT(refused.error().message(), HasSubstr(expected));
  }
  Store::Put twice = PutOf("a", {{"k", "v"}});
  twice.fields.push_back({"k", false, SecretBuffer::CopyOf("w")});
  EXPECT_THAT(Apply(*store, std::move(twice)).error().message(), HasSubstr("key k of a is given twice"));
  std::vector<Store::Put> puts;
  puts.push_back(PutOf("a", {{"k", "v"}}));
  puts.push_back(PutOf("a", {{"k", "w"}}));
  EXPECT_THAT(store->Apply(std::move(puts), 0, "put", At(1)).error().message(), HasSubstr("a is named twice"));
  puts.clear();
  puts.push_back(PutOf("a", {{"k", "v"}}));
  EXPECT_THAT(store->Apply(std::move(puts), 0, std::string(1025, 'n'), At(1)).error().message(), HasSubstr("note"));
  EXPECT_THAT(store->Secrets(""), IsEmpty());
  EXPECT_EQ(store->generation(), 0U);
}

TEST_F(StoreTest, TheLargestSecretFitsIntoOneFrame) {
  settings_.value_bytes = kHardMaxValueBytes;
  auto store = Fresh();
  Values values;
  for (size_t i = 0; i < kMaxKeysPerSecret; ++i) values["key" + std::to_string(10000 + i)] = "v";
  EXPECT_EQ(PutValues(*store, "wide", values), 1U);
  values["one-more"] = "v";
  EXPECT_EQ(PutValues(*store, "wide", values), 0U);

  const size_t rest = kMaxSecretBytes - kHardMaxValueBytes - 2;
  const Values largest = {{"a", std::string(kHardMaxValueBytes, 'a')}, {"b", std::string(rest, 'b')}};
  EXPECT_EQ(PutValues(*store, "deep", largest), 1U);
  EXPECT_EQ(Get(*store, "deep"), largest);
  EXPECT_EQ(PutValues(*store, "deep", {{"a", std::string(kHardMaxValueBytes, 'a')}, {"b", std::string(rest + 1, 'b')}}),
            0U);
  protocol::Published published;
  published.fields = std::move(store->Get("deep", 0)->second);
  EXPECT_LT(published.Encode().size(), kMaxFramePayload);
}

TEST_F(StoreTest, AValueOverALoweredLimitIsKeptButNotGiven) {
  {
    auto store = Fresh();
    PutValues(*store, "s", {{"big", std::string(900, 'b')}, {"small", "s"}});
  }
  settings_.value_bytes = 100;
  {
    auto store = Open();
    const auto got = store->Get("s", 0);
    EXPECT_TRUE(got->second[0].too_large);
    EXPECT_TRUE(got->second[0].value.empty());
    EXPECT_FALSE(got->second[1].too_large);
    EXPECT_EQ(PutValues(*store, "s", {{"small", "t"}}, false), 2U);
  }
  settings_.value_bytes = 1000;
  EXPECT_EQ(Get(*Open(), "s"), (Values{{"big", std::string(900, 'b')}, {"small", "t"}}));
}

TEST_F(StoreTest, DirectoriesListFoldersAndKeys) {
  auto store = Fresh();
  PutValues(*store, "app/web/tls", {{"cert", "c"}, {"key", "k"}});
  PutValues(*store, "app/web", {{"tls", "a key with the name of a folder"}, {"port", "p"}});
  PutValues(*store, "app/web-old", {{"x", "x"}});
  PutValues(*store, "app/web.old/y", {{"x", "x"}});
  PutValues(*store, "zoo", {{"x", "x"}});
  EXPECT_THAT(Listed(*store, ""), ElementsAre("app/", "zoo/"));
  EXPECT_THAT(Listed(*store, "app"), ElementsAre("web/", "web-old/", "web.old/"));
  EXPECT_THAT(Listed(*store, "app/web"), ElementsAre("port", "tls", "tls/"));
  EXPECT_THAT(Listed(*store, "app/web/tls"), ElementsAre("cert", "key"));
  EXPECT_THAT(store->Secrets("app/web"), ElementsAre("app/web", "app/web/tls"));
  EXPECT_THAT(store->Secrets("app/we"), IsEmpty());
  for (const char* nowhere : {"ap", "app/we", "app/web/tls/cert", "zoo/x", "zzz"}) {
    const auto listed = store->List(nowhere);
    ASSERT_FALSE(listed.ok()) << nowhere;
    EXPECT_EQ(listed.error().kind(), ErrorKind::kNotFound);
  }
}

TEST_F(StoreTest, ARemovedSecretIsListedNowhere) {
  auto store = Fresh();
  PutValues(*store, "a/b", {{"k", "v"}});
  PutValues(*store, "c", {{"k", "v"}});
  ASSERT_TRUE(store->Remove("a/b", {}, 0, At(2)).ok());
  EXPECT_THAT(Listed(*store, ""), ElementsAre("c/"));
  EXPECT_FALSE(store->List("a").ok());
  EXPECT_FALSE(store->Get("a/b", 0).ok());
  EXPECT_FALSE(store->Get("a/b", 1).ok());
  EXPECT_FALSE(store->History("a/b").ok());
  EXPECT_FALSE(store->Remove("a/b", {}, 0, At(2)).ok());
  EXPECT_EQ(store->figures().secrets, 1U);
  EXPECT_EQ(store->figures().versions, 1U);
}

TEST_F(StoreTest, NoNameAndNoValueIsInTheFileInClear) {
  auto store = Fresh();
  const Values values = {{"canary-key", "canary-value"}};
  std::vector<Store::Put> puts;
  puts.push_back(PutOf("canary-path/canary-secret", values));
  ASSERT_TRUE(store->Apply(std::move(puts), 0, "canary-note", At(1)).ok());
  ASSERT_TRUE(store->Remove("canary-path/canary-secret", {}, 0, At(2)).ok());
  PutValues(*store, "canary-path/canary-other", values);
  const std::string bytes = ReadFile(path_);
  EXPECT_THAT(bytes, HasSubstr("SQLite format 3"));
  EXPECT_THAT(bytes, Not(HasSubstr("canary")));
}

TEST_F(StoreTest, AHundredThousandNamesComeBack) {
  constexpr size_t kNames = 100'000;
  std::map<std::string, std::string> truth;
  SimRandom chance(42);
  while (truth.size() < kNames) {
    std::string path;
    for (uint64_t depth = 1 + chance.Below(4); depth > 0; --depth) {
      if (!path.empty()) path += '/';
      for (uint64_t size = 1 + chance.Below(12); size > 0; --size) {
        char c = static_cast<char>(1 + chance.Below(255));
        path += c == '/' ? '_' : c;
      }
    }
    if (protocol::IsValidPath(path)) truth[path] = "value of " + path;
  }
  {
    auto store = Fresh();
    std::vector<Store::Put> puts;
    puts.reserve(kNames);
    for (const auto& [path, value] : truth) puts.push_back(PutOf(path, {{"k", value}}));
    ASSERT_EQ(store->Apply(std::move(puts), 0, "import", At(1))->size(), kNames);
  }
  const auto start = std::chrono::steady_clock::now();
  auto store = Open();
  const auto opening = std::chrono::steady_clock::now() - start;
  RecordProperty("open_ms", static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(opening).count()));
  const std::vector<std::string> paths = store->Secrets("");
  ASSERT_EQ(paths.size(), kNames);
  for (const std::string& path : paths) {
    ASSERT_EQ(Get(*store, path), (Values{{"k", truth.at(path)}}));
  }
  // A walk finds each of them and nothing else.
  size_t found = 0;
  std::vector<std::string> folders = {""};
  while (!folders.empty()) {
    const std::string folder = std::move(folders.back());
    folders.pop_back();
    const auto entries = store->List(folder);
    ASSERT_TRUE(entries.ok());
    for (const protocol::Entry& entry : *entries) {
      if (entry.kind == protocol::EntryKind::kKey) {
        ++found;
        ASSERT_TRUE(truth.contains(folder));
      } else {
        folders.push_back(folder.empty() ? entry.name : folder + "/" + entry.name);
      }
    }
  }
  EXPECT_EQ(found, kNames);
}

}  // namespace
}  // namespace leasefs::store_test
