// The session: INIT, replies, notifications, its end.
#include <fcntl.h>
#include <gmock/gmock.h>

#include <latch>

#include "fs/fuse/init_exchange.h"
#include "tests/fuse/session_fixture.h"

namespace leasefs {
namespace {

using testing::ElementsAre;

class FuseSessionTest : public SessionTest {};

uint64_t FlagsOf(const fuse_init_out& out) {
  return out.flags | uint64_t{out.flags2} << 32;
}

constexpr uint64_t kDirectIoAllowMmap = uint64_t{1} << 36;

TEST_F(FuseSessionTest, AsksForWhatLibfuseForgets) {
  Create();
  Start();
  FuseReply reply = client_.Init();
  ASSERT_EQ(reply.error, 0);
  auto out = reply.As<fuse_init_out>();
  EXPECT_EQ(out.major, 7u);
  EXPECT_EQ(out.max_write, kMaxWrite);
  EXPECT_EQ(out.max_pages, kMaxPages);
  EXPECT_EQ(out.max_background, kMaxBackground);
  EXPECT_EQ(out.time_gran, 1u);
  for (uint64_t flag : {uint64_t{FUSE_PARALLEL_DIROPS}, uint64_t{FUSE_EXPORT_SUPPORT}, uint64_t{FUSE_ASYNC_READ},
                        uint64_t{FUSE_MAX_PAGES}, uint64_t{FUSE_ATOMIC_O_TRUNC}, kDirectIoAllowMmap}) {
    EXPECT_TRUE(FlagsOf(out) & flag) << flag;
  }
}

// S8, S21: each of these would break a promise.
TEST_F(FuseSessionTest, AsksForNothingHarmful) {
  Create();
  Start();
  auto out = client_.Init().As<fuse_init_out>();
  for (uint64_t flag :
       {uint64_t{FUSE_NO_OPEN_SUPPORT}, uint64_t{FUSE_NO_OPENDIR_SUPPORT}, uint64_t{FUSE_WRITEBACK_CACHE},
        uint64_t{FUSE_AUTO_INVAL_DATA}, uint64_t{FUSE_DO_READDIRPLUS}, uint64_t{FUSE_POSIX_LOCKS},
        uint64_t{FUSE_FLOCK_LOCKS}, uint64_t{FUSE_SPLICE_READ}, uint64_t{FUSE_POSIX_ACL},
        uint64_t{1} << 40 /* FUSE_ALLOW_IDMAP */, uint64_t{1} << 41 /* FUSE_OVER_IO_URING */}) {
    EXPECT_FALSE(FlagsOf(out) & flag) << flag;
  }
}

TEST_F(FuseSessionTest, TakesOnlyWhatTheKernelOffers) {
  Create();
  Start();
  auto out = client_.Init(FUSE_ASYNC_READ | FUSE_INIT_EXT, 36).As<fuse_init_out>();
  EXPECT_FALSE(FlagsOf(out) & (FUSE_PARALLEL_DIROPS | FUSE_EXPORT_SUPPORT | FUSE_MAX_PAGES | kDirectIoAllowMmap));
  EXPECT_TRUE(FlagsOf(out) & FUSE_INIT_EXT);
}

TEST_F(FuseSessionTest, TakesNoHighFlagsFromAKernelWithoutThem) {
  Create();
  Start();
  auto out = client_.Init(kDirectIoAllowMmap | FUSE_MAX_PAGES, 31).As<fuse_init_out>();
  EXPECT_EQ(out.flags2, 0u);
  EXPECT_EQ(out.max_pages, kMaxPages);
}

TEST_F(FuseSessionTest, RefusesAKernelThatIsTooOld) {
  Create();
  Start();
  EXPECT_EQ(client_.Init(FuseClient::kAllFlags, 30).error, EPROTO);
  EXPECT_EQ(client_.Init().error, 0) << "and may be asked again";
}

TEST_F(FuseSessionTest, AnswersNothingBeforeInitAndInitOnce) {
  Create();
  Start();
  EXPECT_EQ(client_.GetAttributes(kRootId).error, EIO);
  EXPECT_EQ(client_.Init().error, 0);
  EXPECT_EQ(client_.Init().error, EIO);
  EXPECT_EQ(client_.GetAttributes(kRootId).error, 0);
}

TEST_F(FuseSessionTest, EndsWhenTheMountIsGoneAndSaysSoOnce) {
  std::atomic<int> told{0};
  auto options = OptionsFor(memory_, gate_);
  options.on_over = [&] { ++told; };
  session_ = FuseSession::Create(options).value();
  Start(4);
  EXPECT_FALSE(session_->over());
  client_.HangUp();
  EXPECT_TRUE(Eventually([&] { return session_->over(); }));
  session_->Stop();
  EXPECT_EQ(told, 1);
}

TEST_F(FuseSessionTest, StopsWhileItsWorkersSitInRead) {
  Serve(8);
  session_->Stop();
  uint64_t late = client_.Send(FUSE_GETATTR, kRootId, BodyOf(fuse_getattr_in{}));
  EXPECT_TRUE(client_.StaysUnanswered(late, std::chrono::milliseconds(50)));
  Start(1);
  EXPECT_EQ(client_.Wait(late).error, 0) << "a stop loses no request";
}

// The kernel holds up a notification until a READ is answered: a stop that ended the workers first would never end.
TEST_F(FuseSessionTest, ItsWorkersServeUntilTheNotifierHasEnded) {
  Serve();
  client_.HoldUp(true);
  for (uint32_t node = 1; node <= 5000; ++node) notifier_.InvalidateInode({node, 1});
  uint64_t told = 0;
  EXPECT_TRUE(Eventually([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return std::exchange(told, notifier_.counts().told) == notifier_.counts().told && told > 0;
  }));
  std::latch stopping(1);
  std::thread stop([&] {
    stopping.count_down();
    session_->Stop();
  });
  stopping.wait();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  uint64_t unique = client_.SendOpen(kKeyNode);
  EXPECT_TRUE(Eventually([&] { return !gate_.handles().empty(); }));
  client_.HoldUp(false);
  stop.join();
  EXPECT_EQ(client_.Wait(unique).error, 0);
}

TEST_F(FuseSessionTest, RefusesMoreWorkersThanSlots) {
  Create();
  EXPECT_EQ(session_->Start(0).error().kind(), ErrorKind::kInvalid);
  EXPECT_EQ(session_->Start(FuseSession::kMaxWorkers + 1).error().kind(), ErrorKind::kInvalid);
}

TEST_F(FuseSessionTest, TellsHowLongAWorkerIsBusy) {
  std::atomic<bool> go{false};
  gate_.before = [&](const Request&) { Eventually([&] { return go.load(); }); };
  Serve(3);
  EXPECT_EQ(session_->BusySince(), kNever);
  uint64_t unique = client_.SendOpen(kKeyNode);
  EXPECT_TRUE(Eventually([&] { return session_->BusySince() == loop_.Now(); }));
  go = true;
  EXPECT_EQ(client_.Wait(unique).error, 0);
  EXPECT_TRUE(Eventually([&] { return session_->BusySince() == kNever; }));
}

TEST_F(FuseSessionTest, CountsByOperation) {
  Serve();
  client_.Lookup(kRootId, "key");
  client_.Lookup(kRootId, "no such");
  client_.Open(kKeyNode, O_WRONLY);
  client_.Call(FUSE_UNLINK, kRootId, NameBody("key"));
  auto counters = session_->counters();
  auto of = [&](Operation operation) { return counters.operations[static_cast<size_t>(operation)]; };
  EXPECT_EQ(of(Operation::kLookup).count, 2u);
  EXPECT_EQ(of(Operation::kLookup).errors, 1u);
  EXPECT_EQ(of(Operation::kOpen).errors, 1u);
  EXPECT_EQ(of(Operation::kChange).count, 1u);
  EXPECT_EQ(of(Operation::kRead).count, 0u);
}

// S8, S10: pages that a handle of another version filled are dropped, after the reply.
TEST_F(FuseSessionTest, DropsPagesAfterAForeignRead) {
  Serve();
  FuseReply opened = client_.Open(kOldKeyNode);
  ASSERT_EQ(opened.error, 0);
  uint64_t handle = opened.As<fuse_open_out>().fh;
  EXPECT_EQ(client_.Read(kOldKeyNode, handle, 0, 4096).Text(), kKeyBytes);
  EXPECT_THAT(client_.WaitInvalidations(1), ElementsAre(kOldKeyNode.inode()));
}

TEST_F(FuseSessionTest, ForwardsTheNotifiersQueue) {
  notifier_.InvalidateInode({9, 9});  // before there is a session
  Serve();
  notifier_.InvalidateInode({9, 10});
  // Before INIT the kernel cannot be told; it has no inodes then either.
  EXPECT_TRUE(Eventually([&] {
    auto counts = session_->counters().notifier;
    return counts.told + counts.failed == 2;
  }));
}

}  // namespace
}  // namespace leasefs
