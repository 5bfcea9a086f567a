// Keys, copies, and files that are no store.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>

#include "backend/store/store.h"
#include "fs/base/strings.h"
#include "tests/store/raw_database.h"
#include "tests/store/store_fixture.h"

namespace leasefs::store_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class StoreKeyTest : public StoreFixture {
 protected:
  Error Refusal(const StoreKey& key) {
    auto store = TryOpen(key);
    return store.ok() ? Error(ErrorKind::kInternal, "it opened") : store.error();
  }
};

TEST(KeyFileTest, ComesBackAsItWasMade) {
  SimRandom random(1);
  std::set<std::string> keys;
  for (int i = 0; i < 200; ++i) {
    const SecretBuffer text = MakeKeyFile(random);
    EXPECT_EQ(text.size(), 20U + 44 + 1);
    const auto key = ParseKeyFile(text);
    ASSERT_TRUE(key.ok()) << key.error().message();
    EXPECT_EQ(key->size(), 32U);
    keys.emplace(key->ExposeText());
  }
  EXPECT_EQ(keys.size(), 200U);
}

TEST(KeyFileTest, IsPlainBase64) {
  const auto key =
      ParseKeyFile(SecretBuffer::CopyOf("leasefs-store-key-1:QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNDU="));
  ASSERT_TRUE(key.ok());
  EXPECT_EQ(key->ExposeText(), "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345");
}

TEST(KeyFileTest, SaysWhatIsWrongAndNotWhatItRead) {
  const std::string good = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNDU=";
  const std::pair<std::string, const char*> cases[] = {
      {"", "is empty"},
      {good + "\n", "begins with something else"},
      {"leasefs-store-key-2:" + good + "\n", "begins with something else"},
      {"leasefs-store-key-1:" + good.substr(1) + "\n", "has 43 characters"},
      {"leasefs-store-key-1:" + good + "\n\n", "has 45 characters"},
      {"leasefs-store-key-1: " + good.substr(1) + "\n", "character 21"},
      {"leasefs-store-key-1:" + good.substr(0, 43) + "A\n", "does not end with ="},
      {"leasefs-store-key-1:" + good.substr(0, 42) + "V=\n", "bits that mean nothing"},
  };
  for (const auto& [text, expected] : cases) {
    const auto key = ParseKeyFile(SecretBuffer::CopyOf(text));
    ASSERT_FALSE(key.ok()) << expected;
    EXPECT_EQ(key.error().kind(), ErrorKind::kInvalid);
    EXPECT_THAT(key.error().message(), HasSubstr(expected));
    EXPECT_THAT(key.error().message(), Not(HasSubstr("QUJD")));
  }
}

TEST_F(StoreKeyTest, AnotherKeyDoesNotOpenTheStore) {
  Create();
  EXPECT_EQ(Refusal(RawKey('x')).kind(), ErrorKind::kLocked);
  EXPECT_THAT(Refusal(RawKey('x')).message(), HasSubstr("this key does not open the store: it is the key of another"));
  EXPECT_THAT(Refusal(Passphrase("p")).message(), HasSubstr("opened by a key file"));
  EXPECT_EQ(Refusal({StoreKey::Kind::kRaw, SecretBuffer(31)}).kind(), ErrorKind::kInvalid);
  EXPECT_EQ(Refusal(Passphrase("")).kind(), ErrorKind::kInvalid);
  EXPECT_TRUE(TryOpen().ok());
}

TEST_F(StoreKeyTest, APassphraseOpensTheStore) {
  ASSERT_TRUE(Store::Create(path_, Passphrase("correct horse"), random_, settings_).ok());
  EXPECT_EQ(Refusal(Passphrase("correct hors")).kind(), ErrorKind::kLocked);
  EXPECT_THAT(Refusal(Passphrase("correct hors")).message(), HasSubstr("the passphrase is another one"));
  EXPECT_THAT(Refusal(RawKey()).message(), HasSubstr("opened by a passphrase"));
  auto store = TryOpen(Passphrase("correct horse"));
  ASSERT_TRUE(store.ok());
  EXPECT_EQ(PutValues(**store, "s", {{"k", "v"}}), 1U);
}

