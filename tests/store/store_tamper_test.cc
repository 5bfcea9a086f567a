// Bytes of the file changed, cut off or exchanged by somebody without the key. What opens is the truth; all else is
// refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "backend/store/store.h"
#include "fs/base/log.h"
#include "fs/base/strings.h"
#include "tests/store/raw_database.h"
#include "tests/store/store_fixture.h"
#include "tests/store/test_vfs.h"

namespace leasefs::store_test {
namespace {

using ::testing::AnyOf;

class StoreTamperTest : public StoreFixture {
 protected:
  StoreTamperTest() {
    SetLogLevel(LogLevel::kError);
    SetFault(Fault::kNone, 0);
    settings_.keep_versions = 2;
    Create();
    // Pages of 512 bytes: more of them, of all kinds (interior, leaf, overflow, free), in a file whose every byte can
    // be tried.
    RawDatabase(path_).Run("PRAGMA journal_mode=DELETE; PRAGMA page_size=512; VACUUM; PRAGMA journal_mode=WAL;");
    auto store = Open();
    PutValues(*store, "web/tls", {{"cert", "old certificate"}, {"key", "old key"}});
    PutValues(*store, "web/tls", {{"cert", std::string(700, 'c')}, {"key", "new key"}});
    PutValues(*store, "web", {{"tls", "another"}});
    for (int i = 0; i < 4; ++i) PutValues(*store, StrCat("db", i), {{"password", "hunter2"}});
    PutValues(*store, "gone", {{"k", std::string(600, 'g')}});
    EXPECT_TRUE(store->Remove("gone", {}, 0, At(2)).ok());
    truth_ = Picture(*store);
    store.reset();
    base_ = ReadFile(path_);
  }

  void Restore(const std::string& file, const std::string& log = "") {
    WriteFile(path_, file);
    unlink((path_ + "-wal").c_str());
    if (!log.empty()) WriteFile(path_ + "-wal", log);
  }

  // What somebody sees who opens the store and reads everything. False: refused, or a read failed, with a reason.
  bool Sees(std::string* picture) {
    auto store = TryOpen();
    if (!store.ok()) {
      EXPECT_FALSE(store.error().message().empty());
      return false;
    }
    *picture = Picture(**store);
    return !picture->starts_with("error: ");
  }

  // Changes it, too: a page that only looks free must not take the change and lose it.
  bool SurvivesAChange() {
    {
      auto store = TryOpen();
      if (!store.ok()) return true;
      if (PutValues(**store, "db0", {{"password", std::string(900, 'n')}}) == 0) return true;
    }
    auto store = TryOpen();
    return !store.ok() || Get(**store, "db0") == Values{{"password", std::string(900, 'n')}};
  }

