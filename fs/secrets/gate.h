// Gate: THE choke point where a caller meets a secret. Knows no FUSE.
//
// It owns the names, the versions and the handles (all in surviving memory), asks backends for what is not known, and
// is the only place that decides and records an open. An operation ends by exactly one call of its `done`, either
// before it returns or later on the loop's thread; whoever waits holds no thread, only the record that `Parking` made.
//
// Thread-safety: every method from any thread, but those marked loop-only.
#pragma once

#include <sys/stat.h>

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fs/base/loop.h"
#include "fs/base/result.h"
#include "fs/base/secret_buffer.h"
#include "fs/base/time.h"
#include "fs/caller/caller.h"
#include "fs/secrets/node_id.h"

namespace leasefs {

// Puts a request that must wait into surviving memory, so that a successor finds it. Implemented by fs/fuse.
class Parking {
 public:
  virtual ~Parking() = default;
  // Called at most once per request, with the gate's lock held and before anybody can complete it. False: no room
  // (EBUSY).
  virtual bool Park() noexcept = 0;
  // After Park, until the operation is done: an INTERRUPT for it has been seen. It may have come when nobody waited,
  // between two waits of one operation.
  virtual bool Interrupted() const noexcept = 0;
};

struct Request {
  uint64_t unique = 0;  // the kernel's number for the request
  Caller caller;
  BootTime arrival{};          // when the kernel handed it over; the deadline counts from here, also after a crash
  bool replay = false;         // a predecessor had read it already
  Parking* parking = nullptr;  // null: may not wait (kBusy instead)
};

struct Attributes {
  NodeId id;
  bool directory = false;
  mode_t permissions = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  uint64_t size = 0;
  WallTime changed{};        // mtime and ctime
  Duration entry_timeout{};  // how long the kernel may keep the name
  Duration attribute_timeout{};
};

struct Opened {
  uint64_t handle = 0;  // the request's unique
  bool direct = false;  // serves another version than its inode's, or the tree says page_cache = false
};

// What a read hands out. The bytes stay valid as long as the slice lives.
struct Slice {
  std::shared_ptr<const SecretBuffer> value;
  std::span<const std::byte> bytes;
  NodeId foreign;  // version != 0: the inode shows another version; its pages must be dropped after the reply
};

struct DirectoryEntry {
  std::string_view name;  // as on the mount
  NodeId id;
  bool directory = false;
  uint64_t cookie = 0;  // continue after this one
};

template <class T>
using Reply = std::function<void(Result<T>)>;

class Gate {
 public:
  virtual ~Gate() = default;

  virtual void Lookup(const Request& request, NodeId parent, std::string_view name, Reply<Attributes> done) = 0;
  // `handle` 0: none given.
  virtual void GetAttributes(const Request& request, NodeId id, uint64_t handle, Reply<Attributes> done) = 0;
  // `flags` as open(2). kStale: to be answered ESTALE, the kernel comes back.
  virtual void Open(const Request& request, NodeId id, int flags, Reply<Opened> done) = 0;
  // The reply to an Open did not reach its caller (it is gone): forget the handle. Not after a replay.
  virtual void Abandon(uint64_t handle) = 0;
  virtual Result<Slice> Read(uint64_t handle, NodeId id, uint64_t offset, size_t size) = 0;
  virtual void Release(uint64_t handle) = 0;

  virtual void OpenDirectory(const Request& request, NodeId id, Reply<Done> done) = 0;
  // From memory; a listing that is not known is empty (OpenDirectory fetched it). `visit` returns false when it is
  // full.
  virtual Status ReadDirectory(const Request& request, NodeId id, uint64_t cookie,
                               const std::function<bool(const DirectoryEntry&)>& visit) = 0;
  // access(2): `mask` of R_OK, W_OK, X_OK. Answered by the rules; not an open, so not recorded.
  virtual void Access(const Request& request, NodeId id, int mask, Reply<Done> done) = 0;
  // "user.leasefs.status" | ".version" | ".expires", and of a file ".kind": "key" | "form" | "file". With a lease_scope
  // also ".scope": "uid" | "process" | "open", and version and expiry are of the caller's own lease. kNoAttribute for
  // others.
  virtual Result<std::string> GetExtendedAttribute(const Request& request, NodeId id, std::string_view name) = 0;
  virtual std::vector<std::string> ListExtendedAttributes(NodeId id) = 0;

  // The caller was signalled: if the request still waits, it ends with kInterrupted.
  virtual void Interrupt(uint64_t unique) = 0;

  struct Counts {  // for statfs
    uint64_t files = 0;
    uint64_t bytes = 0;
  };
  virtual Counts Count() const = 0;
  // A tree's choice of errno table for a node (S25).
  virtual bool UsesPosixErrors(NodeId id) const = 0;
};

// What the gate tells the kernel unasked. Implemented by fs/fuse on a thread of its own; never blocks the caller.
class Notifier {
 public:
  virtual ~Notifier() = default;
  // Drop pages and attributes of an inode.
  virtual void InvalidateInode(NodeId id) = 0;
};

}  // namespace leasefs
