#include "fs/base/stream.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>

#include "fs/base/sim_loop.h"

namespace leasefs {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using StreamPair = std::pair<std::unique_ptr<Stream>, std::unique_ptr<Stream>>;

std::pair<UniqueFd, UniqueFd> MakeSocketPair() {
  std::array<int, 2> raw{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, raw.data()) != 0) std::abort();
  return {UniqueFd(raw[0]), UniqueFd(raw[1])};
}

class RealWorld {
 public:
  StreamPair MakePair() {
    auto [a, b] = MakeSocketPair();
    return {MakeFdStream(*loop_, std::move(a)), MakeFdStream(*loop_, std::move(b))};
  }
  FdLoop& loop() { return *loop_; }
  template <class Condition>
  bool RunUntil(Condition condition) {
    BootTime end = loop_->Now() + seconds(30);
    std::function<void()> check = [&] {
      if (condition() || loop_->Now() > end) return loop_->Stop();
      loop_->After(milliseconds(1), check);
    };
    check();
    loop_->Run();
    return condition();
  }

 private:
  std::unique_ptr<FdLoop> loop_ = *FdLoop::Create();
};

class SimWorld {
 public:
  StreamPair MakePair() { return MakeSimStreams(loop_, milliseconds(3)); }
  SimLoop& loop() { return loop_; }
  template <class Condition>
  bool RunUntil(Condition condition) {
    while (!condition() && loop_.Step()) {
    }
    return condition();
  }

 private:
  SimLoop loop_{1};
};

// One end with a record of what came.
struct End {
  explicit End(std::unique_ptr<Stream> its_stream) : stream(std::move(its_stream)) {
    stream->Start({.on_bytes =
                       [this](std::span<const std::byte> bytes) {
                         EXPECT_FALSE(in_call);
                         received.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
                         if (on_bytes) on_bytes();
                       },
                   .on_closed =
                       [this](const std::string& reason) {
                         EXPECT_FALSE(in_call);
                         EXPECT_FALSE(why.has_value()) << "told twice";
                         why = reason;
                         if (on_closed) on_closed();
                       }});
  }
  void Send(std::string_view text) {
    in_call = true;
    stream->Send(SecretBuffer::CopyOf(text));
    in_call = false;
  }
  void Close(std::string reason) {
    in_call = true;
    stream->Close(std::move(reason));
    in_call = false;
  }
  bool closed() const { return why.has_value(); }

  std::unique_ptr<Stream> stream;
  std::string received;
  std::optional<std::string> why;
  std::function<void()> on_bytes;
  std::function<void()> on_closed;
  bool in_call = false;
};

template <class World>
class StreamTest : public testing::Test {
 protected:
  World world_;
  StreamPair pair_ = world_.MakePair();
  End a_{std::move(pair_.first)};
  End b_{std::move(pair_.second)};
};

using Worlds = testing::Types<RealWorld, SimWorld>;
TYPED_TEST_SUITE(StreamTest, Worlds);

TYPED_TEST(StreamTest, BytesArriveInOrderInBothDirections) {
  std::string there;
  std::string back;
  for (int i = 0; i < 300; ++i) {
    std::string piece(static_cast<size_t>(i * 37 % 5000), static_cast<char>('a' + i % 26));
    this->a_.Send(piece);
    there += piece;
    this->b_.Send(piece.substr(piece.size() / 2));
    back += piece.substr(piece.size() / 2);
  }
  EXPECT_TRUE(this->world_.RunUntil(
      [&] { return this->b_.received.size() >= there.size() && this->a_.received.size() >= back.size(); }));
  EXPECT_EQ(this->b_.received, there);
  EXPECT_EQ(this->a_.received, back);
  EXPECT_EQ(this->a_.stream->queued(), 0U);
}

