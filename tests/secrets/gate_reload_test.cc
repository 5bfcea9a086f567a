// What a reload does to names, waiters and what the kernel was told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fs/base/sim_loop.h"
#include "fs/base/strings.h"
#include "fs/secrets/secret_gate.h"
#include "tests/support/map_backend.h"
#include "tests/support/sim_mount.h"

namespace leasefs {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;

constexpr Caller kAlice{1000, 1000, 11};
constexpr Caller kBob{2000, 2000, 22};

class GateReloadTest : public testing::Test {
 protected:
  GateReloadTest() : backend_(loop_), server_(loop_, backend_, {}), mount_(loop_, WithTrees({SimTree("app", "app")})) {
    backend_.Put("app/db", {{"password", "pw"}});
    backend_.Put("app", {{"key", "KEY"}});
    mount_.Connect("local", server_);
    loop_.RunFor(std::chrono::seconds(1));
  }

  static Config WithTrees(std::vector<TreeOptions> trees) {
    return SimConfig(std::move(trees), {AllowUser("**", 1000)});
  }
  void Reload(std::vector<TreeOptions> trees) {
    ASSERT_TRUE(mount_.Reload(WithTrees(std::move(trees))).ok());
    loop_.RunFor(std::chrono::milliseconds(100));
  }

