// The keeper with real processes, a real mount and fake children.
#include "fs/keeper/keeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "fs/keeper/mount_table.h"
#include "tests/keeper/keeper_harness.h"

namespace leasefs {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class KeeperTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root: it mounts";
  }
  void ExpectReady() { ASSERT_TRUE(harness_.StartAndWaitUntilReady()) << harness_.Log(); }
  void ExpectStops(int status = kExitOk) {
    EXPECT_EQ(harness_.WaitForExit(), std::optional<int>(status)) << harness_.Log();
  }
  bool WaitForStarts(const std::string& role, size_t count) {
    return KeeperHarness::WaitFor([&] { return harness_.Lines(role + " start pid=").size() >= count; });
  }
  bool WaitForLine(const std::string& text) {
    return KeeperHarness::WaitFor([&] { return !harness_.Lines(text).empty(); });
  }
  bool WaitForLog(const std::string& text) {
    return KeeperHarness::WaitFor([&] { return harness_.Log().find(text) != std::string::npos; });
  }
  KeeperHarness harness_;
};

TEST_F(KeeperTest, StartsEachRoleWithExactlyItsDescriptorsAndAnEmptyEnvironment) {
  ExpectReady();
  std::string fs = harness_.Lines("fs start pid=").at(0);
  std::string store = harness_.Lines("store start pid=").at(0);
  EXPECT_THAT(fs, HasSubstr(" fds=0,1,2,3,4,5,6,7,8,9,10,11,12 env=NO_COLOR=1; signals=clear"));
  EXPECT_THAT(store, HasSubstr(" fds=0,1,2,3,4,6,7 env=NO_COLOR=1; signals=clear"));
  EXPECT_THAT(fs, HasSubstr("--uid 60001 --gid 60001 --peer-group 60003 --role fs --generation 1"));
  EXPECT_THAT(store, HasSubstr("--uid 60002 --gid 65534 --peer-group 60003 --role store --name local"));
}

TEST_F(KeeperTest, MountsReadOnlyAndOpensItsSocketsForTheGroup) {
  ExpectReady();
  auto table = ReadMountTable();
  ASSERT_TRUE(table.ok());
  auto top = TopMountAt(*table, harness_.Path("mnt"));
  ASSERT_TRUE(top.has_value());
  EXPECT_EQ(top->type, "fuse.leasefs");
  EXPECT_EQ(top->options, "ro,nosuid,nodev,noexec,relatime");
  for (const char* name : {"run/control.sock", "run/store-local.sock"}) {
    struct stat info;
    ASSERT_EQ(lstat(harness_.Path(name).c_str(), &info), 0);
    EXPECT_EQ(info.st_mode, static_cast<mode_t>(S_IFSOCK | 0660)) << name;
    EXPECT_EQ(info.st_uid, 0u);
    EXPECT_EQ(info.st_gid, 60003u);
  }
  struct stat audit;
  ASSERT_EQ(stat(harness_.Path("audit.jsonl").c_str(), &audit), 0);
  EXPECT_EQ(audit.st_mode, static_cast<mode_t>(S_IFREG | 0640));
}

TEST_F(KeeperTest, ConnectsBothSidesAgainWheneverOneIsReplaced) {
  ExpectReady();
  pid_t fs = harness_.ChildPid("fs"), store = harness_.ChildPid("store");
  EXPECT_TRUE(WaitForLine("store hears fs " + std::to_string(fs)));
  EXPECT_TRUE(WaitForLine("fs hears store " + std::to_string(store)));
  ASSERT_EQ(kill(store, SIGKILL), 0);
  ASSERT_TRUE(WaitForStarts("store", 2));
  EXPECT_TRUE(WaitForLine("fs hears store " + std::to_string(harness_.ChildPid("store"))));
  ASSERT_EQ(kill(fs, SIGKILL), 0);
  ASSERT_TRUE(WaitForStarts("fs", 2));
  EXPECT_TRUE(WaitForLine("store hears fs " + std::to_string(harness_.ChildPid("fs"))));
}

TEST_F(KeeperTest, ConnectsBothSidesAgainWhenFsHasLostABackendThatRuns) {
  ExpectReady();
  pid_t fs = harness_.ChildPid("fs"), store = harness_.ChildPid("store");
  std::string heard = "fs hears store " + std::to_string(store);
  ASSERT_TRUE(WaitForLine(heard));
  harness_.Tell("lose-peer-fs");
  EXPECT_TRUE(KeeperHarness::WaitFor([&] { return harness_.Lines(heard).size() == 2; })) << harness_.Log();
  std::string heard_back = "store hears fs " + std::to_string(fs);
  EXPECT_TRUE(KeeperHarness::WaitFor([&] { return harness_.Lines(heard_back).size() == 2; }));
  EXPECT_EQ(harness_.ChildPid("store"), store) << "nobody was replaced";
}

