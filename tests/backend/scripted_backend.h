// A Backend whose contents, delays and failures a test decides, and an fs that a test speaks for. Simulated time only.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "backend/server.h"
#include "fs/base/frame.h"
#include "fs/base/sim_loop.h"

namespace leasefs {

class ScriptedBackend : public Backend {
 public:
  explicit ScriptedBackend(Loop& loop) : loop_(loop) {}

  // What it answers is what holds when it is asked, told `delay` (plus up to `jitter`) later.
  Duration delay{};
  Duration jitter{};
  bool pushes = true;
  std::map<std::string, Error> failures;  // by path, for reads and listings
  std::map<std::string, int> reads;       // asked for, by secret
  std::map<std::string, int> lists;
  bool value_with_names = false;             // for who lists to open
  std::optional<Error> changed_since_fails;  // of every ChangedSince
  uint64_t forgotten = 0;                    // changes up to this generation are not known any more
  BootTime lease_end = kNever;
  std::set<std::string> minted;                  // secrets that must be minted
  std::optional<protocol::Freshness> freshness;  // of every version, as the backend itself decides it
  std::map<std::string, int> forgets;            // told so, by secret
  int tell_again = 0;

  void Put(const std::string& secret, std::vector<std::pair<std::string, std::string>> fields);
  void Remove(const std::string& secret);
  uint64_t VersionOf(const std::string& secret) const;  // 0: not there
  std::vector<protocol::Entry> NamesIn(const std::string& directory) const;
  SecretVersion VersionNow(const std::string& secret) const;  // which is there
  Events& events() { return events_; }

  void SetEvents(Events events) override { events_ = std::move(events); }
  void List(const std::string& directory, protocol::Purpose purpose, ListReply done) override;
  void Read(const std::string& secret, ReadReply done) override;
  void Forget(const std::string& secret) override { ++forgets[secret]; }
  void TellAgain() override { ++tell_again; }
  bool PushesChanges() const override { return pushes; }
  uint64_t Generation() const override { return pushes ? log_.size() : 0; }
  Result<std::vector<std::string>> ChangedSince(uint64_t generation) const override;

 private:
  struct Contents {
    uint64_t version = 0;
    std::vector<std::pair<std::string, std::string>> fields;
  };
  void Change(const std::string& secret, const std::map<std::string, Contents>& before);
  void Answer(Loop::Callback answer);

  Loop& loop_;
  Events events_;
  std::map<std::string, Contents> contents_;
  std::vector<std::string> log_;  // changed secrets; the generation is its size
  uint64_t last_version_ = 0;
};

// fs's end of a connection to `server`. Collects the frames and says Applied unless told otherwise.
class FsPeer {
 public:
  FsPeer(Loop& loop, BackendServer& server, Duration max_delay = {});

  bool applies = true;
  bool records = true;  // answers Record at all
  bool record_ok = true;

  template <class Frame>
  void Send(const Frame& frame) {
    connection_->Send(static_cast<uint16_t>(Frame::kType), frame.Encode());
  }
  void SendRaw(uint16_t type, std::string_view payload) { connection_->Send(type, SecretBuffer::CopyOf(payload)); }
  void Hello(uint64_t generation = 0) { Send(protocol::Hello{.generation = generation}); }
  void Want(const std::string& secret, uint64_t known = 0) { Send(protocol::Want{secret, known}); }
  bool closed() const { return closed_; }
  // Called for each frame, before it is Applied.
  std::function<void(protocol::FrameType, std::span<const std::byte>)> on_frame;

  // All frames of a kind so far, in order.
  template <class Frame>
  std::vector<Frame> All() const {
    std::vector<Frame> all;
    for (const auto& [type, payload] : frames_) {
      if (type == Frame::kType) all.push_back(std::move(Frame::Decode(payload)).value());
    }
    return all;
  }
  template <class Frame>
  size_t Count() const {
    return All<Frame>().size();
  }
  std::vector<protocol::FrameType> Types() const {
    std::vector<protocol::FrameType> types;
    for (const auto& [type, payload] : frames_) types.push_back(type);
    return types;
  }
  void Forget() { frames_.clear(); }

 private:
  void OnFrame(protocol::FrameType type, std::span<const std::byte> payload);
  std::vector<std::pair<protocol::FrameType, std::vector<std::byte>>> frames_;
  std::unique_ptr<FrameConnection> connection_;
  bool closed_ = false;
};

}  // namespace leasefs
