// FuseClient plays the kernel: it forges FUSE requests with any caller over a SOCK_SEQPACKET pair and collects the
// replies.
//
// The daemon's end goes to FuseSession as its device. A thread collects what comes; every method may be called from any
// thread. Destroy it after the session's threads have ended.
#pragma once

#include <linux/fuse.h>
#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "fs/base/unique_fd.h"
#include "fs/secrets/node_id.h"

namespace leasefs {

using RawBytes = std::vector<std::byte>;

struct ForgedCaller {
  uint32_t uid = 1000;
  uint32_t gid = 1000;
  uint32_t tid = 4242;
};

struct FuseReply {
  int error = 0;  // an errno, 0 for success
  RawBytes body;

  template <class T>
  T As() const {
    T value{};
    memcpy(&value, body.data(), std::min(sizeof value, body.size()));
    return value;
  }
  std::string Text() const { return {reinterpret_cast<const char*>(body.data()), body.size()}; }
};

class FuseClient {
 public:
  static constexpr std::chrono::seconds kPatience{20};

  FuseClient();
  ~FuseClient();

  int device_fd() const { return device_.get(); }
  // The daemon reads an end of file, which stands for an unmount.
  void HangUp();
  // Replies fail from now on, as they do to a caller that is gone.
  void StopListening();
  // Nothing is taken from the daemon any more, or is again: what it writes is held up when the socket is full.
  void HoldUp(bool held_up) { held_up_ = held_up; }

  // Returns the request's unique. `caller`: who asks.
  uint64_t Send(uint32_t opcode, NodeId node, const RawBytes& body, const ForgedCaller& caller = {});
  void SendRaw(std::span<const std::byte> packet);
  uint64_t NextUnique() { return next_unique_.fetch_add(2); }

  // The reply to it; fails the test and gives EHOSTDOWN when none comes.
  FuseReply Wait(uint64_t unique);
  // None has come and none comes within `time`.
  bool StaysUnanswered(uint64_t unique, std::chrono::milliseconds time);
  size_t replies_to(uint64_t unique) const;
  size_t replies() const;
  // inval_inode notifications, in order; waits for the `count`-th.
  std::vector<uint64_t> WaitInvalidations(size_t count);

  FuseReply Call(uint32_t opcode, NodeId node, const RawBytes& body = {}, const ForgedCaller& caller = {}) {
    return Wait(Send(opcode, node, body, caller));
  }
  // What kernel 6.18 offers, unless told otherwise.
  FuseReply Init(uint64_t flags = kAllFlags, uint32_t minor = 45);
  FuseReply Lookup(NodeId parent, std::string_view name, const ForgedCaller& caller = {});
  FuseReply GetAttributes(NodeId node, std::optional<uint64_t> handle = {}, const ForgedCaller& caller = {});
  uint64_t SendOpen(NodeId node, uint32_t flags = 0, const ForgedCaller& caller = {});
  FuseReply Open(NodeId node, uint32_t flags = 0, const ForgedCaller& caller = {}) {
    return Wait(SendOpen(node, flags, caller));
  }
  FuseReply Read(NodeId node, uint64_t handle, uint64_t offset, uint32_t size);
  FuseReply ReadDirectory(NodeId node, uint64_t offset, uint32_t size);
  FuseReply Release(NodeId node, uint64_t handle);
  void Interrupt(uint64_t unique);

  static constexpr uint64_t kAllFlags = ~(uint64_t{1} << 31);

 private:
  struct Received {
    FuseReply first;
    size_t count = 0;
  };
  void Collect();

  UniqueFd kernel_;
  UniqueFd device_;
  std::atomic<uint64_t> next_unique_{2};
  std::atomic<bool> held_up_{false};
  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  std::map<uint64_t, Received> replies_;
  std::vector<uint64_t> invalidations_;
  std::thread collector_;
};

// Bodies.
template <class T>
RawBytes BodyOf(const T& value) {
  RawBytes bytes(sizeof value);
  memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}
RawBytes NameBody(std::string_view name);  // with its terminator
RawBytes Joined(std::initializer_list<RawBytes> parts);
RawBytes RequestBytes(uint32_t opcode, uint64_t unique, NodeId node, const RawBytes& body,
                      const ForgedCaller& caller = {});

struct ListedEntry {
  std::string name;
  uint64_t inode = 0;
  uint64_t offset = 0;
  uint32_t type = 0;
};
std::vector<ListedEntry> ParseDirectory(const FuseReply& reply);

}  // namespace leasefs