  std::string truth_, base_;
};

TEST_F(StoreTamperTest, EveryByteFlippedIsTheTruthOrRefused) {
  SimRandom chance(5);
  int refused = 0;
  for (size_t at = 0; at < base_.size(); ++at) {
    for (const int flip : {0xff, 1 << chance.Below(8)}) {
      std::string bytes = base_;
      bytes[at] = static_cast<char>(bytes[at] ^ flip);
      Restore(bytes);
      std::string picture;
      if (Sees(&picture)) {
        ASSERT_EQ(picture, truth_) << "byte " << at;
        ASSERT_TRUE(SurvivesAChange()) << "byte " << at;
      } else {
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, static_cast<int>(base_.size()));
  RecordProperty("refused", refused);
}

TEST_F(StoreTamperTest, TruncatedAtEveryLengthIsRefused) {
  for (size_t size = 0; size < base_.size(); ++size) {
    Restore(base_.substr(0, size));
    std::string picture;
    if (Sees(&picture)) {
      ASSERT_EQ(picture, truth_) << size << " bytes";
      ASSERT_GT(size, base_.size() - 512) << "only a free page at the end may be missing";
    }
  }
}

TEST_F(StoreTamperTest, BytesAppendedChangeNothing) {
  for (const size_t size : {1, 511, 512, 513, 5120}) {
    Restore(base_ + std::string(size, 'x'));
    std::string picture;
    if (Sees(&picture)) {
      ASSERT_EQ(picture, truth_);
      ASSERT_TRUE(SurvivesAChange());
    }
  }
}

TEST_F(StoreTamperTest, PagesExchangedAreRefused) {
  const size_t pages = base_.size() / 512;
  for (size_t a = 0; a < pages; ++a) {
    for (size_t b = 0; b < pages; ++b) {
      if (base_.compare(a * 512, 512, base_, b * 512, 512) == 0) continue;
      std::string bytes = base_;
      bytes.replace(a * 512, 512, base_, b * 512, 512);
      Restore(bytes);
      std::string picture;
      if (Sees(&picture)) {
        ASSERT_EQ(picture, truth_) << "page " << b << " in the place of " << a;
        ASSERT_TRUE(SurvivesAChange()) << "page " << b << " in the place of " << a;
      }
    }
  }
}

TEST_F(StoreTamperTest, PagesOfOlderCopiesAreRefused) {
  std::vector<std::string> copies = {base_};
  std::vector<std::string> truths = {truth_};
  Restore(base_);
  const std::function<void(Store&)> changes[] = {
      [](Store& store) {
        PutValues(store, "db1", {{"password", "better"}});
      },
      [](Store& store) {
        PutValues(store, "db2", {{"password", "better"}});
      },
      [](Store& store) {
        PutValues(store, "db2", {{"password", "hunter2"}});
      },
      [](Store& store) { EXPECT_TRUE(store.Remove("db3", {}, 0, At(3)).ok()); },
      [](Store& store) {
        PutValues(store, "web/tls", {{"key", "newer key"}}, false);
      },
  };
  for (const auto& change : changes) {
    auto store = Open();
    change(*store);
    truths.push_back(Picture(*store));
    store.reset();
    copies.push_back(ReadFile(path_));
  }
  SimRandom chance(9);
  const std::string& now = copies.back();
  int spliced = 0;
  for (size_t copy = 0; copy + 1 < copies.size(); ++copy) {
    const std::string& old = copies[copy];
    std::vector<size_t> different;
    for (size_t page = 0; page * 512 < std::min(old.size(), now.size()); ++page) {
      if (old.compare(page * 512, 512, now, page * 512, 512) != 0) different.push_back(page);
    }
    // Every page alone, every page but one, and many of the sets between.
    for (size_t round = 0; round < 2 * different.size() + 200; ++round) {
      std::string bytes = now;
      size_t taken = 0;
      for (size_t i = 0; i < different.size(); ++i) {
        const bool take = round < different.size()       ? i == round
                          : round < 2 * different.size() ? i != round - different.size()
                                                         : chance.Below(2) == 0;
        if (!take) continue;
        bytes.replace(different[i] * 512, 512, old, different[i] * 512, 512);
        ++taken;
      }
      if (taken == 0 || taken == different.size()) continue;
      Restore(bytes);
      std::string picture;
      ++spliced;
      if (Sees(&picture)) {
        ASSERT_EQ(picture, truths.back()) << "copy " << copy << ", round " << round;
      }
    }
  }
  EXPECT_GT(spliced, 500);
}

// A log that a crash left behind.
class StoreLogTest : public StoreTamperTest {
 protected:
  struct Left {
    std::string file, log;
  };
  StoreLogTest() {
    settings_.vfs = kTestVfs;
    std::vector<Left> all;
    for (int64_t at = 1;; ++at) {
      Restore(base_);
      const pid_t child = fork();
      if (child == 0) {
        SetFault(Fault::kExit, at);
        Store* store = Open().release();
        _exit(PutValues(*store, "db1", {{"password", "better"}}) != 0 ? 0 : 2);
      }
      int status = 0;
      EXPECT_EQ(waitpid(child, &status, 0), child);
      if (status == 0) break;
      all.push_back({ReadFile(path_), ReadFile(path_ + "-wal")});
    }
    {
      auto store = Open();
      fresh_ = Picture(*store);
    }
    EXPECT_NE(fresh_, truth_);
    // The whole log and nothing of it taken over, a part of it, and all of it.
    std::erase_if(all, [&](const Left& one) { return one.log.size() < all.back().log.size(); });
    const auto taking = std::find_if(all.begin(), all.end(), [&](const Left& one) { return one.file != base_; });
    const auto taken = all.end() - 1;
    EXPECT_NE(taking, all.begin());
    EXPECT_LT(taking, taken);
    for (const auto& one : {taking - 1, taking + (taken - taking) / 2, taken}) left_.push_back(*one);
  }

  std::vector<Left> left_;
  std::string fresh_;
};

TEST_F(StoreLogTest, EveryByteFlippedIsTheOldOrTheNewStateOrRefused) {
  SimRandom chance(6);
  for (const Left& left : left_) {
    for (size_t at = 0; at < left.log.size(); ++at) {
      std::string log = left.log;
      log[at] = static_cast<char>(log[at] ^ (1 << chance.Below(8)));
      Restore(left.file, log);
      std::string picture;
      if (Sees(&picture)) {
        ASSERT_THAT(picture, AnyOf(truth_, fresh_)) << "byte " << at;
      }
    }
  }
}

TEST_F(StoreLogTest, TruncatedAtEveryLengthIsTheOldOrTheNewStateOrRefused) {
  for (const Left& left : left_) {
    for (size_t size = 0; size < left.log.size(); ++size) {
      Restore(left.file, left.log.substr(0, size));
      std::string picture;
      if (Sees(&picture)) {
        ASSERT_THAT(picture, AnyOf(truth_, fresh_)) << size << " bytes";
      }
    }
  }
}

TEST_F(StoreLogTest, ALogOfAnOlderMomentTakesNothingBack) {
  // The log of an acknowledged change, kept by somebody, beside the file as it is some changes later.
  const std::string old_log = left_.back().log;
  std::vector<std::string> files;
  std::vector<std::string> truths;
  for (int i = 0; i < 4; ++i) {
    auto store = Open();
    PutValues(*store, i % 2 == 0 ? "db1" : "db2", {{"password", StrCat("best ", i)}});
    truths.push_back(Picture(*store));
    store.reset();
    files.push_back(ReadFile(path_));
  }
  for (size_t i = 0; i < files.size(); ++i) {
    Restore(files[i], old_log);
    std::string picture;
    if (Sees(&picture)) {
      ASSERT_EQ(picture, truths[i]);
    }
  }
}

}  // namespace
}  // namespace leasefs::store_test
