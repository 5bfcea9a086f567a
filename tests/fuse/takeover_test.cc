// A successor on the memory of a process that died: nobody notices.
#include <gmock/gmock.h>

#include "fs/fuse/request_slots.h"
#include "tests/fuse/session_fixture.h"

namespace leasefs {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class FuseTakeoverTest : public SessionTest {
 protected:
  // The successor's world: its own gate, on the memory as it was left.
  void TakeOver(SlotsMemory& memory, FakeGate& gate, size_t workers = 1) {
    End();
    auto session = FuseSession::Create(OptionsFor(memory, gate));
    ASSERT_TRUE(session.ok()) << session.error().message();
    session_ = std::move(session).value();
    Status recovered = session_->Recover();
    ASSERT_TRUE(recovered.ok()) << recovered.error().message();
    if (workers > 0) Start(workers);
  }
  RequestSlots Slots(SlotsMemory& memory) { return RequestSlots::Attach(memory.bytes()).value(); }

  // As if a process had died after it read the request.
  void PutIntoSlot(SlotsMemory& memory, size_t slot, const RawBytes& request, BootTime arrival, uint32_t replays = 0) {
    RequestSlots slots = Slots(memory);
    memcpy(slots.buffer(slot).data(), request.data(), request.size());
    slots.state(slot) = {ToNanoseconds(arrival), replays, 0};
  }
  void PutIntoRecord(SlotsMemory& memory, uint32_t index, const RawBytes& request, BootTime arrival,
                     uint8_t replays = 0, bool interrupted = false) {
    RequestSlots slots = Slots(memory);
    auto& record = slots.record(index);
    memcpy(record.request, request.data(), request.size());
    record.arrival = ToNanoseconds(arrival);
    record.replays = replays;
    record.interrupted = interrupted ? 1 : 0;
    record.length = static_cast<uint16_t>(request.size());
    slots.set_records_touched(std::max(slots.records_touched(), index + 1));
  }
  RawBytes OpenRequest(uint64_t unique, NodeId node = kKeyNode) {
    return RequestBytes(FUSE_OPEN, unique, node, BodyOf(fuse_open_in{}));
  }
  RawBytes InterruptRequest(uint64_t unique) {
    return RequestBytes(FUSE_INTERRUPT, unique | 1, NodeId{}, BodyOf(fuse_interrupt_in{unique}));
  }
  // A memory on which INIT was answered and nothing is under way.
  void Prepare() {
    Serve(1);
    session_->Stop();
  }

