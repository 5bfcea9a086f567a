#include "fs/base/frame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "fs/base/codec.h"
#include "fs/base/sim_loop.h"

namespace leasefs {
namespace {

using testing::ElementsAre;
using testing::Pair;

// A FrameConnection with a record of what came.
struct Peer {
  Peer(std::unique_ptr<Stream> stream, FrameConnection::Options options) {
    connection = std::make_unique<FrameConnection>(
        std::move(stream), options,
        FrameConnection::Events{
            .on_frame =
                [this](uint16_t type, std::span<const std::byte> payload) {
                  EXPECT_FALSE(in_call);
                  frames.emplace_back(type, std::string(reinterpret_cast<const char*>(payload.data()), payload.size()));
                  if (on_frame) on_frame();
                },
            .on_closed =
                [this](const std::string& reason) {
                  EXPECT_FALSE(in_call);
                  EXPECT_FALSE(why.has_value()) << "told twice";
                  why = reason;
                  if (on_closed) on_closed();
                }});
  }
  void Send(uint16_t type, std::string_view payload) {
    in_call = true;
    connection->Send(type, SecretBuffer::CopyOf(payload));
    in_call = false;
  }

  std::unique_ptr<FrameConnection> connection;
  std::vector<std::pair<uint16_t, std::string>> frames;
  std::optional<std::string> why;
  std::function<void()> on_frame;
  std::function<void()> on_closed;
  bool in_call = false;
};

SecretBuffer Header(uint32_t size, uint16_t type, uint16_t reserved) {
  Writer writer;
  writer.U32(size);
  writer.U16(type);
  writer.U16(reserved);
  return std::move(writer).Take();
}

class FrameTest : public testing::Test {
 protected:
  FrameTest() {
    // No delay: what is sent arrives with the next step of the loop, one chunk per call.
    auto pair = MakeSimStreams(loop_, Duration(0));
    peer_.emplace(std::move(pair.first), FrameConnection::Options{.max_payload = 100000, .max_queued = 300000});
    raw_ = std::move(pair.second);
    raw_->Start({.on_bytes =
                     [this](std::span<const std::byte> bytes) {
                       raw_received_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
                     },
                 .on_closed = [this](const std::string&) { raw_closed_ = true; }});
  }
  void RunAll() {
    while (loop_.Step()) {
    }
  }
  void SendRaw(std::span<const std::byte> bytes) { raw_->Send(SecretBuffer::CopyOf(bytes)); }

