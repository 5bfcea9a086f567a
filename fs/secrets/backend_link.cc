#include "fs/secrets/backend_link.h"

#include "fs/base/limits.h"
#include "fs/base/log.h"
#include "fs/base/strings.h"

namespace leasefs {

using protocol::FrameType;

void BackendLink::Connect(std::unique_ptr<Stream> stream, uint64_t generation) {
  FrameConnection::Events events;
  events.on_frame = [this](uint16_t type, std::span<const std::byte> payload) { OnFrame(type, payload); };
  events.on_closed = [this](const std::string& why) { Disconnect(why); };
  connection_ = std::make_unique<FrameConnection>(
      std::move(stream), FrameConnection::Options{.max_payload = kMaxFramePayload}, std::move(events));
  protocol::Hello hello;
  hello.generation = generation;
  Send(hello);
}

void BackendLink::Disconnect(const std::string& why) {
  connection_.reset();
  sink_.OnDisconnected(name_, why);
}

void BackendLink::OnFrame(uint16_t type, std::span<const std::byte> payload) {
  if (Dispatch(static_cast<FrameType>(type), payload)) return;
  LogError(
      StrCat("backend ", name_, " sent a frame of type ", type, " that does not decode; its connection is closed"));
  Disconnect("it spoke wrongly");
}

namespace {

// Decodes a frame and hands it on; false if it does not decode.
template <class Frame, class Handle>
bool Deliver(std::span<const std::byte> payload, Handle handle) {
  auto frame = Frame::Decode(payload);
  if (!frame.ok()) return false;
  handle(std::move(frame).value());
  return true;
}

}  // namespace

bool BackendLink::Dispatch(FrameType type, std::span<const std::byte> payload) {
  switch (type) {
    case FrameType::kWelcome:
      return Deliver<protocol::Welcome>(payload, [&](protocol::Welcome frame) { sink_.OnWelcome(name_, frame); });
    case FrameType::kEntries:
      return Deliver<protocol::Entries>(payload,
                                        [&](protocol::Entries frame) { sink_.OnEntries(name_, std::move(frame)); });
    case FrameType::kEntryChanged:
      return Deliver<protocol::EntryChanged>(payload, [&](const protocol::EntryChanged& frame) {
        sink_.OnEntryChanged(name_, frame);
        Send(protocol::Applied{frame.sequence});
      });
    case FrameType::kPublished:
      return Deliver<protocol::Published>(
          payload, [&](protocol::Published frame) { sink_.OnPublished(name_, std::move(frame)); });
    case FrameType::kUnchanged:
      return Deliver<protocol::Unchanged>(payload,
                                          [&](const protocol::Unchanged& frame) { sink_.OnUnchanged(name_, frame); });
    case FrameType::kChanged:
      return Deliver<protocol::Changed>(payload, [&](const protocol::Changed& frame) {
        sink_.OnChanged(name_, frame);
        Send(protocol::Applied{frame.sequence});
      });
    case FrameType::kFailed:
      return Deliver<protocol::Failed>(payload, [&](const protocol::Failed& frame) { sink_.OnFailed(name_, frame); });
    case FrameType::kHealth:
      return Deliver<protocol::Health>(payload, [&](const protocol::Health& frame) { sink_.OnHealth(name_, frame); });
    case FrameType::kReport:
      return Deliver<protocol::Report>(payload,
                                       [&](protocol::Report frame) { sink_.OnReport(name_, std::move(frame)); });
    case FrameType::kRecord:
      return Deliver<protocol::Record>(payload, [&](const protocol::Record& frame) {
        Send(protocol::Recorded{frame.id, sink_.OnRecord(name_, frame)});
      });
    default:
      return false;
  }
}

}  // namespace leasefs
