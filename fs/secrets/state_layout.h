// The layout of the gate's surviving memory: a memfd that the keeper holds and never maps (ARCHITECTURE.md, "What
// survives").
//
// Sparse and of fixed virtual size; it grows page by page as records are used. Zeroed memory is a valid empty state.
// Everything that can be derived (indexes, lists of children, use counts, free extents) is rebuilt on the heap at
// start, so a process killed at any instruction leaves nothing half-done that matters: a record is written first and
// committed by one atomic store.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace leasefs {

inline constexpr uint64_t kStateMagic = 0x31657461'74736c66;  // "flstate1"
inline constexpr uint32_t kStateLayout = 6;

inline constexpr uint32_t kMaxHandles = 1u << 18;  // descriptors open on the mount
inline constexpr uint32_t kMaxHandlesPerUid = kMaxHandles / 4;
inline constexpr uint32_t kReopenMarks = 1u << 16;
inline constexpr uint32_t kNearMarks = 1u << 8;  // the first of them, a page that is enough for most
inline constexpr uint32_t kReleasedHandles = 1u << 12;
inline constexpr uint32_t kMaxInstances = 1u << 12;  // leases of single uids, processes and opens
inline constexpr uint32_t kMaxBackends = 16;
inline constexpr uint64_t kBlobArea = uint64_t{1} << 30;  // bytes; the most that limits.memory may be
inline constexpr uint32_t kSpareVersions = 1u << 16;  // beside one per name: superseded versions that descriptors hold

enum class NodeKind : uint8_t { kNone, kStaticDirectory, kDirectory, kFile };

inline constexpr uint32_t kDerivedForm = 1;  // of the secret in whose directory it lies (S7)
inline constexpr uint32_t kDerivedFile = 2;  // a [[file]] of the configuration

struct NodeRecord {
  uint32_t parent;
  uint32_t name_offset;
  uint16_t name_length;
  NodeKind kind;
  std::atomic<uint8_t> present;     // it has a name now; a node that is gone keeps its number for its return
  std::atomic<uint32_t> listed;     // a directory: all names below it are here
  std::atomic<uint32_t> not_shown;  // a directory: so many names of its listing are too long or too many
  std::atomic<uint32_t> minted;     // a directory: to read its secret makes something new, so only an open may ask (S6)

  // A file.
  std::atomic<uint32_t> current;    // version slot + 1; 0: no bytes are held
  std::atomic<uint32_t> version;    // number of its last version; 0: it was never published
  std::atomic<uint32_t> derived;    // kDerivedForm, kDerivedFile, or 0: its bytes are a key's
  std::atomic<uint64_t> size;       // of that version
  std::byte mac[16];                // keyed, of that version's bytes, so that equal bytes stay one version
  std::atomic<int64_t> changed_ns;  // wall clock

  // A directory, as the secret of the same path. The backend's version number lies in the half that `publication`
  // selects, so that one store commits both.
  std::atomic<uint64_t> publication;
  std::atomic<uint64_t> secret_version[2];
  std::atomic<int64_t> fresh_until_ns;
  std::atomic<int64_t> stale_until_ns;
  std::atomic<int64_t> lease_end_ns;
  std::atomic<int64_t> fetched_ns;
  std::atomic<int64_t> listed_until_ns;  // then its names are asked for again; meaningful while it is listed
};

enum class VersionState : uint32_t { kFree, kStaged, kHeld };
inline constexpr uint32_t kVersionGone = 1;      // staged: the key is not there any more
inline constexpr uint32_t kVersionTooLarge = 2;  // over limits.value: no bytes
inline constexpr uint32_t kVersionJson = 4;      // the bytes are JSON text (protocol::Field)

struct VersionRecord {
  std::atomic<VersionState> state;
  uint32_t node;
  uint32_t number;
  uint32_t flags;
  uint64_t publication;  // of the directory; meaningful while staged
  uint64_t size;
  uint64_t blob_offset;
  uint32_t blob_length;  // sealed bytes; 0: none
  uint32_t unused;
  int64_t changed_ns;
  std::byte mac[16];
};

struct HandleRecord {
  std::atomic<uint64_t> handle;  // the unique of its OPEN; 0: free
  uint32_t slot;                 // of the version that it reads
  uint32_t node;
  uint32_t inode_version;  // of the inode that it was opened on
  uint32_t number;         // of the version that it reads; the slot must say the same
  uint32_t uid;            // who opened it
  uint32_t file;           // whose version it is: `node`, or the file of an instance of it (lease_scope)
};

// A credential of one uid, process or open, in a tree with a lease_scope (scoped_instances.h).
struct InstanceRecord {
  std::atomic<uint32_t> directory;  // hidden; written last. 0: free
  uint32_t scope;                   // LeaseScope
  uint32_t uid;
  uint32_t unused;
  uint64_t id;             // its name in the backend
  uint64_t first, second;  // InstanceOwner
  int64_t made_ns;
};

// A thread that was sent back with ESTALE: its next OPEN of the node is served, whatever inode it lands on (S8).
struct ReopenMark {
  std::atomic<uint64_t> key;     // tid << 32 | node, and the highest bit if it was fetched; 0: free
  std::atomic<uint64_t> unique;  // of the request that was answered so; written before the key
};

struct BackendRecord {
  std::atomic<uint64_t> name_hash;
  std::atomic<uint64_t> generation;  // of the last change that was applied
};

struct StateCounters {
  std::atomic<uint64_t> opens, denied, failed, fetches, publications, reopened;
};

struct StateHeader {
  uint64_t magic;
  uint32_t layout;
  uint32_t node_capacity;
  std::atomic<uint32_t> node_count;
  std::atomic<uint32_t> released_next;
  std::atomic<uint32_t> far_marks;  // reopen marks that are not among the near ones; too many after a kill
  std::atomic<uint64_t> names_used;
  StateCounters counters;
  BackendRecord backends[kMaxBackends];
};
static_assert(sizeof(StateHeader) <= 4096);
static_assert(std::atomic<uint64_t>::is_always_lock_free && std::atomic<uint32_t>::is_always_lock_free);

}  // namespace leasefs
