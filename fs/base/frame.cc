#include "fs/base/frame.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

#include "fs/base/codec.h"
#include "fs/base/strings.h"

namespace leasefs {
namespace {

// Up to here one copy and one system call are cheaper than two calls.
constexpr size_t kCopiedPayload = size_t{16} << 10;

SecretBuffer EncodeHeader(uint16_t type, size_t payload_size) {
  if (type == 0 || payload_size > UINT32_MAX) std::abort();
  Writer writer;
  writer.U32(static_cast<uint32_t>(payload_size));
  writer.U16(type);
  writer.U16(0);
  return std::move(writer).Take();
}

}  // namespace

struct FrameConnection::Impl : std::enable_shared_from_this<FrameConnection::Impl> {
  void Start();
  void OnBytes(std::span<const std::byte> bytes);
  // False: the header is not acceptable, and the connection is being closed.
  bool TakeHeader();
  bool Claim(size_t bytes);
  void ReleaseClaim();
  void SendKept();
  void MindQueue();  // closes when too much waits in it
  void OnClosed(const std::string& why);
  void Close(const std::string& why);

  std::unique_ptr<Stream> stream;  // null once the owner is gone
  Options options;
  Events events;
  bool closed = false;
  int together = 0;   // how many live
  SecretBuffer kept;  // frames

  // The frame that is arriving.
  std::array<std::byte, kHeaderBytes> header{};
  size_t header_size = 0;
  uint16_t type = 0;
  size_t payload_size = 0;
  SecretBuffer payload;
  size_t claimed = 0;  // of the budget
};

void FrameConnection::Impl::Start() {
  std::weak_ptr<Impl> weak = weak_from_this();
  stream->Start({.on_bytes =
                     [weak](std::span<const std::byte> bytes) {
                       if (auto self = weak.lock()) self->OnBytes(bytes);
                     },
                 .on_closed =
                     [weak](const std::string& why) {
                       if (auto self = weak.lock()) self->OnClosed(why);
                     }});
}

void FrameConnection::Impl::OnBytes(std::span<const std::byte> bytes) {
  while (!closed) {
    if (header_size < kHeaderBytes) {
      size_t taken = std::min(kHeaderBytes - header_size, bytes.size());
      std::copy_n(bytes.begin(), taken, header.begin() + static_cast<ptrdiff_t>(header_size));
      header_size += taken;
      bytes = bytes.subspan(taken);
      if (header_size < kHeaderBytes || !TakeHeader()) return;
    }
    size_t missing = payload_size - payload.size();
    if (payload.empty() && bytes.size() >= missing) {  // all of it is here: no copy
      header_size = 0;
      events.on_frame(type, bytes.first(missing));
      bytes = bytes.subspan(missing);
      continue;
    }
    if (bytes.empty()) return;
    std::span<const std::byte> part = bytes.first(std::min(missing, bytes.size()));
    if (!Claim(part.size())) {
      if (events.on_over_budget) events.on_over_budget();
      return Close("too much arrives at once");
    }
    payload.Reserve(payload_size);
    payload.Append(part);
    bytes = bytes.subspan(part.size());
    if (payload.size() < payload_size) return;
    header_size = 0;
    SecretBuffer whole = std::move(payload);
    events.on_frame(type, whole.Expose());
  }
}

bool FrameConnection::Impl::TakeHeader() {
  Reader reader(header);
  payload_size = reader.U32();
  type = reader.U16();
  uint16_t reserved = reader.U16();
  if (type == 0 || reserved != 0) {
    Close("the peer sent what is not a frame");
    return false;
  }
  if (payload_size > options.max_payload) {
    Close(StrCat("the peer sent a frame of ", payload_size, " bytes, more than ", options.max_payload));
    return false;
  }
  return true;
}

bool FrameConnection::Impl::Claim(size_t bytes) {
  if (!options.budget) return true;
  if (options.budget->left < bytes + options.leaves) return false;
  options.budget->left -= bytes;
  claimed += bytes;
  return true;
}

void FrameConnection::Impl::SendKept() {
  SecretBuffer frames = std::move(kept);
  if (closed || frames.empty()) return;
  stream->Send(std::move(frames));
  MindQueue();
}

void FrameConnection::Impl::MindQueue() {
  if (stream->queued() > options.max_queued) Close("the peer does not take what is sent to it");
}

void FrameConnection::Impl::ReleaseClaim() {
  if (options.budget) options.budget->left += std::exchange(claimed, 0);
}

void FrameConnection::Impl::OnClosed(const std::string& why) {
  closed = true;
  ReleaseClaim();
  payload.Clear();
  events.on_closed(why);
}

void FrameConnection::Impl::Close(const std::string& why) {
  closed = true;
  ReleaseClaim();
  payload.Clear();
  if (stream != nullptr) stream->Close(why);
}

FrameConnection::FrameConnection(std::unique_ptr<Stream> stream, Options options, Events events)
    : impl_(std::make_shared<Impl>()) {
  impl_->stream = std::move(stream);
  impl_->options = std::move(options);
  impl_->events = std::move(events);
  impl_->Start();
}

FrameConnection::~FrameConnection() {
  impl_->closed = true;
  impl_->ReleaseClaim();
  impl_->stream.reset();
}

void FrameConnection::Send(uint16_t type, SecretBuffer payload) {
  if (impl_->closed) return;
  if (payload.size() > impl_->options.max_payload) {
    return impl_->Close(
        StrCat("a frame of ", payload.size(), " bytes is over the limit of ", impl_->options.max_payload));
  }
  if (payload.size() <= kCopiedPayload) {
    SecretBuffer frame = EncodeFrame(type, payload);
    if (impl_->together > 0) return impl_->kept.Append(frame.Expose());
    impl_->stream->Send(std::move(frame));
  } else {
    impl_->SendKept();
    impl_->stream->Send(EncodeHeader(type, payload.size()));
    impl_->stream->Send(std::move(payload));
  }
  impl_->MindQueue();
}

FrameConnection::Together::Together(FrameConnection& connection) : impl_(connection.impl_) {
  ++impl_->together;
}

FrameConnection::Together::~Together() {
  if (--impl_->together == 0) impl_->SendKept();
}

void FrameConnection::ReleaseIncoming() {
  impl_->ReleaseClaim();
}

bool FrameConnection::closed() const {
  return impl_->closed;
}

size_t FrameConnection::queued() const {
  return impl_->stream->queued();
}

SecretBuffer EncodeFrame(uint16_t type, const SecretBuffer& payload) {
  SecretBuffer frame = EncodeHeader(type, payload.size());
  frame.Reserve(FrameConnection::kHeaderBytes + payload.size());
  frame.Append(payload.Expose());
  return frame;
}

}  // namespace leasefs