TYPED_TEST(StreamTest, QueuesWhatThePeerDoesNotTakeAtOnce) {
  std::string large(size_t{4} << 20, 'x');
  this->a_.Send(large);
  EXPECT_GT(this->a_.stream->queued(), size_t{3} << 20);
  EXPECT_TRUE(this->world_.RunUntil([&] { return this->b_.received.size() == large.size(); }));
  EXPECT_EQ(this->a_.stream->queued(), 0U);
  EXPECT_EQ(this->b_.received, large);
}

TYPED_TEST(StreamTest, DestroyingOneEndClosesTheOther) {
  this->a_.stream.reset();
  EXPECT_FALSE(this->b_.closed());
  EXPECT_TRUE(this->world_.RunUntil([&] { return this->b_.closed(); }));
  EXPECT_EQ(*this->b_.why, "the peer closed the connection");
  this->b_.Send("nobody hears this");
  EXPECT_EQ(this->b_.stream->queued(), 0U);
  EXPECT_FALSE(this->a_.closed()) << "no event comes after the destruction";
}

TYPED_TEST(StreamTest, ClosingTellsBothEnds) {
  this->a_.Close("had enough");
  this->a_.Close("again");
  this->a_.Send("too late");
  EXPECT_EQ(this->a_.stream->queued(), 0U);
  EXPECT_TRUE(this->world_.RunUntil([&] { return this->a_.closed() && this->b_.closed(); }));
  EXPECT_EQ(*this->a_.why, "had enough");
  EXPECT_EQ(*this->b_.why, "the peer closed the connection");
  EXPECT_EQ(this->b_.received, "");
}

TYPED_TEST(StreamTest, NothingIsReadAfterClose) {
  this->b_.Send("words");
  this->a_.Close("had enough");
  EXPECT_TRUE(this->world_.RunUntil([&] { return this->a_.closed(); }));
  EXPECT_EQ(this->a_.received, "");
}

TYPED_TEST(StreamTest, MayBeDestroyedInsideOnBytes) {
  this->b_.on_bytes = [&] { this->b_.stream.reset(); };
  this->a_.Send("first");
  EXPECT_TRUE(this->world_.RunUntil([&] { return this->a_.closed(); }));
  EXPECT_EQ(this->b_.received, "first");
  EXPECT_FALSE(this->b_.closed());
}

TYPED_TEST(StreamTest, MayBeClosedInsideOnBytes) {
  this->b_.on_bytes = [&] { this->b_.Close("heard it"); };
  this->a_.Send("first");
  EXPECT_TRUE(this->world_.RunUntil([&] { return this->a_.closed() && this->b_.closed(); }));
  EXPECT_EQ(*this->b_.why, "heard it");
}

TYPED_TEST(StreamTest, MayBeDestroyedInsideOnClosed) {
  this->b_.on_closed = [&] { this->b_.stream.reset(); };
  this->a_.stream.reset();
  EXPECT_TRUE(this->world_.RunUntil([&] { return this->b_.closed(); }));
  EXPECT_EQ(this->b_.stream, nullptr);
}

TYPED_TEST(StreamTest, MayBeDestroyedBeforeTheCloseIsTold) {
  this->a_.Close("had enough");
  this->a_.stream.reset();
  EXPECT_TRUE(this->world_.RunUntil([&] { return this->b_.closed(); }));
  EXPECT_FALSE(this->a_.closed());
}

TYPED_TEST(StreamTest, EmptySendsAreNothing) {
  this->a_.stream->Send(SecretBuffer());
  EXPECT_EQ(this->a_.stream->queued(), 0U);
  this->a_.Send("x");
  EXPECT_TRUE(this->world_.RunUntil([&] { return this->b_.received == "x"; }));
}

TYPED_TEST(StreamTest, BytesWaitForStart) {
  StreamPair pair = this->world_.MakePair();
  End early(std::move(pair.first));
  early.Send("was first");
  int turns = 0;
  this->world_.loop().After(milliseconds(10), [&] { ++turns; });
  EXPECT_TRUE(this->world_.RunUntil([&] { return turns > 0; }));
  End late(std::move(pair.second));
  EXPECT_TRUE(this->world_.RunUntil([&] { return late.received == "was first"; }));
}