  FakeGate successor_;
};

TEST_F(FuseTakeoverTest, TheRecordedInitIsRunAgainAndItsReplySwallowed) {
  Serve();
  TakeOver(memory_, successor_);
  EXPECT_EQ(client_.GetAttributes(kRootId).error, 0);
  EXPECT_EQ(client_.replies(), 2u) << "INIT and GETATTR";
  notifier_.InvalidateInode(kKeyNode);
  EXPECT_THAT(client_.WaitInvalidations(1), ElementsAre(kKeyNode.inode())) << "it may notify, too";
}

TEST_F(FuseTakeoverTest, FreshMemoryHasNothingToRecover) {
  TakeOver(memory_, successor_);
  EXPECT_EQ(client_.Init().error, 0);
  EXPECT_EQ(session_->counters().replayed, 0u);
}

TEST_F(FuseTakeoverTest, AnInitThatWasReadAndNotAnsweredIsAnswered) {
  fuse_init_in init{};
  init.major = FUSE_KERNEL_VERSION;
  init.minor = 45;
  init.flags = FUSE_PARALLEL_DIROPS;
  uint64_t unique = client_.NextUnique();
  RawBytes request = RequestBytes(FUSE_INIT, unique, NodeId{}, BodyOf(init), {0, 0, 0});
  for (bool recorded : {false, true}) {
    SlotsMemory memory;
    PutIntoSlot(memory, 3, request, loop_.Now());
    if (recorded) Slots(memory).RecordInit(request);
    TakeOver(memory, successor_);
    EXPECT_EQ(client_.Wait(unique).error, 0);
    EXPECT_TRUE(client_.Wait(unique).As<fuse_init_out>().flags & FUSE_PARALLEL_DIROPS);
    EXPECT_EQ(client_.GetAttributes(kRootId).error, 0);
    End();
    EXPECT_EQ(client_.replies_to(unique), recorded ? 2u : 1u);
  }
}

TEST_F(FuseTakeoverTest, ARequestThatWasReadAndNotAnsweredIsRunAgain) {
  SlotsMemory crashed;
  gate_.before = [&](const Request&) { crashed.CopyFrom(memory_); };
  Serve(1);
  BootTime arrival = loop_.Now();
  uint64_t unique = client_.SendOpen(kKeyNode, 0, {7, 8, 9});
  client_.Wait(unique);
  session_->Stop();
  loop_.RunFor(std::chrono::seconds(3));
  memory_.CopyFrom(crashed);
  TakeOver(memory_, successor_);
  EXPECT_TRUE(Eventually([&] { return client_.replies_to(unique) == 2; }));
  ASSERT_EQ(successor_.requests().size(), 1u);
  Request seen = successor_.requests()[0];
  EXPECT_TRUE(seen.replay);
  EXPECT_EQ(seen.unique, unique);
  EXPECT_EQ(seen.arrival, arrival) << "the deadline counts from the first reading";
  EXPECT_EQ(seen.caller.uid, 7u);
  EXPECT_EQ(seen.caller.tid, 9);
  EXPECT_THAT(successor_.handles(), ElementsAre(unique));
  EXPECT_EQ(session_->counters().replayed, 1u);
}

TEST_F(FuseTakeoverTest, WhatWasAnsweredIsNotRunAgain) {
  Serve(4);
  for (int i = 0; i < 20; ++i) client_.Open(kKeyNode);
  TakeOver(memory_, successor_);
  EXPECT_THAT(successor_.requests(), IsEmpty());
}

TEST_F(FuseTakeoverTest, ARequestWithoutArrivalHasJustArrived) {
  Prepare();
  uint64_t unique = client_.NextUnique();
  PutIntoSlot(memory_, 5, OpenRequest(unique), BootTime{});
  TakeOver(memory_, successor_);
  EXPECT_EQ(client_.Wait(unique).error, 0);
  EXPECT_EQ(successor_.requests().at(0).arrival, loop_.Now());
}

TEST_F(FuseTakeoverTest, WaitingRequestsGoOnWaiting) {
  gate_.mode = FakeGate::Mode::kWait;
  Serve();
  BootTime arrival = loop_.Now();
  uint64_t open = client_.SendOpen(kKeyNode);
  uint64_t lookup = client_.Send(FUSE_LOOKUP, kRootId, NameBody(std::string(255, 'x')));
  ASSERT_TRUE(Eventually([&] { return gate_.waiting() == 2; }));
  EXPECT_EQ(session_->counters().parked, 2u);
  successor_.mode = FakeGate::Mode::kWait;
  session_->Stop();
  loop_.RunFor(std::chrono::seconds(1));
  TakeOver(memory_, successor_);
  EXPECT_TRUE(successor_.Waits(open) && successor_.Waits(lookup));
  EXPECT_EQ(client_.replies(), 1u) << "INIT";
  EXPECT_EQ(successor_.requests().at(0).arrival, arrival);
  EXPECT_TRUE(successor_.requests().at(0).replay);

  FakeGate third;  // and once more; now the answer is there at once
  loop_.RunFor(std::chrono::seconds(1));
  TakeOver(memory_, third);
  EXPECT_EQ(client_.Wait(open).error, 0);
  EXPECT_EQ(client_.Wait(lookup).error, ENOENT);
  EXPECT_EQ(third.requests().at(0).arrival, arrival);
  EXPECT_EQ(session_->counters().parked, 0u);

  FakeGate fourth;
  TakeOver(memory_, fourth);
  EXPECT_THAT(fourth.requests(), IsEmpty());
  EXPECT_EQ(client_.replies_to(open), 1u);
  End();
}

TEST_F(FuseTakeoverTest, ASuccessorsWaiterIsAnsweredLater) {
  gate_.mode = FakeGate::Mode::kWait;
  Serve();
  uint64_t open = client_.SendOpen(kKeyNode);
  ASSERT_TRUE(Eventually([&] { return gate_.Waits(open); }));
  successor_.mode = FakeGate::Mode::kWait;
  TakeOver(memory_, successor_);
  EXPECT_TRUE(successor_.Complete(open));
  EXPECT_EQ(client_.Wait(open).As<fuse_open_out>().fh, open);
  EXPECT_EQ(session_->counters().parked, 0u);
}

TEST_F(FuseTakeoverTest, AParkedRequestWhoseSlotIsStillLiveIsRunOnce) {
  Prepare();
  uint64_t unique = client_.NextUnique();
  PutIntoSlot(memory_, 2, OpenRequest(unique), loop_.Now());
  PutIntoRecord(memory_, 0, OpenRequest(unique), loop_.Now());
  successor_.mode = FakeGate::Mode::kWait;
  TakeOver(memory_, successor_);
  EXPECT_EQ(successor_.requests().size(), 1u);
  EXPECT_TRUE(successor_.Complete(unique));
  EXPECT_EQ(client_.Wait(unique).error, 0);
  End();
  EXPECT_EQ(client_.replies_to(unique), 1u);
}

TEST_F(FuseTakeoverTest, AnInterruptThatWasReadReachesARequestThatWasRead) {
  Prepare();
  uint64_t unique = client_.NextUnique();
  PutIntoSlot(memory_, 0, InterruptRequest(unique), loop_.Now());
  PutIntoSlot(memory_, 1, OpenRequest(unique), loop_.Now());
  successor_.mode = FakeGate::Mode::kWait;
  TakeOver(memory_, successor_, 0);
  EXPECT_EQ(client_.Wait(unique).error, EINTR);
  EXPECT_EQ(session_->counters().parked, 0u);
}

TEST_F(FuseTakeoverTest, AnInterruptThatWasTakenIsNotLost) {
  Prepare();
  uint64_t unique = client_.NextUnique();
  PutIntoRecord(memory_, 9, OpenRequest(unique), loop_.Now(), 0, true);
  successor_.mode = FakeGate::Mode::kWait;
  TakeOver(memory_, successor_, 0);
  EXPECT_EQ(client_.Wait(unique).error, EINTR);
}

TEST_F(FuseTakeoverTest, TheOldestIsRunFirst) {
  Prepare();
  loop_.RunFor(std::chrono::seconds(10));
  uint64_t young = client_.NextUnique();
  uint64_t old = client_.NextUnique();
  PutIntoRecord(memory_, 0, OpenRequest(young), loop_.Now() - std::chrono::seconds(1));
  PutIntoRecord(memory_, 1, OpenRequest(old), loop_.Now() - std::chrono::seconds(4));
  TakeOver(memory_, successor_);
  ASSERT_EQ(successor_.requests().size(), 2u);
  EXPECT_EQ(successor_.requests()[0].unique, old);
}

TEST_F(FuseTakeoverTest, ARequestThatEndsEveryProcessIsGivenUp) {
  Prepare();
  uint64_t in_slot = client_.NextUnique();
  uint64_t in_record = client_.NextUnique();
  uint64_t forget = client_.NextUnique();
  PutIntoSlot(memory_, 0, OpenRequest(in_slot), loop_.Now());
  PutIntoRecord(memory_, 0, OpenRequest(in_record), loop_.Now());
  PutIntoSlot(memory_, 1, RequestBytes(FUSE_FORGET, forget, kKeyNode, BodyOf(fuse_forget_in{1})), loop_.Now(), 3);
  for (int death = 0; death < 3; ++death) {
    SlotsMemory crashed;
    std::vector<uint64_t> reached;
    FakeGate doomed;  // the process dies in here, and leaves the memory like this
    doomed.before = [&](const Request& request) {
      reached.push_back(request.unique);
      if (request.unique == in_slot) crashed.CopyFrom(memory_);
    };
    doomed.mode = FakeGate::Mode::kWait;
    TakeOver(memory_, doomed, 0);
    End();
    EXPECT_THAT(reached, ElementsAre(in_record, in_slot)) << "death " << death;
    memory_.CopyFrom(crashed);
  }
  TakeOver(memory_, successor_);
  EXPECT_EQ(client_.Wait(in_slot).error, EIO);
  EXPECT_EQ(client_.Wait(in_record).error, EIO);
  EXPECT_THAT(successor_.requests(), IsEmpty());
  EXPECT_THAT(successor_.abandoned(), testing::UnorderedElementsAre(in_slot, in_record));
  EXPECT_EQ(session_->counters().given_up, 3u);
  EXPECT_EQ(client_.GetAttributes(kRootId).error, 0);
  EXPECT_EQ(client_.replies_to(forget), 0u);
}

TEST_F(FuseTakeoverTest, AReplyThatReachesNobodyFreesTheHandleButNotInAReplay) {
  Prepare();
  uint64_t replayed = client_.NextUnique();
  PutIntoSlot(memory_, 0, OpenRequest(replayed), loop_.Now());
  client_.StopListening();
  TakeOver(memory_, successor_);
  EXPECT_THAT(successor_.handles(), ElementsAre(replayed)) << "the kernel may have had the predecessor's answer";
  uint64_t fresh = client_.SendOpen(kKeyNode);
  EXPECT_TRUE(Eventually([&] { return !successor_.abandoned().empty(); }));
  EXPECT_THAT(successor_.abandoned(), ElementsAre(fresh));
}

TEST_F(FuseTakeoverTest, RefusesMemoryOfAnotherLayout) {
  Prepare();
  End();
  SlotsMemory other;
  other.CopyFrom(memory_);
  other.bytes()[8] = std::byte{99};  // the layout version
  auto refused = FuseSession::Create(OptionsFor(other, gate_));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind(), ErrorKind::kInvalid);
  EXPECT_THAT(refused.error().message(), testing::HasSubstr("layout 99"));
  other.bytes()[0] = std::byte{'x'};
  EXPECT_FALSE(FuseSession::Create(OptionsFor(other, gate_)).ok());
  auto options = OptionsFor(memory_, gate_);
  options.slots_memory = options.slots_memory.first(4096);
  EXPECT_FALSE(FuseSession::Create(options).ok());
}

// Memory that a dying process left half written is not trusted further than it must be.
TEST_F(FuseTakeoverTest, SurvivesNonsenseInTheMemory) {
  Prepare();
  RequestSlots slots = Slots(memory_);
  memset(slots.buffer(4).data(), 0xff, slots.buffer(4).size());
  RawBytes cut = OpenRequest(client_.NextUnique());
  cut.resize(50);
  PutIntoSlot(memory_, 6, RawBytes(100, std::byte{1}), loop_.Now());
  PutIntoRecord(memory_, 3, RawBytes(20, std::byte{7}), loop_.Now());
  PutIntoRecord(memory_, 4, RawBytes(304, std::byte{7}), loop_.Now());
  slots.record(5).length = 0xffff;
  slots.set_records_touched(0xffffffff);
  TakeOver(memory_, successor_);
  EXPECT_EQ(client_.GetAttributes(kRootId).error, 0);
  EXPECT_EQ(session_->counters().parked, 0u);
}

}  // namespace
}  // namespace leasefs
