// S17, S18: an outage takes nothing away, and nobody is asked again before it makes sense.
#include <gtest/gtest.h>

#include "fs/base/sim_loop.h"
#include "tests/support/map_backend.h"
#include "tests/support/sim_mount.h"

namespace leasefs {
namespace {

constexpr Caller kAlice{1000, 1000, 11};

class GateOutageTest : public testing::Test {
 protected:
  GateOutageTest()
      : backend_(loop_),
        server_(loop_, backend_, {}),
        mount_(loop_, SimConfig({SimTree("web", "web")}, {AllowUser("web/**", 1000)})) {
    backend_.Put("web/tls", {{"key.pem", "KEY"}});
    mount_.Connect("local", server_);
    loop_.RunFor(std::chrono::seconds(1));
  }
  // The value is held, known to be old, and its backend fails.
  void ChangeAndFail(ErrorKind kind) {
    EXPECT_FALSE(mount_.OpenNow("web/tls/key.pem", kAlice).error);
    backend_.Put("web/tls", {{"key.pem", "KEY" + std::to_string(++changes_)}});
    loop_.RunFor(std::chrono::seconds(1));
    backend_.SetOutage(kind);
  }
  ErrorKind KindOf(const SimRead& read) { return read.error ? read.error->kind() : ErrorKind{}; }

  SimLoop loop_{1};
  MapBackend backend_;
  BackendServer server_;
  SimMount mount_;
  int changes_ = 0;
};

TEST_F(GateOutageTest, S17_WhatIsNoAnswerIsAnOutageAndTheStaleCopyIsServed) {
  std::string last = "KEY";
  for (ErrorKind kind : {ErrorKind::kUnreachable, ErrorKind::kRemote, ErrorKind::kLocked, ErrorKind::kLoginRefused,
                         ErrorKind::kNoMemory, ErrorKind::kInternal}) {
    ChangeAndFail(kind);
    uint64_t before = backend_.reads();
    for (int i = 0; i < 50; ++i) {
      (void)mount_.TakeAudit();
      EXPECT_EQ(mount_.OpenNow("web/tls/key.pem", kAlice).bytes, last) << ErrorKindName(kind);
      EXPECT_EQ(mount_.TakeAudit().back().source, AuditEvent::Source::kStale);
    }
    bool tells = kind == ErrorKind::kLocked;  // when it is open again; until then it may be asked at any time
    EXPECT_LE(backend_.reads() - before, tells ? 50u : 5u) << ErrorKindName(kind);
    backend_.SetOutage(std::nullopt);
    last = "KEY" + std::to_string(changes_);
    loop_.RunFor(std::chrono::seconds(5));
    EXPECT_EQ(mount_.OpenNow("web/tls/key.pem", kAlice).bytes, last);
  }
}

TEST_F(GateOutageTest, S17_AnAnswerTakesTheValueAway) {
  for (ErrorKind kind : {ErrorKind::kDenied, ErrorKind::kRevoked, ErrorKind::kExpired, ErrorKind::kTooLarge}) {
    ChangeAndFail(kind);
    EXPECT_EQ(KindOf(mount_.OpenNow("web/tls/key.pem", kAlice)), kind);
    backend_.SetOutage(ErrorKind::kUnreachable);
    EXPECT_NE(KindOf(mount_.OpenNow("web/tls/key.pem", kAlice)), ErrorKind{}) << ErrorKindName(kind);
    backend_.SetOutage(std::nullopt);
    backend_.Put("web/tls", {{"key.pem", "BACK"}});
    loop_.RunFor(std::chrono::minutes(1));
  }
}

TEST_F(GateOutageTest, S25_ABackendsOwnTroubleIsNotOurs) {
  EXPECT_TRUE(mount_.ListNow("web/tls", kAlice).ok());
  for (ErrorKind kind : {ErrorKind::kNoMemory, ErrorKind::kInternal}) {
    backend_.SetOutage(kind);
    EXPECT_EQ(KindOf(mount_.OpenNow("web/tls/key.pem", kAlice)), ErrorKind::kRemote);
    loop_.RunFor(std::chrono::minutes(1));
  }
}

TEST_F(GateOutageTest, S18_AListingThatFailsIsNotAskedForAgainAtOnce) {
  backend_.SetOutage(ErrorKind::kUnreachable);
  uint64_t before = backend_.lists();
  for (int i = 0; i < 50; ++i) EXPECT_EQ(mount_.StatNow("web/tls", kAlice).error().kind(), ErrorKind::kUnreachable);
  EXPECT_LE(backend_.lists() - before, 5u);
  backend_.SetOutage(std::nullopt);
  loop_.RunFor(std::chrono::seconds(30));
  EXPECT_TRUE(mount_.StatNow("web/tls", kAlice).ok());
}

TEST_F(GateOutageTest, WhenTheBackendIsUpAgainNobodyWaitsForABackOff) {
  EXPECT_TRUE(mount_.ListNow("web/tls", kAlice).ok());
  backend_.TellHealth(protocol::HealthState::kDown);
  backend_.SetOutage(ErrorKind::kUnreachable);
  for (int i = 0; i < 60; ++i) {  // until the back-off is long
    EXPECT_EQ(KindOf(mount_.OpenNow("web/tls/key.pem", kAlice)), ErrorKind::kUnreachable);
    EXPECT_FALSE(mount_.StatNow("web/none/k", kAlice).ok());
    loop_.RunFor(std::chrono::seconds(2));
  }
  backend_.SetOutage(std::nullopt);
  backend_.TellHealth(protocol::HealthState::kUp);
  loop_.RunFor(std::chrono::milliseconds(10));
  EXPECT_EQ(mount_.OpenNow("web/tls/key.pem", kAlice).bytes, "KEY");
}

}  // namespace
}  // namespace leasefs
