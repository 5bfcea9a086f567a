// Requests that no kernel sends: every one has at most one reply, and the session goes on.
#include <gmock/gmock.h>

#include <random>

#include "fs/fuse/raw_request.h"
#include "tests/fuse/session_fixture.h"

namespace leasefs {
namespace {

class FuseHostileTest : public SessionTest {
 protected:
  void SetUp() override { Serve(); }
  void ExpectAlive() { EXPECT_EQ(client_.GetAttributes(kRootId).error, 0); }
  uint64_t malformed() const { return session_->counters().malformed; }
};

RawBytes WithLength(RawBytes request, size_t size) {
  auto length = static_cast<uint32_t>(size);
  memcpy(request.data(), &length, sizeof length);
  return request;
}

// The bodies that libfuse looks into, each as short as it may be.
struct Sample {
  uint32_t opcode;
  RawBytes body;
};
std::vector<Sample> Samples() {
  RawBytes name = NameBody("n");
  RawBytes names = Joined({name, name});
  return {{FUSE_LOOKUP, name},
          {FUSE_GETATTR, BodyOf(fuse_getattr_in{})},
          {FUSE_SETATTR, BodyOf(fuse_setattr_in{})},
          {FUSE_SYMLINK, names},
          {FUSE_MKNOD, Joined({BodyOf(fuse_mknod_in{}), name})},
          {FUSE_MKDIR, Joined({BodyOf(fuse_mkdir_in{}), name})},
          {FUSE_UNLINK, name},
          {FUSE_RMDIR, name},
          {FUSE_RENAME, Joined({BodyOf(fuse_rename_in{}), names})},
          {FUSE_LINK, Joined({BodyOf(fuse_link_in{}), name})},
          {FUSE_OPEN, BodyOf(fuse_open_in{})},
          {FUSE_READ, BodyOf(fuse_read_in{})},
          {FUSE_WRITE, BodyOf(fuse_write_in{})},
          {FUSE_RELEASE, BodyOf(fuse_release_in{})},
          {FUSE_GETXATTR, Joined({BodyOf(fuse_getxattr_in{}), name})},
          {FUSE_LISTXATTR, BodyOf(fuse_getxattr_in{})},
          {FUSE_REMOVEXATTR, name},
          {FUSE_OPENDIR, BodyOf(fuse_open_in{})},
          {FUSE_READDIR, BodyOf(fuse_read_in{})},
          {FUSE_RELEASEDIR, BodyOf(fuse_release_in{})},
          {FUSE_GETLK, BodyOf(fuse_lk_in{})},
          {FUSE_SETLKW, BodyOf(fuse_lk_in{})},
          {FUSE_ACCESS, BodyOf(fuse_access_in{})},
          {FUSE_CREATE, Joined({BodyOf(fuse_create_in{}), name})},
          {FUSE_IOCTL, BodyOf(fuse_ioctl_in{})},
          {FUSE_POLL, BodyOf(fuse_poll_in{})},
          {FUSE_FALLOCATE, BodyOf(fuse_fallocate_in{})},
          {FUSE_READDIRPLUS, BodyOf(fuse_read_in{})},
          {FUSE_RENAME2, Joined({BodyOf(fuse_rename2_in{}), names})},
          {FUSE_LSEEK, BodyOf(fuse_lseek_in{})},
          {FUSE_COPY_FILE_RANGE, BodyOf(fuse_copy_file_range_in{})}};
}

TEST(RawRequestTest, TakesTheShortestWholeBodyAndNothingShorter) {
  for (const Sample& sample : Samples()) {
    RawBytes request = RequestBytes(sample.opcode, 2, kKeyNode, sample.body);
    EXPECT_EQ(ExamineRequest(request).disposition, Disposition::kDeliver) << sample.opcode;
    for (size_t cut = sizeof(fuse_in_header); cut < request.size(); ++cut) {
      Examined examined = ExamineRequest(WithLength({request.begin(), request.begin() + cut}, cut));
      EXPECT_EQ(examined.disposition, Disposition::kRefuse) << sample.opcode << " cut to " << cut;
      EXPECT_EQ(examined.error, EINVAL);
      EXPECT_TRUE(examined.malformed);
    }
    EXPECT_EQ(ExamineRequest(WithLength(request, request.size() + 1)).error, EIO);
    EXPECT_EQ(ExamineRequest(WithLength(request, 0)).error, EIO);
  }
}

TEST(RawRequestTest, TakesLongerBodiesFromLaterKernels) {
  for (const Sample& sample : Samples()) {
    RawBytes request = RequestBytes(sample.opcode, 2, kKeyNode, Joined({sample.body, RawBytes(64)}));
    EXPECT_EQ(ExamineRequest(request).disposition, Disposition::kDeliver) << sample.opcode;
  }
}

TEST(RawRequestTest, WhatHasNoReplyIsDroppedWhenItIsCutShort) {
  for (uint32_t opcode : {FUSE_FORGET, FUSE_BATCH_FORGET, FUSE_INTERRUPT, FUSE_NOTIFY_REPLY}) {
    EXPECT_EQ(ExamineRequest(RequestBytes(opcode, 2, kKeyNode, RawBytes(7))).disposition, Disposition::kDrop);
  }
}

TEST(RawRequestTest, AHeaderThatIsCutShortIsDropped) {
  RawBytes request = RequestBytes(FUSE_STATFS, 2, kKeyNode, {});
  for (size_t cut = 0; cut < request.size(); ++cut) {
    EXPECT_EQ(ExamineRequest(std::span(request).first(cut)).disposition, Disposition::kDrop);
  }
}

TEST(RawRequestTest, InitMustBeOfAProtocolThatWeSpeak) {
  auto examine = [](uint32_t major, uint32_t minor, uint32_t flags, size_t size) {
    fuse_init_in init{};
    init.major = major;
    init.minor = minor;
    init.flags = flags;
    RawBytes body = BodyOf(init);
    body.resize(size);
    return ExamineRequest(RequestBytes(FUSE_INIT, 2, NodeId{}, body));
  };
  EXPECT_EQ(examine(7, 31, 0, 16).disposition, Disposition::kInit);
  EXPECT_EQ(examine(7, 99, FUSE_INIT_EXT, 64).disposition, Disposition::kInit);
  EXPECT_EQ(examine(7, 99, FUSE_INIT_EXT, 104).disposition, Disposition::kInit);
  EXPECT_EQ(examine(7, 31, 0, 15).error, EINVAL);
  EXPECT_EQ(examine(7, 36, FUSE_INIT_EXT, 16).error, EINVAL) << "the high flags are missing";
  EXPECT_EQ(examine(7, 30, 0, 16).error, EPROTO);
  EXPECT_EQ(examine(8, 0, 0, 16).error, EPROTO);
}

TEST_F(FuseHostileTest, EveryRequestCutAnywhereHasOneReply) {
  uint64_t sent = 0;
  for (const Sample& sample : Samples()) {
    RawBytes whole = RequestBytes(sample.opcode, 0, kKeyNode, sample.body);
    for (size_t cut = sizeof(fuse_in_header); cut < whole.size(); cut += 3) {
      uint64_t unique = client_.NextUnique();
      RawBytes request(whole.begin(), whole.begin() + cut);
      memcpy(request.data() + offsetof(fuse_in_header, unique), &unique, sizeof unique);
      client_.SendRaw(WithLength(request, cut));
      EXPECT_EQ(client_.Wait(unique).error, EINVAL) << sample.opcode;
      ++sent;
    }
  }
  EXPECT_EQ(malformed(), sent);
  EXPECT_EQ(client_.replies(), sent + 1);
}

TEST_F(FuseHostileTest, NamesWithoutAnEndAreInvalid) {
  RawBytes endless(8000, std::byte{'n'});
  EXPECT_EQ(client_.Call(FUSE_LOOKUP, kRootId, endless).error, EINVAL);
  EXPECT_EQ(client_.Call(FUSE_RENAME, kRootId, Joined({BodyOf(fuse_rename_in{}), NameBody("a"), endless})).error,
            EINVAL);
  EXPECT_EQ(client_.Call(FUSE_GETXATTR, kKeyNode, Joined({BodyOf(fuse_getxattr_in{}), endless})).error, EINVAL);
  EXPECT_EQ(client_.Call(FUSE_SETXATTR, kKeyNode, endless).error, EROFS) << "nobody looks";
  ExpectAlive();
}

TEST_F(FuseHostileTest, ARequestThatDoesNotFitIntoASlotIsAnIoError) {
  EXPECT_EQ(client_.Call(FUSE_LOOKUP, kRootId, RawBytes(9000, std::byte{'n'})).error, EIO);
  ExpectAlive();
}

TEST_F(FuseHostileTest, NamesMayHoldAnyByte) {
  EXPECT_EQ(client_.Lookup(kRootId, "").error, ENOENT);
  EXPECT_EQ(client_.Lookup(kRootId, "\x01\xff/..\n").error, ENOENT);
  EXPECT_EQ(client_.Lookup(kRootId, std::string_view("key\0and more", 12)).error, 0) << "the name ends at its end";
}

TEST_F(FuseHostileTest, AnAnswerToNumberZeroWouldBeANotification) {
  client_.SendRaw(RequestBytes(FUSE_GETATTR, 0, kRootId, BodyOf(fuse_getattr_in{})));
  client_.SendRaw(RequestBytes(9999, 0, kRootId, {}));
  ExpectAlive();  // by any worker: another one may still be at the first two
  EXPECT_TRUE(Eventually([&] { return malformed() == 2; })) << malformed();
}

// Kernels that are not written yet get what they expect of a daemon that is old.
TEST_F(FuseHostileTest, UnknownOperationsAreNotImplemented) {
  for (uint32_t opcode : {0u, 7u, 19u, 48u, 50u, 52u, 53u, 100u, 4095u, 4097u, 1048576u, 0xffffffffu}) {
    EXPECT_EQ(client_.Call(opcode, kRootId).error, ENOSYS) << opcode;
  }
  EXPECT_EQ(client_.Call(4096 /* CUSE_INIT */, kRootId).error, EIO);
  ExpectAlive();
}

TEST_F(FuseHostileTest, RepliesToNotificationsThatWeDoNotSendAreDropped) {
  for (int i = 0; i < 100; ++i) client_.Send(FUSE_NOTIFY_REPLY, kRootId, RawBytes(48));
  ExpectAlive();
  EXPECT_EQ(client_.replies(), 2u);
}

TEST_F(FuseHostileTest, AReplyIsNeverLongerThanWasAskedFor) {
  uint64_t handle = client_.Open(kKeyNode).As<fuse_open_out>().fh;
  for (uint32_t size = 0; size < 64; ++size) {
    EXPECT_LE(client_.Read(kKeyNode, handle, 0, size).body.size(), size);
    EXPECT_LE(client_.ReadDirectory(kFolderNode, 0, size * 16).body.size(), size * 16);
  }
}

TEST_F(FuseHostileTest, RandomRequestsHaveOneReplyAtMost) {
  std::mt19937 generator(20240229);
  auto random = [&] { return static_cast<uint32_t>(generator()); };
  auto samples = Samples();
  std::vector<uint64_t> sent;
  for (int i = 0; i < 4000; ++i) {
    RawBytes body = samples[random() % samples.size()].body;
    body.resize(random() % 2 ? body.size() : random() % 200);
    for (std::byte& byte : body) byte = random() % 3 ? byte : static_cast<std::byte>(random());
    uint32_t opcode = random() % 8 ? samples[random() % samples.size()].opcode : random() % 60;
    NodeId node{static_cast<uint32_t>(random() % 4), static_cast<uint32_t>(random() % 4)};
    sent.push_back(client_.Send(opcode, node, body, {static_cast<uint32_t>(random()), 1, 1}));
  }
  ExpectAlive();
  session_->Stop();
  for (uint64_t unique : sent) EXPECT_LE(client_.replies_to(unique), 1u);
}

}  // namespace
}  // namespace leasefs
