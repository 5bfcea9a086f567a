// Length-prefixed frames on a Stream: u32 payload length, u16 type, u16 zero, payload.
//
// The length is checked against the limit before anything is allocated. A frame that is too long, has a type of 0 or a
// reserved field that is not zero closes the connection: a peer that speaks wrongly is not listened to any further.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "fs/base/secret_buffer.h"
#include "fs/base/stream.h"

namespace leasefs {

// What the frames that arrive on several connections may take together.
struct FrameBudget {
  size_t left;  // bytes
};

class FrameConnection {
 public:
  struct Options {
    size_t max_payload = size_t{8} << 20;  // bytes, per frame, both directions
    size_t max_queued = size_t{64} << 20;  // bytes not yet taken by the peer; over it the connection is closed
    // A frame that comes in parts takes its bytes from it as they come, until ReleaseIncoming or the end.
    std::shared_ptr<FrameBudget> budget{};
    size_t leaves = 0;  // of the budget to others
  };
  struct Events {
    // The owner may destroy the connection inside either. `payload` is valid during the call.
    std::function<void(uint16_t type, std::span<const std::byte> payload)> on_frame;
    std::function<void(const std::string& why)> on_closed;  // once
    // The budget does not reach for what arrives: the last words may be sent, then the connection is closed.
    std::function<void()> on_over_budget{};
  };
  static constexpr size_t kHeaderBytes = 8;

  FrameConnection(std::unique_ptr<Stream> stream, Options options, Events events);
  ~FrameConnection();
  FrameConnection(const FrameConnection&) = delete;
  FrameConnection& operator=(const FrameConnection&) = delete;

  void Send(uint16_t type, SecretBuffer payload);
  // While one lives, small frames are kept, and sent together at its end: the peer wakes up once. May outlive the
  // connection.
  class Together;
  void ReleaseIncoming();  // the last frame is done with
  bool closed() const;
  size_t queued() const;  // bytes not yet taken by the peer

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

class FrameConnection::Together {
 public:
  explicit Together(FrameConnection& connection);
  ~Together();
  Together(const Together&) = delete;
  Together& operator=(const Together&) = delete;

 private:
  std::shared_ptr<Impl> impl_;
};

// The header of a frame, for peers that write to a blocking socket themselves (the command line).
SecretBuffer EncodeFrame(uint16_t type, const SecretBuffer& payload);

}  // namespace leasefs
