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

class FrameConnection {
 public:
  struct Options {
    size_t max_payload = size_t{8} << 20;  // bytes, per frame, both directions
    size_t max_queued = size_t{64} << 20;  // bytes not yet taken by the peer; over it the connection is closed
  };
  struct Events {
    // The owner may destroy the connection inside either. `payload` is valid during the call.
    std::function<void(uint16_t type, std::span<const std::byte> payload)> on_frame;
    std::function<void(const std::string& why)> on_closed;  // once
  };
  static constexpr size_t kHeaderBytes = 8;

  FrameConnection(std::unique_ptr<Stream> stream, Options options, Events events);
  ~FrameConnection();
  FrameConnection(const FrameConnection&) = delete;
  FrameConnection& operator=(const FrameConnection&) = delete;

  void Send(uint16_t type, SecretBuffer payload);
  bool closed() const;
  size_t queued() const;  // bytes not yet taken by the peer

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

// The header of a frame, for peers that write to a blocking socket themselves (the command line).
SecretBuffer EncodeFrame(uint16_t type, const SecretBuffer& payload);

}  // namespace leasefs