TEST_F(StoreKeyTest, BothKeysOpenUntilTheRekeyIsFinished) {
  auto store = Fresh();
  for (int i = 0; i < 5; ++i) PutValues(*store, "s", {{"k", std::to_string(i)}});
  PutValues(*store, "gone", {{"k", "v"}});
  ASSERT_TRUE(store->Remove("gone", {}, 0, At(1)).ok());
  const std::string picture = Picture(*store);
  ASSERT_TRUE(FinishRekey(*store).ok()) << "nothing to finish is no error";

  ASSERT_TRUE(store->Rekey(RawKey('n')).ok());
  EXPECT_EQ(Picture(*store), picture);
  store.reset();
  EXPECT_EQ(Picture(**TryOpen(RawKey('k'))), picture);
  EXPECT_EQ(Picture(**TryOpen(RawKey('n'))), picture);

  store = std::move(*TryOpen(RawKey('n')));
  ASSERT_TRUE(FinishRekey(*store).ok());
  EXPECT_EQ(Picture(*store), picture);
  EXPECT_EQ(PutValues(*store, "gone", {{"k", "v"}}), 2U);
  const std::string later = Picture(*store);
  store.reset();
  EXPECT_EQ(Refusal(RawKey('k')).kind(), ErrorKind::kLocked);
  EXPECT_EQ(Picture(**TryOpen(RawKey('n'))), later);
}

TEST_F(StoreKeyTest, ARekeyIsFinishedOnlyByWhoHasTheNewKey) {
  auto store = Fresh();
  ASSERT_TRUE(store->Rekey(RawKey('n')).ok());
  store.reset();
  store = Open();
  const Status refused = FinishRekey(*store);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message(), HasSubstr("open it with the new one first"));
  ASSERT_TRUE(store->Rekey(RawKey('m')).ok()) << "the new key was lost: another one instead";
  store.reset();
  EXPECT_EQ(Refusal(RawKey('n')).kind(), ErrorKind::kLocked);
  EXPECT_TRUE(TryOpen(RawKey('k')).ok());
  store = std::move(*TryOpen(RawKey('m')));
  ASSERT_TRUE(FinishRekey(*store).ok());
  store.reset();
  EXPECT_EQ(Refusal(RawKey('k')).kind(), ErrorKind::kLocked);
  EXPECT_TRUE(TryOpen(RawKey('m')).ok());
}

TEST_F(StoreKeyTest, AKeyFileGivesWayToAPassphrase) {
  auto store = Fresh();
  PutValues(*store, "s", {{"k", "v"}});
  ASSERT_TRUE(store->Rekey(Passphrase("p")).ok());
  ASSERT_TRUE(FinishRekey(*store).ok()) << "in one process both are at hand";
  ASSERT_TRUE(store->Rekey(Passphrase("q")).ok());
  store.reset();
  EXPECT_EQ(Refusal(RawKey()).kind(), ErrorKind::kLocked);
  EXPECT_TRUE(TryOpen(Passphrase("p")).ok());
  EXPECT_EQ(Get(**TryOpen(Passphrase("q")), "s"), (Values{{"k", "v"}}));
}

TEST_F(StoreKeyTest, NothingSealedBeforeARekeyIsLeftInTheFile) {
  {
    auto store = Fresh();
    for (int i = 0; i < 20; ++i) PutValues(*store, "s" + std::to_string(i), {{"k", std::string(200, 'v')}});
  }
  const auto columns = RawDatabase(path_).Query(
      "SELECT hex(body) FROM version UNION ALL SELECT hex(head) FROM version UNION ALL SELECT hex(body) FROM secret");
  ASSERT_EQ(columns.size(), 60U);
  const auto left = [&] {
    const std::string bytes = ReadFile(path_);
    size_t found = 0;
    for (const auto& column : columns) {
      std::string start;
      for (size_t i = 0; i < 32; i += 2) start += static_cast<char>(std::stoi(column[0].substr(i, 2), nullptr, 16));
      found += bytes.find(start) != std::string::npos ? 1 : 0;
    }
    return found;
  };
  EXPECT_EQ(left(), 60U);
  auto store = Open();
  ASSERT_TRUE(store->Rekey(RawKey('n')).ok());
  ASSERT_TRUE(FinishRekey(*store).ok());
  EXPECT_EQ(left(), 0U);
}