TEST_F(KeeperTest, HandsTheSuccessorTheSameMemoryAndKey) {
  ExpectReady();
  ASSERT_EQ(kill(harness_.ChildPid("fs"), SIGKILL), 0);
  ASSERT_TRUE(WaitForStarts("fs", 2));
  std::string first = harness_.Lines("fs start pid=").at(0), second = harness_.Lines("fs start pid=").at(1);
  EXPECT_THAT(first, HasSubstr(" state=1 "));
  EXPECT_THAT(second, HasSubstr(" state=2 "));
  auto key = [](const std::string& line) {
    return line.substr(line.find(" key="), line.find(" args=") - line.find(" key="));
  };
  EXPECT_EQ(key(first), key(second));
  EXPECT_THAT(key(first), Not(HasSubstr("none")));
}

TEST_F(KeeperTest, ReplacesAChildThatStopsAnswering) {
  harness_.options().fs_watch.ping_interval = std::chrono::milliseconds(50);
  ExpectReady();
  pid_t stuck = harness_.ChildPid("fs");
  const size_t starts = harness_.Lines("fs start pid=").size();
  ASSERT_EQ(kill(stuck, SIGSTOP), 0);
  ASSERT_TRUE(WaitForStarts("fs", starts + 1)) << harness_.Log();
  EXPECT_THAT(harness_.Log(), HasSubstr("fs does not answer"));
  EXPECT_NE(kill(stuck, 0), 0) << "the successor started while the old process lived";
}

TEST_F(KeeperTest, ReplacesAStoreThatStopsAnswering) {
  harness_.options().backend_watch.ping_interval = std::chrono::milliseconds(10);
  ExpectReady();
  pid_t stuck = harness_.ChildPid("store"), fs = harness_.ChildPid("fs");
  const size_t starts = harness_.Lines("store start pid=").size();
  ASSERT_EQ(kill(stuck, SIGSTOP), 0);
  ASSERT_TRUE(WaitForStarts("store", starts + 1)) << harness_.Log();
  EXPECT_THAT(harness_.Log(), HasSubstr("store local does not answer (60 pings)"));
  EXPECT_NE(kill(stuck, 0), 0) << "the successor started while the old process lived";
  EXPECT_EQ(harness_.ChildPid("fs"), fs);
}

TEST_F(KeeperTest, WaitsLongerAndLongerForAChildThatDiesAtOnce) {
  harness_.options().ready_limit = std::chrono::milliseconds(1500);
  harness_.Tell("die-store");
  ExpectReady();  // without the store, after the limit
  size_t starts = harness_.Lines("store start pid=").size();
  EXPECT_GE(starts, 4u);
  EXPECT_LE(starts, 7u);  // at 0, 0, 0, 100, 300, 700, 1500 ms
  EXPECT_TRUE(harness_.Heard("store local: not ready")) << harness_.Log();
  harness_.Untell("die-store");
  EXPECT_TRUE(WaitForLine("store hears fs"));
}

TEST_F(KeeperTest, GivesUpWithTheReasonWhenFsCannotStartAtAll) {
  harness_.Tell("die-fs");
  harness_.Start();
  ExpectStops(kExitFailure);
  EXPECT_THAT(harness_.Log(), HasSubstr("fs cannot start: told to die"));
  EXPECT_FALSE(harness_.Mounted());
}

TEST_F(KeeperTest, StopsChildrenUnmountsAndRemovesItsSocketsOnSigterm) {
  ExpectReady();
  harness_.Signal(SIGTERM);
  ExpectStops();
  EXPECT_THAT(harness_.Lines("fs stop"), SizeIs(1));
  EXPECT_THAT(harness_.Lines("store stop"), SizeIs(1));
  EXPECT_THAT(harness_.Lines(" start pid="), SizeIs(2));
  EXPECT_FALSE(harness_.Mounted());
  EXPECT_NE(access(harness_.Path("run/control.sock").c_str(), F_OK), 0);
  EXPECT_NE(access(harness_.Path("run/store-local.sock").c_str(), F_OK), 0);
  EXPECT_TRUE(harness_.Heard("STOPPING=1"));
}

TEST_F(KeeperTest, StopsAsOnSigtermWhenFsAsksForIt) {
  ExpectReady();
  harness_.Tell("ask-stop-fs");
  ExpectStops();
  EXPECT_THAT(harness_.Lines("fs stop"), SizeIs(1));
  EXPECT_THAT(harness_.Lines("store stop"), SizeIs(1));
  EXPECT_THAT(harness_.Lines("revoke"), SizeIs(0));
  EXPECT_FALSE(harness_.Mounted());
}

