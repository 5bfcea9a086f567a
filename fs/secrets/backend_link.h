// BackendLink: fs's end of the connection to one backend process. Encodes questions, decodes answers strictly, hands
// them on.
//
// Survives the death of the process: the next Connect takes up where the last connection was lost. Used on the loop's
// thread only, but for `connected`, which the gate reads under its own lock by what the sink was told.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "backend/protocol.h"
#include "backend/protocol_report.h"
#include "fs/base/frame.h"
#include "fs/base/loop.h"

namespace leasefs {

// Implemented by the gate. Called on the loop's thread, without locks.
class BackendSink {
 public:
  virtual ~BackendSink() = default;
  virtual void OnWelcome(const std::string& backend, const protocol::Welcome& frame) = 0;
  virtual void OnEntries(const std::string& backend, protocol::Entries frame) = 0;
  virtual void OnEntryChanged(const std::string& backend, const protocol::EntryChanged& frame) = 0;
  virtual void OnPublished(const std::string& backend, protocol::Published frame) = 0;
  virtual void OnUnchanged(const std::string& backend, const protocol::Unchanged& frame) = 0;
  virtual void OnChanged(const std::string& backend, const protocol::Changed& frame) = 0;
  virtual void OnFailed(const std::string& backend, const protocol::Failed& frame) = 0;
  virtual void OnHealth(const std::string& backend, const protocol::Health& frame) = 0;
  virtual void OnReport(const std::string& backend, protocol::Report frame) = 0;
  // Must be answered by true once the audit has the act.
  virtual bool OnRecord(const std::string& backend, const protocol::Record& frame) = 0;
  virtual void OnDisconnected(const std::string& backend, const std::string& why) = 0;
};

class BackendLink {
 public:
  BackendLink(std::string name, BackendSink& sink) : name_(std::move(name)), sink_(sink) {}
  BackendLink(const BackendLink&) = delete;
  BackendLink& operator=(const BackendLink&) = delete;

  const std::string& name() const { return name_; }
  // A fresh connection; the old one, if any, is dropped without a word to the sink.
  void Connect(std::unique_ptr<Stream> stream, uint64_t generation);
  bool connected() const { return connection_ != nullptr && !connection_->closed(); }

  template <class Frame>
  void Send(const Frame& frame) {
    if (connected()) connection_->Send(static_cast<uint16_t>(Frame::kType), frame.Encode());
  }

 private:
  void OnFrame(uint16_t type, std::span<const std::byte> payload);
  // False: it does not decode.
  bool Dispatch(protocol::FrameType type, std::span<const std::byte> payload);
  void Disconnect(const std::string& why);

  std::string name_;
  BackendSink& sink_;
  std::unique_ptr<FrameConnection> connection_;
};

}  // namespace leasefs
