// The list of leases on a disk, and what the machine does at the first start after a power cut.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "backend/lease/file_lease_list.h"
#include "fs/base/strings.h"
#include "tests/lease/machine_fixture.h"

namespace leasefs::lease {
namespace {

class LeaseListTest : public MachineFixture {
 protected:
  LeaseListTest() {
    char name[] = "/tmp/leasefs-list-XXXXXX";
    folder_ = mkdtemp(name);
    path_ = folder_ + "/leases";
  }
  ~LeaseListTest() override {
    Kill();
    list_.reset();
    std::filesystem::remove_all(folder_);
  }

  static AeadKey Key(int fill = 7) {
    SecretBuffer key(kKeyBytes);
    std::memset(key.ExposeMutable().data(), fill, kKeyBytes);
    return AeadKey(std::move(key));
  }
  Result<std::unique_ptr<FileLeaseList>> Open(const std::string& boot) {
    return FileLeaseList::Open(loop_, path_, Key(), boot);
  }
  std::string Bytes() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void Write(const std::string& bytes) const { std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes; }
  static std::set<std::string> Ids(const FileLeaseList& list) {
    std::set<std::string> ids;
    for (const ListedLease& lease : list.Left()) ids.insert(lease.id);
    return ids;
  }
  ListedLease Lease(const std::string& id, Duration life = 1h) { return {"", id, loop_.WallNow() + life}; }

  // The power goes: a new boot with new surviving memory.
  void PowerCut() {
    Kill();
    list_.reset();
    records_ = MapRecords();
    auto list = Open(StrCat("boot-", ++boots_));
    ASSERT_TRUE(list.ok()) << list.error().message();
    list_ = std::move(*list);
    machine_ = std::make_unique<LeaseMachine>(loop_, source_, records_, options_, list_.get());
  }

