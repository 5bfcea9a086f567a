// Stream: an ordered byte stream to one peer, without blocking. Used on the loop's thread only.
//
// FdStream wraps a connected non-blocking socket; SimStream is one end of a simulated pair, with delay and sudden
// death. Bytes may be secret: they are held in SecretBuffers on both sides.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "fs/base/loop.h"
#include "fs/base/secret_buffer.h"
#include "fs/base/unique_fd.h"

namespace leasefs {

class Stream {
 public:
  struct Events {
    std::function<void(std::span<const std::byte>)> on_bytes;  // valid during the call
    std::function<void(const std::string& why)> on_closed;     // once; the peer went away or the stream failed
  };

  virtual ~Stream() = default;  // closes; no event comes afterwards
  // Call once, before anything else. Events come from the loop, never from within a call; the owner may destroy the
  // stream inside an event.
  virtual void Start(Events events) = 0;
  // Queues; never blocks. After on_closed it does nothing.
  virtual void Send(SecretBuffer bytes) = 0;
  // Gives the connection up: what is queued is dropped, nothing more is read, on_closed(why) comes.
  virtual void Close(std::string why) = 0;
  // Bytes queued and not yet taken by the peer's side. The owner bounds it.
  virtual size_t queued() const = 0;
};

// `fd` is a connected stream socket; it is made non-blocking.
std::unique_ptr<Stream> MakeFdStream(FdLoop& loop, UniqueFd fd);

// Two connected ends. Every chunk arrives after a delay drawn from [0, max_delay], in order. Destroying an end closes
// the other.
std::pair<std::unique_ptr<Stream>, std::unique_ptr<Stream>> MakeSimStreams(Loop& loop, Duration max_delay);

}  // namespace leasefs
