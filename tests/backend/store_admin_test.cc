// The verbs of a store's socket, over a real store, a real loop and real sockets.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/backend/admin_fixture.h"

namespace leasefs {
namespace {

using store_admin::AdminReply;
using store_admin::AdminRequest;
using store_admin::Verb;
using store_test::Passphrase;
using store_test::PutOf;
using store_test::RawKey;
using store_test::Values;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

class StoreAdminTest : public AdminFixture {
 protected:
  static AdminRequest WithKey(Verb verb, StoreKey key) {
    AdminRequest request = RequestOf(verb);
    request.key = std::move(key);
    return request;
  }
  std::vector<std::string> Paths() {
    AdminRequest request = RequestOf(Verb::kList);
    request.recursive = true;
    return Ask(request).paths;
  }
  // Whether the store on disk, which nobody serves any more, opens.
  Result<std::unique_ptr<Store>> OpenFile(const std::string& path, const StoreKey& key) {
    return Store::Open(path, key, random_, settings_);
  }
  bool IsOpen() { return Ask(RequestOf(Verb::kStatus)).state == "open"; }
  std::vector<std::string> RecordedVerbs() {
    std::vector<std::string> verbs;
    for (const protocol::Record& record : Records()) verbs.push_back(record.verb + " " + record.path);
    return verbs;
  }
};

TEST_F(StoreAdminTest, WhatIsPutIsGot) {
  Serve();
  ConnectFs();
  AdminReply put = Ask(PutRequest("web/tls", {{"cert", std::string("C\0\n", 3)}, {"key", ""}}));
  ASSERT_FALSE(put.error.has_value()) << put.error->message();
  ASSERT_THAT(put.versions, SizeIs(1));
  EXPECT_TRUE(put.applied);
  AdminReply got = Ask(RequestOf(Verb::kGet, "web/tls"));
  EXPECT_EQ(got.versions, put.versions);
  EXPECT_EQ(store_test::ValuesOf(got.fields), (Values{{"cert", std::string("C\0\n", 3)}, {"key", ""}}));

  AdminRequest one = RequestOf(Verb::kGet, "web/tls");
  one.keys = {"key"};
  EXPECT_THAT(Ask(one).fields, SizeIs(1));
  one.keys = {"nope"};
  EXPECT_THAT(Ask(one).error->message(), HasSubstr("nope"));
}

TEST_F(StoreAdminTest, APutThatDoesNotReplaceKeepsTheOtherKeys) {
  Serve();
  ConnectFs();
  Ask(PutRequest("s", {{"a", "1"}, {"b", "2"}}));
  Ask(PutRequest("s", {{"b", "3"}}, false));
  EXPECT_EQ(Get("s"), (Values{{"a", "1"}, {"b", "3"}}));
}

TEST_F(StoreAdminTest, ListsADirectoryOrAllBelow) {
  Serve();
  ConnectFs();
  Ask(PutRequest("web/tls", {{"cert", "C"}}));
  Ask(PutRequest("web/db/main", {{"user", "u"}}));
  AdminReply listed = Ask(RequestOf(Verb::kList, "web"));
  ASSERT_THAT(listed.entries, SizeIs(2));
  EXPECT_EQ(listed.entries[0].kind, protocol::EntryKind::kFolder);
  EXPECT_THAT(Paths(), ElementsAre("web/db/main", "web/tls"));
  EXPECT_EQ(FailureOf(RequestOf(Verb::kList, "nowhere")), ErrorKind::kNotFound);
  AdminRequest below = RequestOf(Verb::kList, "nowhere");
  below.recursive = true;
  EXPECT_EQ(FailureOf(below), ErrorKind::kNotFound);
}

TEST_F(StoreAdminTest, HistoryRollbackAndRemoval) {
  Serve();
  ConnectFs();
  uint64_t first = Ask(PutRequest("s", {{"k", "one"}})).versions[0];
  Ask(PutRequest("s", {{"k", "two"}}));
  AdminRequest rollback = RequestOf(Verb::kRollback, "s");
  rollback.version = first;
  AdminReply rolled = Ask(rollback);
  ASSERT_THAT(rolled.versions, SizeIs(1));
  EXPECT_GT(rolled.versions[0], first);
  EXPECT_EQ(Get("s"), (Values{{"k", "one"}}));
  AdminReply history = Ask(RequestOf(Verb::kHistory, "s"));
  ASSERT_THAT(history.history, SizeIs(3));
  EXPECT_EQ(history.history[2].version, first);
  EXPECT_EQ(history.history[0].note, "rollback to " + std::to_string(first));
  EXPECT_EQ(Get("s", first), (Values{{"k", "one"}}));

  EXPECT_FALSE(Ask(RequestOf(Verb::kRemove, "s")).error.has_value());
  EXPECT_EQ(FailureOf(RequestOf(Verb::kGet, "s")), ErrorKind::kNotFound);
  EXPECT_EQ(FailureOf(RequestOf(Verb::kRemove, "s")), ErrorKind::kNotFound);
}

TEST_F(StoreAdminTest, ImportIsAllOrNothing) {
  Serve();
  ConnectFs();
  AdminRequest import = RequestOf(Verb::kImport);
  import.puts.push_back(PutOf("app/a", {{ "k", "1" }}));
  import.puts.push_back(PutOf("app/b", {{ "k", std::string((1 << 20) + 1, 'v') }}));
  EXPECT_EQ(FailureOf(import), ErrorKind::kTooLarge);
  EXPECT_THAT(Paths(), IsEmpty());
  import.puts[1] = PutOf("app/b", {{ "k", "2" }});
  AdminReply reply = Ask(import);
  EXPECT_THAT(reply.versions, SizeIs(2));
  EXPECT_THAT(Paths(), ElementsAre("app/a", "app/b"));
  EXPECT_EQ(Ask(RequestOf(Verb::kHistory, "app/a")).history[0].note, "import");
}

TEST_F(StoreAdminTest, RequestsThatSayTooLittleAreRefusedWithWords) {
  Serve();
  ConnectFs();
  for (Verb verb : {Verb::kGet, Verb::kRemove, Verb::kHistory, Verb::kRollback, Verb::kPut, Verb::kImport, Verb::kRekey,
                    Verb::kUnlock}) {
    AdminReply reply = Ask(RequestOf(verb));
    ASSERT_TRUE(reply.error.has_value());
    EXPECT_EQ(reply.error->kind(), ErrorKind::kInvalid);
    EXPECT_GT(reply.error->message().size(), 20u);
  }
  AdminRequest two = PutRequest("a", {{"k", "v"}});
  two.puts.push_back(PutOf("b", {{"k", "v"}}));
  EXPECT_EQ(FailureOf(two), ErrorKind::kInvalid);
  EXPECT_EQ(FailureOf(PutRequest("", {{"k", "v"}})), ErrorKind::kInvalid);
  EXPECT_EQ(FailureOf(WithKey(Verb::kRekey, {StoreKey::Kind::kRaw, SecretBuffer(31)})), ErrorKind::kInvalid);
  EXPECT_THAT(Records(), IsEmpty());
}

TEST_F(StoreAdminTest, TheReplyComesOnceFsHasAppliedTheChange) {
  Serve();
  ConnectFs();
  Ask(PutRequest("s", {{"k", "1"}}));
  OnLoop([&] { fs_->Want("s"); });
  OnLoop([&] { fs_->applies = false; });
  auto started = std::chrono::steady_clock::now();
  AdminReply slow = Ask(PutRequest("s", {{"k", "2"}}));
  EXPECT_FALSE(slow.error.has_value());
  EXPECT_FALSE(slow.applied);
  EXPECT_GE(std::chrono::steady_clock::now() - started, std::chrono::milliseconds(900));
  OnLoop([&] { fs_->applies = true; });
  EXPECT_TRUE(Ask(PutRequest("s", {{"k", "3"}})).applied);
}

// ---- the audit ----

TEST_F(StoreAdminTest, WhatChangesOrRevealsIsRecordedFirst) {
  Serve();
  ConnectFs();
  Ask(PutRequest("web/tls", {{"k", "v"}}));
  AdminRequest import = RequestOf(Verb::kImport);
  for (const char* secret : {"app/one/a", "app/one/b", "app/only"})
    import.puts.push_back(PutOf(secret, {{ "k", "v" }}));
  Ask(import);
  Ask(RequestOf(Verb::kGet, "web/tls"));
  Ask(RequestOf(Verb::kRemove, "nowhere"));
  Ask(WithKey(Verb::kRekey, RawKey('n')));
  Ask(RequestOf(Verb::kFinishRekey));
  Ask(RequestOf(Verb::kList));
  Ask(RequestOf(Verb::kHistory, "web/tls"));
  Ask(RequestOf(Verb::kStatus));
  EXPECT_THAT(RecordedVerbs(), ElementsAre("put web/tls", "import app", "get web/tls", "rm nowhere", "rm nowhere",
                                           "rekey ", "rekey-end "));
  for (const protocol::Record& record : Records()) {
    EXPECT_EQ(record.uid, 0u);
    EXPECT_EQ(record.pid, static_cast<uint32_t>(getpid()));
  }
}

TEST_F(StoreAdminTest, WhatWasAllowedAndFailsIsRecordedASecondTime) {
  settings_.value_bytes = 100;
  Serve(Passphrase("open sesame"), false);
  ConnectFs();
  Ask(WithKey(Verb::kUnlock, Passphrase("open barley")));
  OnLoop([&] { ASSERT_TRUE(backend_->TryOpen(Passphrase("open sesame")).ok()); });
  Ask(PutRequest("s", {{"k", std::string(101, 'v')}}));
  Ask(RequestOf(Verb::kGet, "nowhere"));
  Ask(PutRequest("s", {{"k", "v"}}));
  const auto records = Records();
  EXPECT_THAT(RecordedVerbs(),
              ElementsAre("unlock ", "unlock ", "put s", "put s", "get nowhere", "get nowhere", "put s"));
  ASSERT_EQ(records.size(), 7u);
  for (size_t i : {0, 2, 4, 6}) EXPECT_TRUE(records[i].allowed) << i;
  for (size_t i : {1, 3, 5}) EXPECT_FALSE(records[i].allowed) << i;
  EXPECT_EQ(records[1].outcome, ErrorKind::kLocked);
  EXPECT_EQ(records[3].outcome, ErrorKind::kTooLarge);
  EXPECT_EQ(records[5].outcome, ErrorKind::kNotFound);
}

TEST_F(StoreAdminTest, WhatTheAuditCannotRecordIsNotDone) {
  Serve();
  ConnectFs();
  Ask(PutRequest("s", {{"k", "old"}}));
  OnLoop([&] { fs_->record_ok = false; });
  AdminReply refused = Ask(PutRequest("s", {{"k", "new"}}));
  ASSERT_TRUE(refused.error.has_value());
  EXPECT_EQ(refused.error->kind(), ErrorKind::kInternal);
  EXPECT_THAT(refused.error->message(), HasSubstr("audit"));
  AdminReply hidden = Ask(RequestOf(Verb::kGet, "s"));
  EXPECT_TRUE(hidden.error.has_value());
  EXPECT_THAT(hidden.fields, IsEmpty());
  OnLoop([&] { fs_->record_ok = true; });
  EXPECT_EQ(Get("s"), (Values{{"k", "old"}}));
}

TEST_F(StoreAdminTest, WithoutFsNothingIsRecordedSoNothingIsDone) {
  Serve();
  EXPECT_EQ(FailureOf(PutRequest("s", {{"k", "v"}})), ErrorKind::kInternal);
  EXPECT_THAT(Paths(), IsEmpty());
}

TEST_F(StoreAdminTest, WithoutFsActsPassWhereTheAuditIsNotRequired) {
  options_.audit_required = false;
  Serve();
  AdminReply put = Ask(PutRequest("s", {{"k", "v"}}));
  EXPECT_FALSE(put.error.has_value());
  EXPECT_FALSE(put.applied);
  OnLoop([&] { admin_->SetAuditRequired(true); });
  EXPECT_EQ(FailureOf(PutRequest("s", {{"k", "w"}})), ErrorKind::kInternal);
}

TEST_F(StoreAdminTest, AnActWaitsForAnFsThatIsBeingReplaced) {
  Serve();
  AdminClient client(socket_path_);
  client.Send(PutRequest("s", {{"k", "v"}}));
  while (Connections() == 0) std::this_thread::yield();
  ConnectFs();
  auto frame = client.Receive();
  ASSERT_TRUE(frame.has_value());
  EXPECT_FALSE(AdminReply::Decode(frame->payload)->error.has_value());
  EXPECT_EQ(Get("s"), (Values{{"k", "v"}}));
}

// ---- keys ----

TEST_F(StoreAdminTest, ALockedStoreIsUnlockedByItsPassphraseAndFsIsTold) {
  Serve(Passphrase("open sesame"), false);
  ConnectFs(77);
  AdminReply locked = Ask(RequestOf(Verb::kList));
  ASSERT_TRUE(locked.error.has_value());
  EXPECT_EQ(locked.error->kind(), ErrorKind::kLocked);
  EXPECT_THAT(locked.error->message(), HasSubstr("leasefs store unlock"));
  EXPECT_THAT(Ask(RequestOf(Verb::kStatus)).state, StartsWith("locked: "));

  EXPECT_EQ(FailureOf(WithKey(Verb::kUnlock, Passphrase("wrong"))), ErrorKind::kLocked);
  EXPECT_EQ(FailureOf(WithKey(Verb::kUnlock, Passphrase("open sesame"))), ErrorKind::kBusy);  // one attempt a second
  std::optional<ErrorKind> kind = ErrorKind::kBusy;
  while (kind == ErrorKind::kBusy) {
    AdminReply reply = Ask(WithKey(Verb::kUnlock, Passphrase("open sesame")));
    kind = reply.error ? std::optional(reply.error->kind()) : std::nullopt;
  }
  EXPECT_EQ(kind, std::nullopt);
  EXPECT_TRUE(IsOpen());
  std::vector<protocol::Health> health;
  std::vector<protocol::Welcome> welcome;
  OnLoop([&] {
    health = fs_->All<protocol::Health>();
    welcome = fs_->All<protocol::Welcome>();
  });
  EXPECT_EQ(health.front().state, protocol::HealthState::kLocked);
  EXPECT_EQ(health.back().state, protocol::HealthState::kUp);
  EXPECT_FALSE(welcome.front().everything_changed);  // known values go on while it is locked
  EXPECT_TRUE(welcome.back().everything_changed);    // 77 is no generation of this store
}

TEST_F(StoreAdminTest, AnOpenStoreIsNotUnlockedAgain) {
  Serve();
  ConnectFs();
  EXPECT_EQ(FailureOf(WithKey(Verb::kUnlock, RawKey())), ErrorKind::kInvalid);
}

TEST_F(StoreAdminTest, RekeyMakesTheNewKeyTheOnlyOne) {
  Serve(RawKey('o'));
  ConnectFs();
  Ask(PutRequest("s", {{"k", "v"}}));
  EXPECT_FALSE(Ask(WithKey(Verb::kRekey, RawKey('n'))).error.has_value());
  EXPECT_EQ(Get("s"), (Values{{"k", "v"}}));
  EXPECT_FALSE(Ask(RequestOf(Verb::kFinishRekey)).error.has_value());
  StopServing();
  EXPECT_EQ(OpenFile(store_path_, RawKey('o')).error().kind(), ErrorKind::kLocked);
  auto store = OpenFile(store_path_, RawKey('n'));
  ASSERT_TRUE(store.ok());
  EXPECT_EQ(store_test::Get(**store, "s"), (Values{{"k", "v"}}));
}

// ---- backup ----

TEST_F(StoreAdminTest, ABackupIsAStoreAndLeavesNothingBehind) {
  Serve();
  ConnectFs();
  for (int i = 0; i < 8; ++i)
    Ask(PutRequest("s" + std::to_string(i), {{"k", std::string(300'000, static_cast<char>('a' + i))}}));
  std::string copy;
  AdminReply reply = Ask(RequestOf(Verb::kBackup), &copy);
  ASSERT_FALSE(reply.error.has_value()) << reply.error->message();
  EXPECT_GT(copy.size(), size_t{2} << 20);
  for (const std::string& name : store_test::FilesIn(directory_ / ""))
    EXPECT_THAT(name, testing::Not(HasSubstr("backup")));
  store_test::WriteFile(directory_ / "copy.db", copy);
  auto store = OpenFile(directory_ / "copy.db", RawKey());
  ASSERT_TRUE(store.ok());
  EXPECT_EQ((*store)->Secrets("").size(), 8u);
  EXPECT_EQ(store_test::Get(**store, "s3")["k"], std::string(300'000, 'd'));
}

// Records how long the loop takes for its longest turn, by a timer that asks to be run at once, again and again.
class LongestTurn {
 public:
  explicit LongestTurn(Loop& loop) : loop_(loop), last_(loop.Now()) { Next(); }
  void Stop() { loop_.Cancel(timer_); }
  Duration longest{};
  int turns = 0;

 private:
  void Next() {
    timer_ = loop_.After(Duration(0), [this] {
      longest = std::max(longest, loop_.Now() - std::exchange(last_, loop_.Now()));
      ++turns;
      Next();
    });
  }
  Loop& loop_;
  BootTime last_;
  Loop::TimerId timer_ = Loop::kNoTimer;
};

TEST_F(StoreAdminTest, ABackupAndARekeyLeaveTheLoopToOthers) {
  settings_.value_bytes = 4 << 20;
  Serve(RawKey('o'));
  ConnectFs();
  for (int i = 0; i < 40; ++i)
    Ask(PutRequest("s" + std::to_string(i), {{"k", std::string(1 << 20, static_cast<char>('a' + i % 26))}}));
  Ask(WithKey(Verb::kRekey, RawKey('n')));
  for (Verb verb : {Verb::kBackup, Verb::kFinishRekey}) {
    std::unique_ptr<LongestTurn> turns;
    OnLoop([&] { turns = std::make_unique<LongestTurn>(*loop_); });
    AdminClient working(socket_path_);
    working.Send(RequestOf(verb));
    while (RecordedVerbs().back() != (verb == Verb::kBackup ? "backup " : "rekey-end ")) std::this_thread::yield();
    EXPECT_EQ(FailureOf(WithKey(Verb::kRekey, RawKey('x'))), ErrorKind::kBusy) << "one at a time";
    for (int i = 0; i < 20; ++i) {
      EXPECT_FALSE(Ask(PutRequest("meanwhile" + std::to_string(i), {{"k", "v"}})).error.has_value());
    }
    std::optional<AdminClient::Frame> frame = working.Receive();
    while (frame && frame->type == store_admin::kDataFrame) frame = working.Receive();
    ASSERT_TRUE(frame.has_value());
    EXPECT_FALSE(AdminReply::Decode(frame->payload)->error.has_value());
    OnLoop([&] { turns->Stop(); });
    EXPECT_GT(turns->turns, 40);
    // 20 ms are the aim; a busy machine takes its time.
    EXPECT_LT(turns->longest, std::chrono::milliseconds(500));
  }
  EXPECT_EQ(Get("s7")["k"], std::string(1 << 20, 'h'));
  StopServing();
  auto store = OpenFile(store_path_, RawKey('n'));
  ASSERT_TRUE(store.ok());
  EXPECT_EQ((*store)->Secrets("").size(), 60u);
}

TEST_F(StoreAdminTest, ABackupEndsWithThePeerThatAskedForIt) {
  Serve();
  ConnectFs();
  for (int i = 0; i < 20; ++i) Ask(PutRequest("s" + std::to_string(i), {{"k", std::string(1 << 20, 'v')}}));
  {
    AdminClient client(socket_path_);
    client.Send(RequestOf(Verb::kBackup));
    while (RecordedVerbs().back() != "backup ") std::this_thread::yield();
  }
  std::string copy;
  AdminReply again = Ask(RequestOf(Verb::kBackup), &copy);
  while (again.error && again.error->kind() == ErrorKind::kBusy) again = Ask(RequestOf(Verb::kBackup), &copy);
  EXPECT_FALSE(again.error.has_value());
  for (const std::string& name : store_test::FilesIn(directory_ / ""))
    EXPECT_THAT(name, testing::Not(HasSubstr("backup")));
}

TEST_F(StoreAdminTest, ABackupWaitsForAPeerThatReadsSlowly) {
  Serve();
  ConnectFs();
  for (int i = 0; i < 8; ++i) Ask(PutRequest("s" + std::to_string(i), {{"k", std::string(1 << 20, 'v')}}));
  AdminClient slow(socket_path_);
  slow.Send(RequestOf(Verb::kBackup));
  EXPECT_EQ(Get("s1").size(), 1u);  // others are served meanwhile
  std::string copy;
  std::optional<AdminClient::Frame> frame = slow.Receive();
  for (; frame && frame->type == store_admin::kDataFrame; frame = slow.Receive()) {
    EXPECT_LE(frame->payload.size(), size_t{256} << 10);
    copy.append(reinterpret_cast<const char*>(frame->payload.data()), frame->payload.size());
  }
  ASSERT_TRUE(frame.has_value());
  EXPECT_FALSE(AdminReply::Decode(frame->payload)->error.has_value());
  EXPECT_GT(copy.size(), size_t{8} << 20);
}

TEST_F(StoreAdminTest, AnUnfinishedBackupOfAPredecessorIsRemoved) {
  for (const char* suffix : {".backup", ".backup-wal", ".backup-journal"})
    store_test::WriteFile(store_path_ + suffix, "half");
  Serve();
  EXPECT_THAT(store_test::FilesIn(directory_ / ""), testing::Each(testing::Not(HasSubstr("backup"))));
}

// ---- no store ----

TEST_F(StoreAdminTest, AStoreThatIsNotThereSaysHowToMakeOne) {
  ServeWithoutStore();
  OnLoop([&] { EXPECT_FALSE(backend_->TryOpen(RawKey()).ok()); });
  AdminReply reply = Ask(RequestOf(Verb::kList));
  ASSERT_TRUE(reply.error.has_value());
  EXPECT_THAT(reply.error->message(), HasSubstr("leasefs store init"));
  EXPECT_THAT(Ask(RequestOf(Verb::kStatus)).state, StartsWith("missing: "));
  ASSERT_TRUE(Store::Create(store_path_, RawKey(), random_, settings_).ok());
  while (!IsOpen()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_THAT(Paths(), IsEmpty());
}

TEST_F(StoreAdminTest, StatusCounts) {
  Serve();
  ConnectFs();
  Ask(PutRequest("a", {{"k", "1"}}));
  Ask(PutRequest("a", {{"k", "2"}}));
  AdminReply status = Ask(RequestOf(Verb::kStatus));
  EXPECT_EQ(status.state, "open");
  EXPECT_EQ(status.figures.secrets, 1u);
  EXPECT_EQ(status.figures.versions, 2u);
  EXPECT_GT(status.figures.file_bytes, 0u);
}

}  // namespace
}  // namespace leasefs