// Enough for many slices.
void PutMany(Store& store) {
  for (int i = 0; i < 40; ++i) {
    for (int j = 0; j < 4; ++j) PutValues(store, StrCat("dir", i % 5, "/s", i), {{"k", std::string(50'000, 'a' + j)}});
  }
}

TEST_F(StoreKeyTest, AStoreThatIsBeingSealedAnewIsUsedAndClosedAndGoesOn) {
  settings_.value_bytes = 1 << 20;
  auto store = Fresh();
  PutMany(*store);
  ASSERT_TRUE(store->Remove("dir0/s0", {}, 0, At(1)).ok());
  ASSERT_TRUE(store->Rekey(RawKey('n')).ok());
  std::string picture;
  int slices = 0;
  for (bool finished = false; !finished; ++slices) {
    auto step = store->FinishRekeySome();
    ASSERT_TRUE(step.ok()) << step.error().message();
    finished = *step;
    const std::string path = StrCat("dir", slices % 5, "/s", slices);  // sealed anew already, or not yet
    EXPECT_NE(PutValues(*store, path, {{"k", StrCat("put ", slices)}}), 0U);
    EXPECT_NE(PutValues(*store, StrCat("new", slices), {{"k", "v"}}), 0U);
    if (slices == 3) ASSERT_TRUE(store->Remove("dir1/s1", {}, 0, At(1)).ok());
    picture = Picture(*store);
    ASSERT_THAT(picture, testing::Not(HasSubstr("error")));
    if (slices % 2 == 0) continue;
    ASSERT_TRUE(CopyTo(*store, directory_ / "copy.db").ok());
    EXPECT_EQ(Picture(**Store::Open(directory_ / "copy.db", RawKey('n'), random_, settings_)), picture);
    store.reset();
    EXPECT_EQ(Refusal(RawKey('k')).kind(), ErrorKind::kLocked) << "the old key gives nothing any more";
    store = std::move(*TryOpen(RawKey('n')));
    ASSERT_EQ(Picture(*store), picture);
  }
  EXPECT_GE(slices, 8);
  store.reset();
  EXPECT_EQ(Picture(**TryOpen(RawKey('n'))), picture);
  EXPECT_THAT(RawDatabase(path_).Query("SELECT id FROM meta WHERE id > 3"), testing::IsEmpty());
}

TEST_F(StoreKeyTest, ARowThatIsPutBackWhileAllIsSealedAnewIsNoticed) {
  settings_.value_bytes = 1 << 20;
  auto store = Fresh();
  PutMany(*store);
  ASSERT_TRUE(store->Rekey(RawKey('n')).ok());
  for (int i = 0; i < 3; ++i) ASSERT_FALSE(*store->FinishRekeySome());
  store.reset();
  const std::string base = ReadFile(path_);
  for (const char* change :
       {"DELETE FROM meta WHERE id = 4", "DELETE FROM version WHERE id = (SELECT max(id) FROM version)",
        "UPDATE secret SET body = zeroblob(100) WHERE id = (SELECT min(id) FROM secret)"}) {
    WriteFile(path_, base);
    RawDatabase(path_).Run(change);
    EXPECT_EQ(Refusal(RawKey('n')).kind(), ErrorKind::kRemote) << change;
  }
}

TEST_F(StoreKeyTest, ACopyFollowsWhatIsPutMeanwhile) {
  settings_.value_bytes = 1 << 20;
  auto store = Fresh();
  PutMany(*store);
  const std::string path = directory_ / "copy.db";
  WriteFile(path, "what a crash has left");
  auto copy = store->BeginCopy(path);
  ASSERT_TRUE(copy.ok()) << copy.error().message();
  std::string last;
  int steps = 0;
  for (bool whole = false; !whole; ++steps) {
    last = Picture(*store);  // what is put after the last page is not in it
    auto step = (*copy)->Step();
    ASSERT_TRUE(step.ok()) << step.error().message();
    whole = *step;
    if (steps < 5) PutValues(*store, StrCat("new", steps), {{"k", std::string(30'000, 'n')}});
  }
  copy->reset();
  EXPECT_GT(steps, 10);
  EXPECT_EQ(Picture(**Store::Open(path, RawKey(), random_, settings_)), last);
}

TEST_F(StoreKeyTest, ACopyThatIsGivenUpLeavesNothing) {
  settings_.value_bytes = 1 << 20;
  auto store = Fresh();
  PutMany(*store);
  for (int steps : {0, 1, 5, 9}) {
    auto copy = store->BeginCopy(directory_ / "copy.db");
    for (int i = 0; i < steps; ++i) ASSERT_FALSE(*(*copy)->Step());
    copy->reset();
    EXPECT_THAT(FilesIn(directory_ / ""), ElementsAre("store.db", "store.db-wal")) << steps;
  }
}

TEST_F(StoreKeyTest, ABackupIsTheSameStore) {
  auto store = Fresh();
  for (int i = 0; i < 300; ++i) {
    PutValues(*store, "dir" + std::to_string(i % 7) + "/s" + std::to_string(i % 90), {{"k", std::string(i, 'v')}});
  }
  const std::string picture = Picture(*store);
  const std::string copy = directory_ / "copy.db";
  ASSERT_TRUE(CopyTo(*store, copy).ok());
  EXPECT_THAT(FilesIn(directory_ / ""), ElementsAre("copy.db", "store.db", "store.db-wal"));
  struct stat info {};
  ASSERT_EQ(stat(copy.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600U);
  PutValues(*store, "later", {{"k", "v"}});

  auto opened = Store::Open(copy, RawKey(), random_, settings_);
  ASSERT_TRUE(opened.ok()) << opened.error().message();
  EXPECT_EQ(Picture(**opened), picture);
  EXPECT_EQ(PutValues(**opened, "own", {{"k", "v"}}), 1U);
  EXPECT_EQ(Get(*store, "own"), Values());
}

TEST_F(StoreKeyTest, ABackupThatCannotBeWrittenLeavesNothing) {
  auto store = Fresh();
  EXPECT_FALSE(CopyTo(*store, directory_ / "no/such/directory/copy.db").ok());
  EXPECT_THAT(FilesIn(directory_ / ""), ElementsAre("store.db", "store.db-wal"));
}

TEST_F(StoreKeyTest, ASecondProcessIsRefused) {
  Create();
  int ready[2], finish[2];
  ASSERT_EQ(pipe2(ready, O_CLOEXEC), 0);
  ASSERT_EQ(pipe2(finish, O_CLOEXEC), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    close(finish[1]);
    auto store = TryOpen();
    char byte = store.ok() ? '1' : '0';
    if (write(ready[1], &byte, 1) == 1 && read(finish[0], &byte, 1) == 0) _exit(0);
    _exit(1);
  }
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  EXPECT_EQ(byte, '1');
  const Error refused = Refusal(RawKey());
  EXPECT_EQ(refused.kind(), ErrorKind::kUnreachable);
  EXPECT_THAT(refused.message(), HasSubstr("in use by another process"));
  for (const int fd : {ready[0], ready[1], finish[0], finish[1]}) close(fd);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(TryOpen().ok()) << "the lock goes with the process";
}

TEST_F(StoreKeyTest, WhatIsNoStoreIsNamed) {
  EXPECT_EQ(Refusal(RawKey()).kind(), ErrorKind::kNotFound);
  EXPECT_THAT(Refusal(RawKey()).message(), HasSubstr("leasefs store init"));
  const std::pair<std::string, const char*> cases[] = {
      {"", "is empty"}, {"x", "not a leasefs store"}, {std::string(10000, 'x'), "not a leasefs store"}};
  for (const auto& [bytes, expected] : cases) {
    WriteFile(path_, bytes);
    EXPECT_EQ(Refusal(RawKey()).kind(), ErrorKind::kInvalid);
    EXPECT_THAT(Refusal(RawKey()).message(), HasSubstr(expected));
    EXPECT_EQ(ReadFile(path_), bytes);
  }
  ASSERT_EQ(unlink(path_.c_str()), 0);
  ASSERT_EQ(mkdir(path_.c_str(), 0700), 0);
  EXPECT_THAT(Refusal(RawKey()).message(), HasSubstr("is not a file"));
}

}  // namespace
}  // namespace leasefs::store_test