  std::string folder_;
  std::string path_;
  std::unique_ptr<FileLeaseList> list_;
  int boots_ = 0;
};

TEST_F(LeaseListTest, WhatAnEarlierBootListedIsLeftAndWhatThisOneListedIsNot) {
  {
    auto list = Open("a");
    ASSERT_TRUE(list.ok());
    (*list)->Set("db", {Lease("one"), Lease("two")});
    loop_.RunFor(1s);
    (*list)->Set("db", {Lease("two"), Lease("three")});
    EXPECT_TRUE((*list)->Left().empty());
  }
  EXPECT_TRUE((*Open("a"))->Left().empty());
  auto list = Open("b");
  EXPECT_EQ(Ids(**list), (std::set<std::string>{"two", "three"}));
  (*list)->Set("db", {Lease("four")});  // of this boot: the others stay
  (*list)->Drop("two");
  list->reset();
  EXPECT_EQ(Ids(**Open("b")), std::set<std::string>{"three"});
  struct stat info = {};
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
}

TEST_F(LeaseListTest, NoIdCanBeSeenAndAChangeOfTheFileNeverGivesALeaseThatWasNotListed) {
  {
    auto list = Open("a");
    for (const char* id : {"canary-1", "canary-2", "canary-3"}) {
      (*list)->Set(id, {Lease(id)});
      loop_.RunFor(1s);
    }
  }
  std::string good = Bytes();
  EXPECT_EQ(good.find("canary"), std::string::npos);
  for (size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    Write(bad);
    auto list = Open("b");
    // A length that reaches beyond the file looks like a piece that a power cut left half written: it is cut off.
    std::set<std::string> ids = list.ok() ? Ids(**list) : std::set<std::string>{};
    EXPECT_TRUE(ids.empty() || ids == std::set<std::string>{"canary-1"} ||
                ids == (std::set<std::string>{"canary-1", "canary-2"}))
        << at;
  }
  Write(good);
  EXPECT_EQ(FileLeaseList::Open(loop_, path_, Key(8), "b").error().kind(), ErrorKind::kInvalid);
}

TEST_F(LeaseListTest, APowerCutAtAnyByteLeavesAStateThatWas) {
  std::vector<std::set<std::string>> states = {{}};
  {
    auto list = Open("a");
    std::set<std::string> ids;
    for (int i = 0; i < 5; ++i) {
      std::string id = StrCat("lease-", i);
      ids.insert(id);
      (*list)->Set(id, {Lease(id)});
      loop_.RunFor(1s);
      states.push_back(ids);
    }
  }
  std::string whole = Bytes();
  for (size_t length = 0; length <= whole.size(); ++length) {
    Write(whole.substr(0, length));
    auto list = Open("b");
    ASSERT_TRUE(list.ok()) << length << ": " << list.error().message();
    EXPECT_NE(std::find(states.begin(), states.end(), Ids(**list)), states.end()) << length;
    (*list)->Set("more", {Lease("more")});
    list->reset();
    EXPECT_TRUE(Ids(**Open("c")).count("more")) << length;
  }
}

// As a filesystem leaves it that had written the size and not yet the data.
TEST_F(LeaseListTest, APowerCutThatLeavesZerosLosesTheLastPieceAtMost) {
  {
    auto list = Open("a");
    for (const char* id : {"one", "two"}) {
      (*list)->Set(id, {Lease(id)});
      loop_.RunFor(1s);
    }
  }
  const std::string before = Bytes();
  {
    auto list = Open("a");
    (*list)->Set("three", {Lease("three")});
  }
  const std::string whole = Bytes();
  for (const size_t more : {0, 1, 4, 5, 4096}) {
    for (size_t there = before.size(); there <= whole.size(); ++there) {
      Write(whole.substr(0, there) + std::string(whole.size() - there + more, '\0'));
      auto list = Open("b");
      ASSERT_TRUE(list.ok()) << there << " and zeros: " << list.error().message();
      std::set<std::string> ids{"one", "two"};
      if (there == whole.size()) ids.insert("three");
      EXPECT_EQ(Ids(**list), ids) << there;
      (*list)->Set("more", {Lease("more")});
      list->reset();
      ids.insert("more");
      EXPECT_EQ(Ids(**Open("c")), ids) << there;
    }
  }
  std::string damaged = whole + std::string(4096, '\0');
  damaged[before.size() - 1] ^= 1;
  Write(damaged);
  EXPECT_EQ(Open("b").error().kind(), ErrorKind::kInvalid) << "it is not the last piece";
}

TEST_F(LeaseListTest, ALeaseWithoutAnEndIsWrittenOnce) {
  auto list = Open("a");
  const std::vector<ListedLease> leases{{"", "endless", WallTime::max()}};
  (*list)->Set("db", leases);
  loop_.RunFor(1s);
  const std::string written = Bytes();
  (*list)->Set("db", leases);
  loop_.RunFor(1s);
  EXPECT_EQ(Bytes(), written);
  (*list)->Set("db", {Lease("endless")});
  loop_.RunFor(1s);
  EXPECT_NE(Bytes(), written);
}

TEST_F(LeaseListTest, TheFileDoesNotGrowForEver) {
  auto list = Open("a");
  const std::string end(2000, 'x');
  for (int i = 0; i < 100; ++i) {
    (*list)->Set("db", {Lease(StrCat(i, end))});
    loop_.RunFor(200ms);
  }
  EXPECT_LT(Bytes().size(), size_t{80} << 10);
  list->reset();
  EXPECT_EQ(Ids(**Open("b")), std::set<std::string>{"99" + end});
}

TEST_F(LeaseListTest, ADiskThatFailsIsAProblemUntilItIsWrittenAgain) {
  auto list = Open("a");
  std::filesystem::create_directory(path_ + ".new");  // in the way of a file written anew
  for (int i = 0; i < 100 && (*list)->problem().empty(); ++i) {
    (*list)->Set("db", {Lease(StrCat(i, std::string(2000, 'x')))});
    loop_.RunFor(200ms);
  }
  EXPECT_NE((*list)->problem().find("leases"), std::string::npos);
  std::filesystem::remove(path_ + ".new");
  loop_.RunFor(20s);
  EXPECT_EQ((*list)->problem(), "");
}

TEST_F(LeaseListTest, AfterAPowerCutWhatIsListedIsRevokedAndWhatHasEndedIsDropped) {
  PowerCut();
  std::set<std::string> revoked;
  source_.on_revoke = [&](const std::string& id) {
    revoked.insert(id);
    return Done{};
  };
  ASSERT_TRUE(Read("db").ok());
  loop_.RunFor(1s);
  PowerCut();
  loop_.RunFor(1s);
  EXPECT_EQ(revoked, std::set<std::string>{"lease-1"});
  EXPECT_EQ(source_.figures.logins, 2);
  EXPECT_TRUE(list_->Left().empty());
  ASSERT_TRUE(Read("db").ok());
  loop_.RunFor(1s);
  Kill();
  loop_.RunFor(2h);  // without power
  source_.on_revoke = [](auto&&...) { return Gone(); };
  PowerCut();
  loop_.RunFor(1min);
  EXPECT_TRUE(list_->Left().empty());
  EXPECT_EQ(source_.figures.revocations, 2);  // the server was asked: it alone knows the time
  EXPECT_EQ(machine_->Report().revocations, 0U);
}

TEST_F(LeaseListTest, S20_AWallClockThatWasSetForgetsNoLease) {
  PowerCut();
  ASSERT_TRUE(Read("db").ok());
  loop_.RunFor(1s);
  for (const Duration step : {Duration(24h * 365), Duration(-24h * 3650)}) {
    loop_.StepWallClock(step);
    source_.on_revoke = [](auto&&...) { return Outage(); };
    PowerCut();
    loop_.RunFor(1min);
    EXPECT_EQ(list_->Left().size(), 1U);
    EXPECT_LT(source_.figures.revocations, 30);
  }
  std::vector<std::string> revoked;
  source_.on_revoke = [&](const std::string& id) {
    revoked.push_back(id);
    return Done{};
  };
  loop_.RunFor(1min);
  EXPECT_EQ(revoked, std::vector<std::string>{"lease-1"});
  EXPECT_TRUE(list_->Left().empty());
}

TEST_F(LeaseListTest, WhatLivesByTheWallClockIsRevokedBeforeWhatHasEndedByIt) {
  options_.trees.push_back(NewTree("db2", Engine::kDynamic));
  source_.token_life = 24h;
  PowerCut();
  ASSERT_TRUE(Read("db").ok());
  source_.lease_life = 5h;
  ASSERT_TRUE(Read("db2").ok());
  loop_.RunFor(1s);
  Kill();
  loop_.RunFor(2h);
  std::vector<std::string> asked;
  source_.on_revoke = [&](const std::string& id) {
    asked.push_back(id);
    return Done{};
  };
  PowerCut();
  loop_.RunFor(1min);
  EXPECT_EQ(asked, (std::vector<std::string>{"lease-2", "lease-1"}));
}

TEST_F(LeaseListTest, WhatAKillKeptOffTheListIsListedByTheSuccessor) {
  PowerCut();
  ASSERT_TRUE(Read("db").ok());
  const std::string before = Bytes();
  Kill();
  list_.reset();
  ASSERT_NE(Bytes(), before);
  Write(before);  // the process was killed before it wrote
  list_ = std::move(*Open(StrCat("boot-", boots_)));
  machine_ = std::make_unique<LeaseMachine>(loop_, source_, records_, options_, list_.get());
  loop_.RunFor(1s);
  Kill();
  list_.reset();
  EXPECT_EQ(Ids(**Open("another boot")), std::set<std::string>{"lease-1"});
}

TEST_F(LeaseListTest, WhenTheDaemonAloneWasStoppedProgramsKeepWhatTheyRead) {
  PowerCut();
  ASSERT_TRUE(Read("db").ok());
  loop_.RunFor(1s);
  --boots_;  // the same boot
  PowerCut();
  loop_.RunFor(1min);
  EXPECT_EQ(source_.figures.revocations, 0);
}

TEST_F(LeaseListTest, ALeftoverThatCannotBeRevokedStandsInNobodysWay) {
  options_.trees.push_back(NewTree("db2", Engine::kDynamic));
  PowerCut();
  ASSERT_TRUE(Read("db").ok());
  ASSERT_TRUE(Read("db2").ok());
  loop_.RunFor(1s);
  const std::string stuck = "lease-1";
  source_.on_revoke = [&](const std::string& id) -> Answer<Done> {
    return id == stuck ? Answer<Done>(Outage(ErrorKind::kRemote)) : Answer<Done>(Done());
  };
  PowerCut();
  loop_.RunFor(1min);
  ASSERT_EQ(list_->Left().size(), 1U);
  EXPECT_EQ(list_->Left()[0].id, stuck);
}

TEST_F(LeaseListTest, RevocationOfLeftoversOutlastsAnOutageAndADenialIsToldOnce) {
  PowerCut();
  ASSERT_TRUE(Read("db").ok());
  loop_.RunFor(1s);
  source_.on_login = [](auto&&...) { return Outage(); };
  PowerCut();
  loop_.RunFor(5min);
  EXPECT_EQ(list_->Left().size(), 1U);
  EXPECT_LT(source_.figures.logins, 60);
  source_.on_login = [&](auto&&...) { return source_.NewToken(); };
  source_.on_revoke = [](auto&&...) { return Forbidden(); };
  loop_.RunFor(2min);
  EXPECT_TRUE(list_->Left().empty());
  ASSERT_EQ(machine_->Report().problems.size(), 1U);
  EXPECT_NE(machine_->Report().problems[0].find("may not be revoked"), std::string::npos);
}

}  // namespace
}  // namespace leasefs::lease