TEST_F(KeeperTest, TellsBackendsToRevokeAndGivesThemTimeForIt) {
  harness_.options().stop_limit = std::chrono::milliseconds(1);
  ExpectReady();
  harness_.Tell("ask-revoke");
  harness_.Tell("ask-stop-fs");
  ExpectStops();
  EXPECT_THAT(harness_.Lines("store stop and revoke"), SizeIs(1));
  EXPECT_THAT(harness_.Log(), Not(HasSubstr("killed")));
}

TEST_F(KeeperTest, ABackendMayNotStopTheDaemon) {
  ExpectReady();
  harness_.Tell("ask-stop-store");
  ASSERT_TRUE(WaitForStarts("store", 2)) << harness_.Log();
  harness_.Untell("ask-stop-store");
  EXPECT_THAT(harness_.Log(), HasSubstr("a backend asks for nothing of that kind"));
  EXPECT_THAT(harness_.Lines("fs stop"), SizeIs(0));
}

TEST_F(KeeperTest, KillsWhatDoesNotStopInTime) {
  harness_.options().stop_limit = std::chrono::milliseconds(200);
  harness_.Tell("deaf-fs");
  ExpectReady();
  harness_.Signal(SIGTERM);
  ExpectStops();
  EXPECT_THAT(harness_.Log(), HasSubstr("fs does not end by itself"));
  EXPECT_FALSE(harness_.Mounted());
}

TEST_F(KeeperTest, TakesOverANewConfiguration) {
  ExpectReady();
  harness_.WriteConfig("ttl = \"5s\"\n");
  harness_.Signal(SIGHUP);
  EXPECT_TRUE(WaitForLine("fs config 2"));
  EXPECT_TRUE(WaitForLine("store config 2"));
  EXPECT_TRUE(WaitForLog("configuration 2 is in force"));
  EXPECT_TRUE(harness_.Heard("RELOADING=1\nMONOTONIC_USEC="));
  ASSERT_EQ(kill(harness_.ChildPid("fs"), SIGKILL), 0);
  ASSERT_TRUE(WaitForStarts("fs", 2));
  EXPECT_THAT(harness_.Lines("fs start pid=").at(1), HasSubstr("--generation 2"));
}

TEST_F(KeeperTest, ABadConfigurationChangesNothing) {
  ExpectReady();
  harness_.WriteConfig("tttl = \"5s\"\n");
  harness_.Signal(SIGHUP);
  EXPECT_TRUE(WaitForLog("nothing was changed"));
  EXPECT_THAT(harness_.Log(), HasSubstr("leasefs.toml:1"));
  EXPECT_TRUE(KeeperHarness::WaitFor([&] { return harness_.Heard("STATUS=configuration not loaded"); }));
  EXPECT_THAT(harness_.Lines(" config "), IsEmpty());
  harness_.WriteConfig("ttl = \"5s\"\n[limits]\nnames = 4096\n");
  harness_.Signal(SIGHUP);
  EXPECT_TRUE(WaitForLog("cannot be changed while leasefsd runs: limits.names"));
  EXPECT_THAT(harness_.Lines(" config "), IsEmpty());
}

TEST_F(KeeperTest, AConfigurationThatFsRefusesStaysOut) {
  harness_.Tell("refuse-config");
  ExpectReady();
  harness_.Signal(SIGHUP);
  EXPECT_TRUE(WaitForLog("not with me"));
  EXPECT_THAT(harness_.Lines("store config"), IsEmpty());
  ASSERT_EQ(kill(harness_.ChildPid("fs"), SIGKILL), 0);
  ASSERT_TRUE(WaitForStarts("fs", 2));
  EXPECT_THAT(harness_.Lines("fs start pid=").at(1), HasSubstr("--generation 1"));
}

TEST_F(KeeperTest, TellsTheChildThatAskedForAReloadHowItWent) {
  ExpectReady();
  ASSERT_EQ(kill(harness_.ChildPid("fs"), SIGUSR2), 0);
  EXPECT_TRUE(WaitForLine("fs reload-result 7 "));
  harness_.WriteConfig("tttl = \"5s\"\n");
  ASSERT_EQ(kill(harness_.ChildPid("fs"), SIGUSR2), 0);
  EXPECT_TRUE(WaitForLine("fs reload-result 7 " + harness_.Path("leasefs.toml")));
}

TEST_F(KeeperTest, OpensTheAuditFileAgainOnSigusr1) {
  ExpectReady();
  ASSERT_EQ(rename(harness_.Path("audit.jsonl").c_str(), harness_.Path("audit.old").c_str()), 0);
  harness_.Signal(SIGUSR1);
  EXPECT_TRUE(WaitForLine("fs audit"));
  struct stat info;
  ASSERT_EQ(stat(harness_.Path("audit.jsonl").c_str(), &info), 0);
  EXPECT_GT(info.st_size, 0);
}