  SimLoop loop_{1};
  MapBackend backend_;
  BackendServer server_;
  SimMount mount_;
};

TEST_F(GateReloadTest, AnAnswerAboutThePlaceThatATreeShowedBeforeKeepsNobodyWaiting) {
  backend_.Put("other", {{"key", "OTHER"}});
  backend_.SetDelay(std::chrono::seconds(1));
  std::optional<SimRead> waiting;
  mount_.Open("app/key", kAlice, false, [&](SimRead read) { waiting = read; });
  loop_.RunFor(std::chrono::milliseconds(500));
  Reload({SimTree("app", "other")});
  loop_.RunFor(std::chrono::seconds(20));
  EXPECT_EQ(mount_.OpenNow("app/key", kAlice).bytes, "OTHER");
}

TEST_F(GateReloadTest, S22_ATreeThatIsSplitLeavesNoNamesBehind) {
  EXPECT_EQ(mount_.OpenNow("app/key", kAlice).bytes, "KEY");
  EXPECT_EQ(mount_.OpenNow("app/db/password", kAlice).bytes, "pw");
  Reload({SimTree("app/db", "app/db")});
  EXPECT_THAT(*mount_.ListNow("app", kBob), ElementsAre("db"));
  EXPECT_THAT(*mount_.ListNow("app/db", kBob), ElementsAre("password"));
  EXPECT_EQ(mount_.OpenNow("app/key", kAlice).error->kind(), ErrorKind::kNotFound);
  EXPECT_EQ(mount_.OpenNow("app/db/password", kAlice).bytes, "pw");
  Reload({SimTree("app", "app")});
  EXPECT_EQ(mount_.OpenNow("app/key", kAlice).bytes, "KEY");
  EXPECT_EQ(mount_.OpenNow("app/db/password", kAlice).bytes, "pw");
}

// A directory above trees that a later tree has as a secret's own is not taken for the configuration's.
TEST_F(GateReloadTest, ANameThatWasTheConfigurationsMayComeBackAsTheBackends) {
  backend_.Put("app/db/deep", {{"k", "deep"}});
  Reload({SimTree("app/db/deep", "app/db/deep")});
  Reload({SimTree("app", "app")});
  EXPECT_EQ(mount_.OpenNow("app/db/deep/k", kAlice).bytes, "deep");
  Reload({SimTree("app", "app")});
  EXPECT_EQ(mount_.OpenNow("app/db/deep/k", kAlice).bytes, "deep");
  EXPECT_EQ(mount_.OpenNow("app/db/password", kAlice).bytes, "pw");
}

TEST_F(GateReloadTest, S24_TreesForWhichThereAreNoNamesLeftChangeNothing) {
  EXPECT_EQ(mount_.OpenNow("app/db/password", kAlice).bytes, "pw");
  std::vector<TreeOptions> trees{SimTree("app", "other"), SimTree("new", "new")};
  for (uint32_t i = 0; i < SimMount::kNames; ++i) trees.push_back(SimTree(StrCat("many/", i), "x"));
  EXPECT_EQ(mount_.Reload(WithTrees(trees)).error().kind(), ErrorKind::kNoMemory);
  loop_.RunFor(std::chrono::milliseconds(100));
  EXPECT_THAT(*mount_.ListNow("", kBob), ElementsAre("app"));
  uint64_t reads = backend_.reads();
  EXPECT_EQ(mount_.OpenNow("app/db/password", kAlice).bytes, "pw");
  EXPECT_EQ(backend_.reads(), reads);
  EXPECT_THAT(*mount_.ListNow("app", kBob), UnorderedElementsAre("db", "key"));
}

TEST_F(GateReloadTest, S22_TheKernelIsToldOfAllThatIsHiddenNow) {
  NodeId file = mount_.OpenNow("app/db/password", kAlice).inode;
  NodeId directory = mount_.StatNow("app/db", kBob)->id;
  TreeOptions hidden = SimTree("app", "app");
  hidden.hidden = true;
  Reload({hidden});
  EXPECT_THAT(mount_.invalidated(), Contains(file));
  EXPECT_THAT(mount_.invalidated(), Contains(directory));
  EXPECT_THAT(mount_.invalidated(), Contains(mount_.StatNow("app", kAlice)->id));
}

TEST_F(GateReloadTest, S22_AHiddenFileIsNotThereForWhoHadLookedItUpBefore) {
  Attributes seen = *mount_.StatNow("app/db/password", kBob);
  TreeOptions hidden = SimTree("app", "app");
  hidden.hidden = true;
  Reload({hidden});
  EXPECT_EQ(mount_.OpenNow("app/db/password", kBob).error->kind(), ErrorKind::kNotFound);
  std::optional<Error> error;
  Request request;
  request.caller = kBob;
  mount_.gate().Open(request, seen.id, 0, [&](Result<Opened> opened) { error = opened.error(); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::kNotFound) << "the kernel may keep the name for an hour";
}

// S5. The names are looked through piece by piece, and the next reload may come before the end.
TEST_F(GateReloadTest, TellsOfChangedOwnersAlsoWhenReloadsFollowEachOther) {
  MapBackend::Keys keys;
  for (int i = 0; i < 500; ++i) keys[StrCat("k", i)] = std::string("x");
  backend_.Put("app/many", keys);
  std::vector<NodeId> inodes;
  for (const auto& [key, value] : keys) inodes.push_back(mount_.OpenNow(StrCat("app/many/", key), kAlice).inode);
  TreeOptions tree = SimTree("app", "app");
  size_t before = mount_.invalidated().size();
  ASSERT_TRUE(mount_.Reload(SimConfig({tree}, {AllowUser("**", 1000), AllowUser("app/db/**", 7)})).ok());
  loop_.RunFor(std::chrono::milliseconds(100));
  EXPECT_EQ(mount_.invalidated().size(), before) << "nothing changed for the many";
  ASSERT_TRUE(mount_.Reload(SimConfig({tree}, {AllowUser("**", 2000)})).ok());
  ASSERT_TRUE(mount_.Reload(SimConfig({tree}, {AllowUser("**", 1000)})).ok());
  loop_.RunFor(std::chrono::milliseconds(100));
  for (NodeId inode : inodes) ASSERT_THAT(mount_.invalidated(), Contains(inode));
}

// S25. It asks for the names in one directory, then in the next one. In between the loop has the waiter, and there is
// nobody to interrupt.
TEST_F(GateReloadTest, AnInterruptBetweenTwoWaitsIsNotLost) {
  struct SignalledAfterwards : Parking {
    bool Park() noexcept override { return true; }
    bool Interrupted() const noexcept override { return true; }
  };
  NodeId id = mount_.StatNow("app/db/password", kBob)->id;
  Reload({SimTree("app", "other")});
  Reload({SimTree("app", "app")});
  SignalledAfterwards parking;
  Request request;
  request.unique = 1'000'001;
  request.caller = kAlice;
  request.arrival = loop_.Now();
  request.parking = &parking;
  std::optional<Result<Opened>> result;
  mount_.gate().Open(request, id, 0, [&](Result<Opened> opened) { result = std::move(opened); });
  EXPECT_FALSE(result);
  loop_.RunFor(std::chrono::seconds(4));
  ASSERT_TRUE(result);
  ASSERT_FALSE(result->ok());
  EXPECT_EQ(result->error().kind(), ErrorKind::kInterrupted);
}

}  // namespace
}  // namespace leasefs
