// The process ends, the disk is full, or the power goes, at every single operation on the store's files: what is there
// afterwards is the state before the change or the state after it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <set>

#include "backend/store/store.h"
#include "fs/base/log.h"
#include "fs/base/strings.h"
#include "tests/store/store_fixture.h"
#include "tests/store/test_vfs.h"

namespace leasefs::store_test {
namespace {

using ::testing::AnyOf;

struct NamedChange {
  const char* name;
  std::function<Status(Store&)> make;
};

Status PutMany(Store& store, const std::string& prefix, int count, size_t value_size) {
  std::vector<Store::Put> puts;
  puts.reserve(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) puts.push_back(PutOf(StrCat(prefix, i), {{"k", std::string(value_size, 'v')}}));
  const auto versions = store.Apply(std::move(puts), 0, "import", At(5));
  return versions.ok() ? Ok() : Status(versions.error());
}

const std::vector<NamedChange>& Changes() {
  static const std::vector<NamedChange> changes = {
      {"put of a new secret", [](Store& store) { return PutMany(store, "new", 1, 20); }},
      {"put over an old one", [](Store& store) { return PutMany(store, "app/s", 1, 30); }},
      {"put of a large value", [](Store& store) { return PutMany(store, "app/s", 1, 30'000); }},
      {"import", [](Store& store) { return PutMany(store, "import/s", 40, 200); }},
      {"rm", [](Store& store) { return store.Remove("app/s1", {}, 0, At(5)); }},
      {"rm of a key", [](Store& store) { return store.Remove("two", {"a"}, 0, At(5)); }},
      {"rollback",
       [](Store& store) {
         const auto version = store.Rollback("app/s0", 2, 0, At(5));
         return version.ok() ? Ok() : Status(version.error());
       }},
      {"rekey", [](Store& store) { return store.Rekey(RawKey('n')); }},
      {"rekey to its end",
       [](Store& store) {
         const Status begun = store.Rekey(RawKey('n'));
         return begun.ok() ? FinishRekey(store) : begun;
       }},
  };
  return changes;
}

class StoreCrashTest : public StoreFixture {
 protected:
  StoreCrashTest() {
    SetLogLevel(LogLevel::kError);  // each full disk is a warning
    SetFault(Fault::kNone, 0);
    settings_.vfs = kTestVfs;
    settings_.value_bytes = 1 << 20;
    auto store = Fresh();
    for (int i = 0; i < 4; ++i) {
      for (int j = 0; j < 3; ++j) PutValues(*store, StrCat("app/s", i), {{"k", StrCat("value ", j)}});
    }
    PutValues(*store, "two", {{"a", "1"}, {"b", "2"}});
    old_ = Picture(*store);
    store.reset();
    base_ = ReadFile(path_);
  }

  void Restore() {
    WriteFile(path_, base_);
    unlink((path_ + "-wal").c_str());
  }

  std::string After(const NamedChange& change) {
    Restore();
    auto store = Open();
    EXPECT_TRUE(change.make(*store).ok()) << change.name;
    return Picture(*store);
  }

  // The store as somebody would open it who tries the new key and then the old one.
  std::string Reopened() {
    auto store = TryOpen(RawKey('n'));
    if (!store.ok()) store = TryOpen();
    return store.ok() ? Picture(**store) : "error: " + store.error().message();
  }

  // `act` in a process of its own with a fault; its exit status.
  int InAnotherProcess(Fault fault, int64_t at, const std::function<int()>& act) {
    const pid_t child = fork();
    if (child == 0) {
      SetFault(fault, at);
      _exit(act());
    }
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  int OpenAndMake(const NamedChange& change) {
    auto store = TryOpen();
    if (!store.ok()) return 2;
    return change.make(**store).ok() ? 0 : 3;  // then it is closed, which is killed as well
  }

  std::string old_, base_;
};

TEST_F(StoreCrashTest, KilledAtEveryWriteLeavesTheOldOrTheNewState) {
  for (const NamedChange& change : Changes()) {
    const std::string fresh = After(change);
    for (const Fault fault : {Fault::kExit, Fault::kExitMidway}) {
      std::set<std::string> seen;
      int status = kKilled;
      int64_t at = 1;
      for (; status == kKilled; ++at) {
        Restore();
        status = InAnotherProcess(fault, at, [&] { return OpenAndMake(change); });
        ASSERT_THAT(status, AnyOf(0, kKilled)) << change.name << " at " << at;
        const std::string now = Reopened();
        ASSERT_THAT(now, AnyOf(old_, fresh)) << change.name << " at " << at;
        if (status == 0) {
          ASSERT_EQ(now, fresh) << change.name << ": acknowledged";
        }
        seen.insert(now);
      }
      EXPECT_GT(at, 6) << change.name;
      EXPECT_EQ(seen.size(), old_ == fresh ? 1U : 2U) << change.name;
    }
  }
}

// A backup that was put back beside the log of the store that was there before.
TEST_F(StoreCrashTest, ALogThatBelongsToAnotherFileDoesNotChangeTheFileThatIsRefused) {
  ASSERT_TRUE(PutMany(*Open(), "many", 60, 500).ok());  // so that a change is in few of the pages
  base_ = ReadFile(path_);
  int refused = 0;
  for (int64_t at = 1;; ++at) {
    Restore();
    if (InAnotherProcess(Fault::kExit, at, [&] { return OpenAndMake(Changes()[1]); }) == 0) break;
    const std::string log = ReadFile(path_ + "-wal");
    Restore();
    {
      auto other = Open();
      ASSERT_TRUE(PutMany(*other, "many", 60, 400).ok());
    }
    const std::string file = ReadFile(path_);
    WriteFile(path_ + "-wal", log);
    const auto opened = TryOpen();
    if (opened.ok()) continue;  // the log was cut before its change was whole
    ++refused;
    ASSERT_TRUE(ReadFile(path_) == file) << at << ": " << opened.error().message();
    unlink((path_ + "-wal").c_str());
    ASSERT_TRUE(TryOpen().ok()) << at;
  }
  EXPECT_GT(refused, 0);
}

TEST_F(StoreCrashTest, KilledAgainAtEveryWriteOfTheRecovery) {
  const NamedChange& change = Changes()[1];
  const std::string fresh = After(change);
  for (int64_t at = 1;; ++at) {
    Restore();
    if (InAnotherProcess(Fault::kExit, at, [&] { return OpenAndMake(change); }) == 0) break;
    const std::string file = ReadFile(path_), log = ReadFile(path_ + "-wal");
    for (int64_t again = 1;; ++again) {
      WriteFile(path_, file);
      WriteFile(path_ + "-wal", log);
      const int status = InAnotherProcess(Fault::kExitMidway, again, [&] { return TryOpen().ok() ? 0 : 2; });
      ASSERT_THAT(status, AnyOf(0, kKilled));
      ASSERT_THAT(Reopened(), AnyOf(old_, fresh)) << at << ", " << again;
      if (status == 0) break;
    }
  }
}

TEST_F(StoreCrashTest, KilledWhileItIsMadeThereIsNoStoreOrAWholeOne) {
  const std::string made = directory_ / "made.db";
  for (int64_t at = 1;; ++at) {
    unlink(made.c_str());
    const int status = InAnotherProcess(Fault::kExitMidway, at, [&] {
      SimRandom random(static_cast<uint64_t>(at));
      return Store::Create(made, RawKey(), random, settings_).ok() ? 0 : 2;
    });
    ASSERT_THAT(status, AnyOf(0, kKilled));
    auto store = Store::Open(made, RawKey(), random_, settings_);
    ASSERT_EQ(store.ok(), status == 0);
    if (status == 0) break;
    EXPECT_EQ(store.error().kind(), ErrorKind::kNotFound);
  }
}

TEST_F(StoreCrashTest, KilledDuringABackupTheStoreIsAsBeforeAndTheNextBackupLeavesOneFile) {
  const std::string copy = directory_ / "copy.db";
  for (int64_t at = 1;; ++at) {
    Restore();
    const auto backup = [&] {
      Store* store = Open().release();  // closing it is no part of the backup
      return CopyTo(*store, copy).ok() ? 0 : 2;
    };
    const int status = InAnotherProcess(Fault::kExitMidway, at, backup);
    ASSERT_THAT(status, AnyOf(0, kKilled));
    ASSERT_EQ(Reopened(), old_);
    for (const std::string& name : FilesIn(directory_ / ""))
      ASSERT_THAT(name, AnyOf("store.db", "store.db-wal", "copy.db", "copy.db-wal", "copy.db-journal")) << at;
    ASSERT_EQ(InAnotherProcess(Fault::kNone, 0, backup), 0);
    ASSERT_THAT(FilesIn(directory_ / ""), testing::IsSupersetOf({"copy.db", "store.db"}));
    ASSERT_LE(FilesIn(directory_ / "").size(), 3U) << "beside these the log of the store";
    EXPECT_EQ(Picture(**Store::Open(copy, RawKey(), random_, settings_)), old_);
    if (status == 0) break;
  }
}

TEST_F(StoreCrashTest, AFullOrFailingDiskIsAnErrorAndTheOldState) {
  for (const NamedChange& change : Changes()) {
    const std::string fresh = After(change);
    for (const Fault fault : {Fault::kFull, Fault::kFullForAll, Fault::kIoError}) {
      for (int64_t at = 1;; ++at) {
        Restore();
        auto store = Open();
        SetFault(fault, at);
        const bool done = change.make(*store).ok();
        const bool met = OperationsSinceSetFault() >= at;
        SetFault(Fault::kNone, 0);
        const std::string expected = done ? fresh : old_;
        ASSERT_EQ(Picture(*store), expected) << change.name << " at " << at;
        ASSERT_NE(PutValues(*store, "afterwards", {{"k", "v"}}), 0U) << change.name << " at " << at;
        ASSERT_EQ(ReadFile(path_ + "-wal"), "") << "what was left in the log went with the next change";
        const std::string living = Picture(*store);
        store.reset();
        ASSERT_EQ(Reopened(), living) << change.name << " at " << at;
        if (!met) break;
      }
    }
  }
}

TEST_F(StoreCrashTest, KilledAfterAFailedChangeIsTheOldOrTheNewState) {
  const NamedChange& change = Changes()[1];
  const std::string fresh = After(change);
  for (int64_t at = 1;; ++at) {
    Restore();
    const int status = InAnotherProcess(Fault::kFullForAll, at, [&] { return OpenAndMake(change); });
    const std::string now = Reopened();
    ASSERT_THAT(now, AnyOf(old_, fresh)) << at;
    if (status == 0) {
      ASSERT_EQ(now, fresh);
    }
    if (OpenAndMake(change) == 0 && status == 0) break;
  }
}

TEST_F(StoreCrashTest, NothingStaysInTheLogOnceAChangeIsAcknowledged) {
  for (const NamedChange& change : Changes()) {
    Restore();
    auto store = Open();
    ASSERT_TRUE(change.make(*store).ok());
    EXPECT_EQ(ReadFile(path_ + "-wal"), "") << change.name;
    const std::string living = Picture(*store);
    const std::string file = ReadFile(path_);
    store.reset();
    WriteFile(path_, file);
    unlink((path_ + "-wal").c_str());
    EXPECT_EQ(Reopened(), living) << change.name;
  }
}

// What a disk may hold when the power goes: all that was synced, and of the rest whatever it likes, torn at its
// sectors.
class Disk {
 public:
  explicit Disk(std::map<std::string, std::string> files) : synced_(std::move(files)) {}

  void Do(const FileOperation& operation) {
    if (operation.kind != FileOperation::Kind::kSync) {
      pending_.push_back(operation);
      return;
    }
    std::vector<FileOperation> rest;
    for (FileOperation& one : pending_) {
      if (one.file == operation.file) {
        ApplyTo(synced_, one);
      } else {
        rest.push_back(std::move(one));
      }
    }
    pending_ = std::move(rest);
  }

  // `keep` says of each sector of each unsynced operation whether it reached the disk.
  std::map<std::string, std::string> AfterPowerLoss(const std::function<bool()>& keep) const {
    std::map<std::string, std::string> files = synced_;
    for (const FileOperation& one : pending_) {
      if (one.kind != FileOperation::Kind::kWrite) {
        if (keep()) ApplyTo(files, one);
        continue;
      }
      for (size_t at = 0; at < one.data.size(); at += 512) {
        FileOperation sector = one;
        sector.offset += static_cast<int64_t>(at);
        sector.data = one.data.substr(at, 512);
        if (keep()) ApplyTo(files, sector);
      }
    }
    return files;
  }

 private:
  static void ApplyTo(std::map<std::string, std::string>& files, const FileOperation& operation) {
    if (operation.kind == FileOperation::Kind::kDelete) {
      files.erase(operation.file);
      return;
    }
    std::string& bytes = files[operation.file];
    const auto offset = static_cast<size_t>(operation.offset);
    if (operation.kind == FileOperation::Kind::kTruncate) {
      bytes.resize(offset);
    } else {
      if (bytes.size() < offset + operation.data.size()) bytes.resize(offset + operation.data.size());
      bytes.replace(offset, operation.data.size(), operation.data);
    }
  }

  std::map<std::string, std::string> synced_;
  std::vector<FileOperation> pending_;
};

class StorePowerTest : public StoreCrashTest {
 protected:
  std::string ReopenedFrom(const std::map<std::string, std::string>& files) {
    for (const std::string& name : FilesIn(directory_ / "")) unlink((directory_ / name).c_str());
    for (const auto& [path, bytes] : files) WriteFile(path, bytes);
    return Reopened();
  }
};

TEST_F(StorePowerTest, LostAtEveryOperationLeavesTheOldOrTheNewState) {
  SimRandom chance(11);
  for (const NamedChange& change : Changes()) {
    Restore();
    std::vector<FileOperation> log;
    std::string fresh;
    {
      auto store = Open();
      LogOperations(&log);
      ASSERT_TRUE(change.make(*store).ok());
      LogOperations(nullptr);
      fresh = Picture(*store);
    }
    Disk disk(std::map<std::string, std::string>{{path_, base_}});
    for (size_t done = 0; done <= log.size(); ++done) {
      if (done > 0) disk.Do(log[done - 1]);
      std::vector<std::function<bool()>> fates = {[] { return false; }, [] { return true; }};
      for (int i = 0; i < 4; ++i) fates.emplace_back([&chance] { return chance.Below(2) == 0; });
      for (const auto& fate : fates) {
        const std::string now = ReopenedFrom(disk.AfterPowerLoss(fate));
        ASSERT_THAT(now, AnyOf(old_, fresh)) << change.name << " after " << done << " of " << log.size();
        if (done == log.size()) {
          ASSERT_EQ(now, fresh) << change.name << ": acknowledged";
        }
      }
    }
  }
}

}  // namespace
}  // namespace leasefs::store_test
