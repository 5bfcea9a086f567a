// The framing itself: any bytes, in pieces of any length, on a connection with small limits. The first byte says how
// long the pieces are, the second how large the budget is. What was sent as frames is read as the same frames, however
// it was cut; what is none closes the connection, once, and nothing comes after.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "fs/base/frame.h"
#include "fs/base/sim_loop.h"
#include "tests/fuzz/require.h"

namespace leasefs {
namespace {

constexpr size_t kMaxPayload = 300;
using Frames = std::vector<std::pair<uint16_t, std::string>>;

struct Heard {
  Frames frames;
  size_t closed = 0;
};

// As a peer that keeps to the rules would read it: the frames up to the first that is none.
Frames Expected(std::span<const uint8_t> bytes, bool* wrong) {
  Frames frames;
  while (bytes.size() >= FrameConnection::kHeaderBytes) {
    size_t length = 0;
    for (size_t i = 4; i-- > 0;) length = length << 8 | bytes[i];
    const auto type = static_cast<uint16_t>(bytes[4] | bytes[5] << 8);
    *wrong = length > kMaxPayload || type == 0 || bytes[6] != 0 || bytes[7] != 0;
    if (*wrong || bytes.size() - FrameConnection::kHeaderBytes < length) return frames;
    const auto payload = bytes.subspan(FrameConnection::kHeaderBytes, length);
    frames.emplace_back(type, std::string(payload.begin(), payload.end()));
    bytes = bytes.subspan(FrameConnection::kHeaderBytes + length);
  }
  return frames;
}

void Check(std::span<const uint8_t> bytes, size_t piece, size_t budget) {
  SimLoop loop(1);
  auto [here, there] = MakeSimStreams(loop, Duration::zero());
  Heard heard;
  bool over_budget = false;
  auto shared = std::make_shared<FrameBudget>(FrameBudget{budget});
  std::unique_ptr<FrameConnection> connection;
  connection = std::make_unique<FrameConnection>(
      std::move(here), FrameConnection::Options{.max_payload = kMaxPayload, .budget = shared},
      FrameConnection::Events{
          .on_frame =
              [&](uint16_t type, std::span<const std::byte> payload) {
                Require(heard.closed == 0);
                connection->ReleaseIncoming();
                const auto* text = reinterpret_cast<const char*>(payload.data());
                heard.frames.emplace_back(type, std::string(text, payload.size()));
              },
          .on_closed = [&](const std::string&) { ++heard.closed; },
          .on_over_budget = [&] { over_budget = true; }});
  size_t peer_closed = 0;
  there->Start({.on_bytes = [](auto) {}, .on_closed = [&](const std::string&) { ++peer_closed; }});
  for (size_t at = 0; at < bytes.size(); at += piece) {
    there->Send(SecretBuffer::CopyOf(std::as_bytes(bytes.subspan(at, std::min(piece, bytes.size() - at)))));
    loop.RunFor(std::chrono::milliseconds(1));
  }
  bool wrong = false;
  const Frames expected = Expected(bytes, &wrong);
  if (over_budget) {
    Require(heard.frames.size() <= expected.size() &&
            std::equal(heard.frames.begin(), heard.frames.end(), expected.begin()));
  } else {
    Require(heard.frames == expected && heard.closed == (wrong ? 1U : 0U) && connection->closed() == wrong);
  }
  connection.reset();
  Require(shared->left == budget);
}

// What is sent arrives as it was.
void CheckSent(std::span<const uint8_t> bytes) {
  const size_t length = std::min(bytes.size(), kMaxPayload);
  SecretBuffer payload = SecretBuffer::CopyOf(std::as_bytes(bytes.first(length)));
  SecretBuffer frame = EncodeFrame(7, payload);
  bool wrong = false;
  const auto sent = frame.Expose();
  const Frames read = Expected({reinterpret_cast<const uint8_t*>(sent.data()), sent.size()}, &wrong);
  Require(!wrong && read.size() == 1 && read[0].first == 7 && read[0].second == payload.ExposeText());
}

}  // namespace
}  // namespace leasefs

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::span<const uint8_t> bytes(data + 2, size - 2);
  leasefs::Check(bytes, data[0] + size_t{1}, size_t{data[1]} * 16);
  leasefs::CheckSent(bytes);
  return 0;
}