TEST_F(KeeperTest, RefusesToRunBesideAnother) {
  ExpectReady();
  pid_t first = harness_.pid();
  KeeperHarness other;
  other.options().config_path = harness_.options().config_path;
  other.Start();
  EXPECT_EQ(other.WaitForExit(), std::optional<int>(kExitFailure));
  EXPECT_THAT(other.Log(), HasSubstr("another leasefsd is running"));
  EXPECT_EQ(kill(first, 0), 0);
  EXPECT_TRUE(harness_.Mounted());
}

TEST_F(KeeperTest, RefusesToRunAsAnybodyButRoot) {
  chmod(harness_.Path("").c_str(), 0755);
  harness_.Start([] { (void)!setuid(60004); });
  ExpectStops(kExitFailure);
  EXPECT_THAT(harness_.Log(), HasSubstr("must be started as root"));
}

TEST_F(KeeperTest, RefusesAMountPointThatIsNotEmpty) {
  harness_.WriteFile("mnt/something", "", 0644);
  harness_.Start();
  ExpectStops(kExitConfiguration);
  EXPECT_THAT(harness_.Log(), HasSubstr("the directory is not empty"));
}

TEST_F(KeeperTest, TakesThePlaceOfAKilledPredecessor) {
  ExpectReady();
  harness_.Signal(SIGKILL);
  ExpectStops(-SIGKILL);
  EXPECT_TRUE(harness_.Mounted());
  harness_.Start();
  ASSERT_TRUE(WaitForStarts("fs", 2)) << harness_.Log();
  EXPECT_THAT(harness_.Log(), HasSubstr("detached the mount that an earlier leasefsd left"));
  harness_.Signal(SIGTERM);
  ExpectStops();
  EXPECT_FALSE(harness_.Mounted());
}

TEST_F(KeeperTest, MountsAgainWhatSomebodyUnmounted) {
  ExpectReady();
  ASSERT_EQ(umount2(harness_.Path("mnt").c_str(), MNT_DETACH), 0);
  EXPECT_TRUE(KeeperHarness::WaitFor([&] { return harness_.Mounted(); }));
  EXPECT_TRUE(WaitForLog("somebody unmounted"));
  EXPECT_THAT(harness_.Lines("fs start pid="), SizeIs(1)) << "the connection did not live on";
}

TEST_F(KeeperTest, MountsAnewWithNewMemoryWhenTheKernelEndedTheConnection) {
  const auto drain = std::chrono::milliseconds(1500);
  harness_.options().drain_limit = drain;
  ExpectReady();
  const auto lost = std::chrono::steady_clock::now();
  ASSERT_EQ(umount2(harness_.Path("mnt").c_str(), MNT_FORCE), 0);
  ASSERT_TRUE(WaitForStarts("fs", 2)) << harness_.Log();
  EXPECT_GE(std::chrono::steady_clock::now() - lost, drain) << "fs had no time for its audit records";
  EXPECT_THAT(harness_.Log(), HasSubstr("audit records that no sink had yet are lost"));
  EXPECT_TRUE(harness_.Mounted());
  EXPECT_THAT(harness_.Lines("fs start pid=").at(1), HasSubstr(" state=1 "));
  harness_.Signal(SIGTERM);
  ExpectStops();
  EXPECT_FALSE(harness_.Mounted());
}

TEST_F(KeeperTest, StartsAStoreLockedWhenOthersCouldReadItsKey) {
  harness_.WriteFile("store.key", "not a key", 0440);
  ExpectReady();
  std::string store = harness_.Lines("store start pid=").at(0);
  EXPECT_THAT(store, HasSubstr(" fds=0,1,2,3,4,6 "));
  EXPECT_THAT(store, HasSubstr("--key-problem key file " + harness_.Path("store.key") + ": others than root"));
}

TEST_F(KeeperTest, GivesAStoreItsKeyOnceThatIsThereAndAtEachReload) {
  ASSERT_EQ(unlink(harness_.Path("store.key").c_str()), 0);
  ExpectReady();
  EXPECT_THAT(harness_.Lines("store start pid=").at(0), HasSubstr("`leasefs store init` makes it"));
  harness_.WriteFile("store.key", "made later", 0400);
  EXPECT_TRUE(WaitForLine("store key made later")) << harness_.Log();
  harness_.WriteFile("store.key", "changed", 0400);
  harness_.Signal(SIGHUP);
  EXPECT_TRUE(WaitForLine("store key changed")) << harness_.Log();
  EXPECT_THAT(harness_.Lines("store start pid="), SizeIs(1)) << "it was not replaced for that";
}

}  // namespace
}  // namespace leasefs