  SimLoop loop_{1};
  std::optional<Peer> peer_;
  std::unique_ptr<Stream> raw_;
  std::string raw_received_;
  bool raw_closed_ = false;
};

SecretBuffer ThreeFrames() {
  SecretBuffer bytes = EncodeFrame(1, SecretBuffer::CopyOf("first"));
  bytes.Append(EncodeFrame(2, SecretBuffer()).Expose());
  bytes.Append(EncodeFrame(65535, SecretBuffer::CopyOf("the third")).Expose());
  return bytes;
}

TEST_F(FrameTest, ManyFramesInOneChunk) {
  SendRaw(ThreeFrames().Expose());
  RunAll();
  EXPECT_THAT(peer_->frames, ElementsAre(Pair(1, "first"), Pair(2, ""), Pair(65535, "the third")));
  EXPECT_FALSE(peer_->why.has_value());
}

TEST_F(FrameTest, SplitAtEveryByte) {
  SecretBuffer bytes = ThreeFrames();
  for (size_t first = 0; first <= bytes.size(); ++first) {
    for (size_t second = first; second <= bytes.size(); ++second) {
      peer_->frames.clear();
      SendRaw(bytes.Expose().first(first));
      SendRaw(bytes.Expose().subspan(first, second - first));
      SendRaw(bytes.Expose().subspan(second));
      RunAll();
      ASSERT_THAT(peer_->frames, ElementsAre(Pair(1, "first"), Pair(2, ""), Pair(65535, "the third")))
          << first << " " << second;
    }
  }
}

TEST_F(FrameTest, OneByteAtATime) {
  SecretBuffer bytes = ThreeFrames();
  for (size_t i = 0; i < bytes.size(); ++i) SendRaw(bytes.Expose().subspan(i, 1));
  RunAll();
  EXPECT_EQ(peer_->frames.size(), 3U);
}

TEST_F(FrameTest, SendWritesWhatEncodeFrameWrites) {
  for (size_t size : {size_t{0}, size_t{5}, size_t{16384}, size_t{16385}, size_t{100000}}) {
    std::string payload(size, 'p');
    raw_received_.clear();
    peer_->Send(7, payload);
    RunAll();
    EXPECT_EQ(raw_received_, EncodeFrame(7, SecretBuffer::CopyOf(payload)).ExposeText()) << size;
  }
  EXPECT_EQ(EncodeFrame(0x0102, SecretBuffer::CopyOf("ab")).ExposeText(), std::string_view("\2\0\0\0\2\1\0\0ab", 10));
}

TEST_F(FrameTest, TogetherKeepsSmallFramesUntilItsEndAndTheirOrder) {
  const std::string large(16385, 'l');
  std::optional<FrameConnection::Together> outer(*peer_->connection);
  {
    FrameConnection::Together inner(*peer_->connection);
    peer_->Send(1, "first");
  }
  RunAll();
  EXPECT_EQ(raw_received_, "");
  peer_->Send(2, large);
  peer_->Send(3, "third");
  RunAll();
  std::string sent(EncodeFrame(1, SecretBuffer::CopyOf("first")).ExposeText());
  sent += EncodeFrame(2, SecretBuffer::CopyOf(large)).ExposeText();
  EXPECT_EQ(raw_received_, sent);
  outer.reset();
  RunAll();
  sent += EncodeFrame(3, SecretBuffer::CopyOf("third")).ExposeText();
  EXPECT_EQ(raw_received_, sent);
}

TEST_F(FrameTest, TogetherMayOutliveTheConnection) {
  FrameConnection::Together together(*peer_->connection);
  peer_->Send(1, "never sent");
  peer_->connection.reset();
  RunAll();
  EXPECT_EQ(raw_received_, "");
}

TEST_F(FrameTest, AFrameOfTheLargestSizePasses) {
  SendRaw(EncodeFrame(1, SecretBuffer::CopyOf(std::string(100000, 'x'))).Expose());
  RunAll();
  ASSERT_EQ(peer_->frames.size(), 1U);
  EXPECT_EQ(peer_->frames[0].second, std::string(100000, 'x'));
}

TEST_F(FrameTest, AFrameThatIsTooLongClosesBeforeItsPayload) {
  SendRaw(Header(100001, 1, 0).Expose());
  RunAll();
  EXPECT_EQ(peer_->why, "the peer sent a frame of 100001 bytes, more than 100000");
  EXPECT_TRUE(peer_->connection->closed());
  EXPECT_TRUE(raw_closed_);
}

TEST_F(FrameTest, TypeZeroAndReservedBitsClose) {
  for (auto [type, reserved] : {std::pair<uint16_t, uint16_t>{0, 0}, {1, 1}, {1, 0x8000}}) {
    auto pair = MakeSimStreams(loop_, Duration(0));
    Peer peer(std::move(pair.first), {});
    SecretBuffer bytes = EncodeFrame(5, SecretBuffer::CopyOf("good"));
    bytes.Append(Header(4, type, reserved).Expose());
    bytes.Append("bad!");
    bytes.Append(EncodeFrame(6, SecretBuffer::CopyOf("after")).Expose());
    pair.second->Start({.on_bytes = [](auto) {}, .on_closed = [](auto&) {}});
    pair.second->Send(std::move(bytes));
    RunAll();
    EXPECT_THAT(peer.frames, ElementsAre(Pair(5, "good")));
    EXPECT_EQ(peer.why, "the peer sent what is not a frame");
  }
}

TEST_F(FrameTest, ThePeersEndIsTold) {
  SendRaw(EncodeFrame(1, SecretBuffer::CopyOf("half of it")).Expose().first(12));
  RunAll();
  raw_.reset();
  RunAll();
  EXPECT_TRUE(peer_->frames.empty());
  EXPECT_EQ(peer_->why, "the peer closed the connection");
  EXPECT_TRUE(peer_->connection->closed());
  peer_->Send(1, "does nothing");
  EXPECT_EQ(peer_->connection->queued(), 0U);
}

TEST_F(FrameTest, MayBeDestroyedInsideOnFrame) {
  peer_->on_frame = [&] { peer_->connection.reset(); };
  SendRaw(ThreeFrames().Expose());
  RunAll();
  EXPECT_EQ(peer_->frames.size(), 1U) << "the others are not delivered";
  EXPECT_FALSE(peer_->why.has_value());
  EXPECT_TRUE(raw_closed_);
}

TEST_F(FrameTest, MayBeDestroyedInsideOnFrameOfASplitFrame) {
  peer_->on_frame = [&] { peer_->connection.reset(); };
  SecretBuffer bytes = ThreeFrames();
  SendRaw(bytes.Expose().first(10));
  SendRaw(bytes.Expose().subspan(10));
  RunAll();
  EXPECT_EQ(peer_->frames.size(), 1U);
}

TEST_F(FrameTest, MayBeDestroyedInsideOnClosed) {
  peer_->on_closed = [&] { peer_->connection.reset(); };
  raw_.reset();
  RunAll();
  EXPECT_TRUE(peer_->why.has_value());
  EXPECT_EQ(peer_->connection, nullptr);
}

TEST_F(FrameTest, AnswersFromWithinOnFrame) {
  peer_->on_frame = [&] { peer_->connection->Send(9, SecretBuffer::CopyOf(peer_->frames.back().second)); };
  SendRaw(EncodeFrame(1, SecretBuffer::CopyOf("ping")).Expose());
  RunAll();
  EXPECT_EQ(raw_received_, EncodeFrame(9, SecretBuffer::CopyOf("ping")).ExposeText());
}

TEST_F(FrameTest, APeerThatDoesNotTakeItsFramesIsClosed) {
  for (int i = 0; i < 2; ++i) peer_->Send(1, std::string(100000, 'x'));
  EXPECT_FALSE(peer_->connection->closed());
  EXPECT_EQ(peer_->connection->queued(), 200016U);
  peer_->Send(1, std::string(100000, 'x'));
  EXPECT_TRUE(peer_->connection->closed());
  EXPECT_FALSE(peer_->why.has_value()) << "told from the loop";
  RunAll();
  EXPECT_EQ(peer_->why, "the peer does not take what is sent to it");
  EXPECT_TRUE(raw_closed_);
}

TEST_F(FrameTest, SendingMoreThanTheLimitClosesInsteadOfBreakingTheStream) {
  peer_->Send(1, std::string(100001, 'x'));
  RunAll();
  EXPECT_EQ(peer_->why, "a frame of 100001 bytes is over the limit of 100000");
  EXPECT_EQ(raw_received_, "");
}

TEST_F(FrameTest, BytesAfterAFaultAreNotHeard) {
  SendRaw(Header(1, 0, 0).Expose());
  SendRaw(EncodeFrame(1, SecretBuffer::CopyOf("good")).Expose());
  RunAll();
  EXPECT_TRUE(peer_->frames.empty());
}

}  // namespace
}  // namespace leasefs
