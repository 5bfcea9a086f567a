// Requests that wait hold a record, no thread and no slot; interrupts find them.
#include <gmock/gmock.h>

#include "fs/fuse/parked_requests.h"
#include "fs/fuse/pending_request.h"
#include "fs/fuse/request_slots.h"
#include "tests/fuse/session_fixture.h"

namespace leasefs {
namespace {

class FuseWaitingTest : public SessionTest {
 protected:
  void Serve(size_t workers = 2) {
    SessionTest::Serve(workers);
    gate_.mode = FakeGate::Mode::kWait;
  }
  uint64_t others() const { return session_->counters().operations[static_cast<size_t>(Operation::kOther)].count; }
};

TEST_F(FuseWaitingTest, AWaiterHoldsNoThread) {
  Serve(1);
  std::vector<uint64_t> opens;
  for (int i = 0; i < 300; ++i) opens.push_back(client_.SendOpen(kKeyNode));
  EXPECT_TRUE(Eventually([&] { return gate_.waiting() == 300; }));
  EXPECT_EQ(session_->counters().parked, 300u);
  EXPECT_EQ(client_.Call(FUSE_STATFS, kRootId).error, 0) << "the one thread serves others";
  for (uint64_t open : opens) EXPECT_TRUE(gate_.Complete(open));
  for (uint64_t open : opens) EXPECT_EQ(client_.Wait(open).As<fuse_open_out>().fh, open);
  EXPECT_EQ(session_->counters().parked, 0u);
  EXPECT_EQ(session_->counters().parked_ever, 300u);
}

TEST_F(FuseWaitingTest, EveryOperationThatMayWaitIsAnsweredLater) {
  Serve();
  uint64_t lookup = client_.Send(FUSE_LOOKUP, kRootId, NameBody("key"));
  uint64_t attributes = client_.Send(FUSE_GETATTR, kKeyNode, BodyOf(fuse_getattr_in{}));
  uint64_t directory = client_.Send(FUSE_OPENDIR, kRootId, BodyOf(fuse_open_in{}));
  uint64_t access = client_.Send(FUSE_ACCESS, kKeyNode, BodyOf(fuse_access_in{}));
  ASSERT_TRUE(Eventually([&] { return gate_.waiting() == 4; }));
  for (uint64_t unique : {lookup, attributes, directory, access}) {
    EXPECT_EQ(client_.replies_to(unique), 0u);
    EXPECT_TRUE(gate_.Complete(unique));
    EXPECT_EQ(client_.Wait(unique).error, 0);
  }
  EXPECT_EQ(client_.Wait(lookup).As<fuse_entry_out>().nodeid, kKeyNode.inode());
  EXPECT_EQ(client_.Wait(attributes).As<fuse_attr_out>().attr.ino, kKeyNode.inode());
}

TEST_F(FuseWaitingTest, AnInterruptEndsAWaiter) {
  Serve();
  uint64_t open = client_.SendOpen(kKeyNode);
  uint64_t other = client_.SendOpen(kKeyNode);
  ASSERT_TRUE(Eventually([&] { return gate_.waiting() == 2; }));
  client_.Interrupt(open);
  EXPECT_EQ(client_.Wait(open).error, EINTR);
  EXPECT_TRUE(gate_.Waits(other));
  EXPECT_EQ(client_.replies_to(open), 1u);
  EXPECT_EQ(client_.replies_to(open | 1), 0u) << "an INTERRUPT has no reply";
}

// S25: with two threads the INTERRUPT can overtake its request on the way to the gate.
TEST_F(FuseWaitingTest, AnInterruptThatOvertakesItsRequestCounts) {
  gate_.before = [&](const Request& request) {
    client_.Interrupt(request.unique);
    Eventually([&] { return others() == 1; });
  };
  Serve(2);
  EXPECT_EQ(client_.Open(kKeyNode).error, EINTR);
}

TEST_F(FuseWaitingTest, AnInterruptOfNobodyIsIgnored) {
  Serve();
  for (uint64_t unique = 100000; unique < 101000; unique += 2) client_.Interrupt(unique);
  uint64_t open = client_.SendOpen(kKeyNode);
  ASSERT_TRUE(Eventually([&] { return gate_.Waits(open) && others() == 500; }));
  client_.Interrupt(open);
  EXPECT_EQ(client_.Wait(open).error, EINTR);
}

TEST_F(FuseWaitingTest, AnInterruptAfterTheAnswerIsIgnored) {
  Serve();
  gate_.mode = FakeGate::Mode::kAnswer;
  uint64_t open = client_.SendOpen(kKeyNode);
  EXPECT_EQ(client_.Wait(open).error, 0);
  client_.Interrupt(open);
  EXPECT_TRUE(Eventually([&] { return others() == 1; }));
  EXPECT_EQ(client_.GetAttributes(kRootId).error, 0);
  EXPECT_EQ(client_.replies_to(open), 1u);
}

// The kernel never sends a number twice; who forges it must not get at another's record.
TEST_F(FuseWaitingTest, ASecondRequestOfTheSameNumberIsBusy) {
  Serve();
  uint64_t open = client_.SendOpen(kKeyNode);
  ASSERT_TRUE(Eventually([&] { return gate_.Waits(open); }));
  client_.SendRaw(RequestBytes(FUSE_OPEN, open, kKeyNode, BodyOf(fuse_open_in{})));
  EXPECT_EQ(client_.Wait(open).error, EBUSY);
  EXPECT_TRUE(gate_.Complete(open));
  EXPECT_TRUE(Eventually([&] { return client_.replies_to(open) == 2; }));
}

TEST_F(FuseWaitingTest, WhenAllRecordsAreTakenTheNextIsBusyAndReleaseStillWorks) {
  SessionTest::Serve(4);
  uint64_t handle = client_.Open(kKeyNode).As<fuse_open_out>().fh;
  gate_.mode = FakeGate::Mode::kWait;
  uint64_t first = client_.SendOpen(kKeyNode);
  for (size_t i = 1; i < RequestSlots::kParkedRecords; ++i) client_.SendOpen(kKeyNode, 0, {i % 2 == 0 ? 1000u : 2000u});
  ASSERT_TRUE(Eventually([&] { return gate_.waiting() == RequestSlots::kParkedRecords; }));
  EXPECT_EQ(client_.Open(kKeyNode).error, EBUSY);
  EXPECT_EQ(client_.Release(kKeyNode, handle).error, 0);
  client_.Interrupt(first);
  EXPECT_EQ(client_.Wait(first).error, EINTR);
  EXPECT_EQ(session_->counters().park_refused, 1u);
  // A record is freed after its reply: else a crash in between would lose the request.
  EXPECT_TRUE(Eventually([&] { return session_->counters().parked < RequestSlots::kParkedRecords; }));
  uint64_t next = client_.SendOpen(kKeyNode);
  EXPECT_TRUE(Eventually([&] { return gate_.Waits(next); })) << "the record is free again";
  // All of them survive.
  End();
  FakeGate successor;
  session_ = FuseSession::Create(OptionsFor(memory_, successor)).value();
  ASSERT_TRUE(session_->Recover().ok());
  EXPECT_EQ(session_->counters().replayed, RequestSlots::kParkedRecords);
  EXPECT_EQ(client_.Wait(next).error, 0);
  EXPECT_EQ(session_->counters().parked, 0u);
  End();
}

TEST(ParkedRequestsTest, UsesFewRecordsAgainAndAgain) {
  SlotsMemory memory;
  RequestSlots slots = RequestSlots::Attach(memory.bytes()).value();
  ParkedRequests parked(slots);
  RawBytes request = RequestBytes(FUSE_OPEN, 2, kKeyNode, BodyOf(fuse_open_in{}));
  bool interrupted = false;
  for (uint64_t unique = 2; unique < 2000; unique += 2) {
    EXPECT_EQ(parked.Add(unique, request, BootTime{}, 0, std::make_unique<PendingRequest>(), &interrupted), nullptr);
    if (unique >= 20) {
      EXPECT_NE(parked.Remove(unique - 18), nullptr);
    }
  }
  EXPECT_LE(slots.records_touched(), 10u) << "records behind stay holes of the memory";
  EXPECT_EQ(parked.counts().waiting, 9u);
}

TEST(ParkedRequestsTest, GivesBackWhatItCannotTake) {
  SlotsMemory memory;
  ParkedRequests parked(RequestSlots::Attach(memory.bytes()).value());
  bool interrupted = false;
  RawBytes request(305);
  EXPECT_NE(parked.Add(2, request, BootTime{}, 0, std::make_unique<PendingRequest>(), &interrupted), nullptr);
  EXPECT_EQ(parked.Remove(2), nullptr);
  EXPECT_NE(parked.Resume(2, std::make_unique<PendingRequest>(), &interrupted), nullptr);
  EXPECT_EQ(parked.counts().refused, 1u);
}

TEST(ParkedRequestsTest, TellsOfAnInterruptWhileItWaits) {
  SlotsMemory memory;
  ParkedRequests parked(RequestSlots::Attach(memory.bytes()).value());
  RawBytes request = RequestBytes(FUSE_OPEN, 40, kKeyNode, BodyOf(fuse_open_in{}));
  bool interrupted = false;
  EXPECT_EQ(parked.Add(40, request, BootTime{}, 0, std::make_unique<PendingRequest>(), &interrupted), nullptr);
  EXPECT_FALSE(parked.Interrupted(40));
  parked.MarkInterrupted(40);
  EXPECT_TRUE(parked.Interrupted(40));
  EXPECT_FALSE(parked.Interrupted(42));
}

TEST(ParkedRequestsTest, LeavesAQuarterOfTheRecordsToOthersThanOneUid) {
  SlotsMemory memory;
  auto add = [](ParkedRequests& parked, uint64_t unique, uint32_t uid) {
    RawBytes request = RequestBytes(FUSE_OPEN, unique, kKeyNode, BodyOf(fuse_open_in{}), {uid, uid, 1});
    bool interrupted = false;
    return parked.Add(unique, request, BootTime{}, 0, std::make_unique<PendingRequest>(), &interrupted) == nullptr;
  };
  {
    ParkedRequests parked(RequestSlots::Attach(memory.bytes()).value());
    for (uint64_t i = 0; i < ParkedRequests::kMaxPerUid; ++i) ASSERT_TRUE(add(parked, 2 * i + 2, 1000));
    EXPECT_FALSE(add(parked, 100'000, 1000));
    EXPECT_TRUE(add(parked, 100'002, 2000));
    for (auto& owner : parked.TakeOwners()) owner->Leave();
  }
  ParkedRequests successor(RequestSlots::Attach(memory.bytes()).value());
  EXPECT_FALSE(add(successor, 100'000, 1000));
  successor.Remove(2);
  EXPECT_TRUE(add(successor, 100'000, 1000));
  for (auto& owner : successor.TakeOwners()) owner->Leave();
}

TEST(ParkedRequestsTest, RemembersAnInterruptForAMoment) {
  SlotsMemory memory;
  ParkedRequests parked(RequestSlots::Attach(memory.bytes()).value());
  RawBytes request = RequestBytes(FUSE_OPEN, 40, kKeyNode, BodyOf(fuse_open_in{}));
  parked.MarkInterrupted(40);
  bool interrupted = false;
  EXPECT_EQ(parked.Add(40, request, BootTime{}, 0, std::make_unique<PendingRequest>(), &interrupted), nullptr);
  EXPECT_TRUE(interrupted);
  EXPECT_EQ(parked.record(0).interrupted, 1);
  for (uint64_t unique = 1000; unique < 2000; unique += 2) parked.MarkInterrupted(unique);
  EXPECT_EQ(parked.Add(1000, request, BootTime{}, 0, std::make_unique<PendingRequest>(), &interrupted), nullptr);
  EXPECT_FALSE(interrupted);
}

}  // namespace
}  // namespace leasefs