TEST(FdStreamTest, ASendThatFailsClosesFromTheLoopAfterTheLastWords) {
  RealWorld world;
  auto [mine, other] = MakeSocketPair();
  End end(MakeFdStream(world.loop(), std::move(mine)));
  ASSERT_EQ(write(other.get(), "last words", 10), 10);
  other.Reset();
  end.Send("nobody is there");  // EPIPE, and no SIGPIPE
  EXPECT_FALSE(end.closed());
  EXPECT_EQ(end.stream->queued(), 0U);
  EXPECT_TRUE(world.RunUntil([&] { return end.closed(); }));
  EXPECT_EQ(end.received, "last words");
}

TEST(FdStreamTest, APeerThatOnlyStopsReadingIsClosedToo) {
  RealWorld world;
  auto [mine, other] = MakeSocketPair();
  End end(MakeFdStream(world.loop(), std::move(mine)));
  ASSERT_EQ(shutdown(other.get(), SHUT_RD), 0);
  end.Send("nobody listens");
  EXPECT_TRUE(world.RunUntil([&] { return end.closed(); }));
  EXPECT_EQ(*end.why, "sending: Broken pipe");
}

TEST(FdStreamTest, WhatIsNoSocketIsClosedFromTheLoop) {
  RealWorld world;
  End none(MakeFdStream(world.loop(), UniqueFd()));
  EXPECT_FALSE(none.closed());
  UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  End file(MakeFdStream(world.loop(), std::move(null)));
  EXPECT_TRUE(world.RunUntil([&] { return none.closed() && file.closed(); }));
  EXPECT_EQ(*none.why, "making the socket non-blocking: Bad file descriptor");
}

TEST(FdStreamTest, DestructionClosesTheDescriptor) {
  RealWorld world;
  auto [mine, other] = MakeSocketPair();
  int raw = mine.get();
  { End end(MakeFdStream(world.loop(), std::move(mine))); }
  EXPECT_EQ(fcntl(raw, F_GETFD), -1);
}

// What comes of one message, when the sender dies at once, for many seeds.
std::vector<std::string> DieAfterSending(uint64_t first_seed, int runs) {
  std::vector<std::string> outcomes;
  for (int i = 0; i < runs; ++i) {
    SimLoop loop(first_seed + static_cast<uint64_t>(i));
    auto pair = MakeSimStreams(loop, milliseconds(3));
    End a(std::move(pair.first));
    End b(std::move(pair.second));
    a.Send("0123");
    a.Send("4567");
    a.stream.reset();
    while (loop.Step()) {
    }
    EXPECT_TRUE(b.closed());
    outcomes.push_back(b.received);
  }
  return outcomes;
}

TEST(SimStreamTest, OfADeadSendersBytesABeginningArrives) {
  std::vector<std::string> outcomes = DieAfterSending(1, 200);
  std::array<int, 9> lengths{};
  for (const std::string& outcome : outcomes) {
    EXPECT_EQ(outcome, std::string("01234567").substr(0, outcome.size()));
    ++lengths.at(outcome.size());
  }
  for (int count : lengths) EXPECT_GT(count, 0) << "every length occurs";
  EXPECT_EQ(outcomes, DieAfterSending(1, 200)) << "one seed, one outcome";
}

TEST(SimStreamTest, DelayIsBoundedAndOrderIsKept) {
  SimLoop loop(3);
  auto pair = MakeSimStreams(loop, milliseconds(3));
  End a(std::move(pair.first));
  End b(std::move(pair.second));
  std::string sent;
  for (char c = 'a'; c <= 'z'; ++c) {
    a.Send(std::string(1, c));
    sent += c;
  }
  loop.RunFor(milliseconds(3));
  EXPECT_EQ(b.received, sent);
}

}  // namespace
}  // namespace leasefs
