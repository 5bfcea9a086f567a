// What fs and a backend process say to each other, over a FrameConnection. (DESIGN: "The backend decides what is current; fs
// decides who may read it and when it appears.") The backend never learns who the caller is; fs never sees a token.
//
// Every struct has Encode() and a static Decode() that refuses whatever Encode cannot have made: a range, a length, an enum
// member, bytes left over. Both ends decode strictly and close the connection on the first violation.
// Paths are backend paths: components joined by '/', no leading or trailing '/', the root is ""; no component is empty, "." or "..".
// Key names are raw bytes; the mount's escaping (S4) is fs's business.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "fs/base/result.h"
#include "fs/base/secret_buffer.h"
#include "fs/base/time.h"

namespace leasefs::protocol {

enum class FrameType : uint16_t {
  // fs -> backend
  kHello = 1,
  kList = 2,
  kWant = 3,
  kIdle = 4,
  kRefresh = 5,
  kApplied = 6,
  kStop = 7,
  kRecorded = 8,
  // backend -> fs
  kWelcome = 64,
  kEntries = 65,
  kEntryChanged = 66,
  kPublished = 67,
  kUnchanged = 68,
  kChanged = 69,
  kFailed = 70,
  kHealth = 71,
  kRecord = 72,
};

// ---- fs -> backend ----

// First frame of a connection. `generation` is the last one that fs was told of (0: none). The answer is Welcome, then one
// Changed for every secret that changed since; when the backend cannot know, Welcome.everything_changed.
struct Hello {
  static constexpr FrameType kType = FrameType::kHello;
  uint32_t protocol = 1;
  uint64_t generation = 0;
  SecretBuffer Encode() const;
  static Result<Hello> Decode(std::span<const std::byte> payload);
};
// Names below a directory. Answered by Entries (one or more) or Failed. From then on EntryChanged follows for it.
struct List {
  static constexpr FrameType kType = FrameType::kList;
  std::string directory;
  SecretBuffer Encode() const;
  static Result<List> Decode(std::span<const std::byte> payload);
};
// The current version of a secret. Answered by Published, Unchanged (it is `known_version`) or Failed. From then on Changed
// follows for it, until Idle.
struct Want {
  static constexpr FrameType kType = FrameType::kWant;
  std::string secret;
  uint64_t known_version = 0;  // 0: none
  SecretBuffer Encode() const;
  static Result<Want> Decode(std::span<const std::byte> payload);
};
// fs holds no value of this secret any more.
struct Idle {
  static constexpr FrameType kType = FrameType::kIdle;
  std::string secret;
  SecretBuffer Encode() const;
  static Result<Idle> Decode(std::span<const std::byte> payload);
};
// Ask the source again now, whatever is believed to be fresh. Answered as Want.
struct Refresh {
  static constexpr FrameType kType = FrameType::kRefresh;
  std::string secret;
  uint64_t known_version = 0;
  SecretBuffer Encode() const;
  static Result<Refresh> Decode(std::span<const std::byte> payload);
};
// fs has taken a Changed or EntryChanged with this sequence number: the next open decides by it.
struct Applied {
  static constexpr FrameType kType = FrameType::kApplied;
  uint64_t sequence = 0;
  SecretBuffer Encode() const;
  static Result<Applied> Decode(std::span<const std::byte> payload);
};
struct Stop {
  static constexpr FrameType kType = FrameType::kStop;
  bool revoke = false;
  SecretBuffer Encode() const;
  static Result<Stop> Decode(std::span<const std::byte> payload);
};
// The answer to Record: the audit has it (or could not take it: then the backend refuses the act).
struct Recorded {
  static constexpr FrameType kType = FrameType::kRecorded;
  uint64_t id = 0;
  bool ok = false;
  SecretBuffer Encode() const;
  static Result<Recorded> Decode(std::span<const std::byte> payload);
};

// ---- backend -> fs ----

struct Welcome {
  static constexpr FrameType kType = FrameType::kWelcome;
  uint32_t protocol = 1;
  uint64_t generation = 0;
  bool everything_changed = false;  // drop listings and ask for every held secret again
  SecretBuffer Encode() const;
  static Result<Welcome> Decode(std::span<const std::byte> payload);
};

enum class EntryKind : uint8_t { kKey, kFolder };
struct Entry {
  EntryKind kind = EntryKind::kKey;
  std::string name;  // one component or one key, raw
};
// The names below `directory`: subfolders (which may be secrets too) and the keys of the secret at this very path. A large
// listing comes in parts; it is complete with the part that has last = true.
struct Entries {
  static constexpr FrameType kType = FrameType::kEntries;
  std::string directory;
  bool last = true;
  std::vector<Entry> entries;
  SecretBuffer Encode() const;
  static Result<Entries> Decode(std::span<const std::byte> payload);
};
// One name of a listed directory came or went.
struct EntryChanged {
  static constexpr FrameType kType = FrameType::kEntryChanged;
  uint64_t sequence = 0;
  std::string directory;
  Entry entry;
  bool present = true;
  SecretBuffer Encode() const;
  static Result<EntryChanged> Decode(std::span<const std::byte> payload);
};

struct Field {
  std::string key;
  bool too_large = false;  // over limits.value: no bytes are sent, the file is EFBIG
  SecretBuffer value;
};
struct Freshness {
  BootTime fresh_until = kNever;  // until then fs serves the version without asking
  BootTime stale_until = kNever;  // until then fs serves it when the backend cannot answer (S17)
  BootTime lease_end = kNever;    // and never after this (S14)
};
struct Published {
  static constexpr FrameType kType = FrameType::kPublished;
  std::string secret;
  uint64_t version = 0;
  Freshness freshness;
  std::vector<Field> fields;  // all keys of the version
  SecretBuffer Encode() const;
  static Result<Published> Decode(std::span<const std::byte> payload);
};
struct Unchanged {
  static constexpr FrameType kType = FrameType::kUnchanged;
  std::string secret;
  uint64_t version = 0;
  Freshness freshness;
  SecretBuffer Encode() const;
  static Result<Unchanged> Decode(std::span<const std::byte> payload);
};
// A wanted secret has a new version (or is gone): what fs holds is not current any more. The value follows on Want.
struct Changed {
  static constexpr FrameType kType = FrameType::kChanged;
  uint64_t sequence = 0;
  uint64_t generation = 0;
  std::string secret;
  SecretBuffer Encode() const;
  static Result<Changed> Decode(std::span<const std::byte> payload);
};
// List, Want or Refresh of `path` failed. kNotFound, kDenied, kRevoked, kExpired are answers: a value that fs holds goes at once. kUnreachable and kRemote
// are outages: a value is served until stale_until. kLocked: the store has no key; known values go on.
struct Failed {
  static constexpr FrameType kType = FrameType::kFailed;
  enum class What : uint8_t { kDirectory, kSecret };
  What what = What::kSecret;
  std::string path;
  ErrorKind kind = ErrorKind::kRemote;
  std::string message;                // for status and logs; no secret
  BootTime retry_at{};                // fs does not ask again before (negative cache)
  SecretBuffer Encode() const;
  static Result<Failed> Decode(std::span<const std::byte> payload);
};
enum class HealthState : uint8_t { kUp, kDegraded, kLocked, kDown };
struct Health {
  static constexpr FrameType kType = FrameType::kHealth;
  HealthState state = HealthState::kUp;
  std::string message;
  uint64_t generation = 0;  // everything up to it has been told
  SecretBuffer Encode() const;
  static Result<Health> Decode(std::span<const std::byte> payload);
};
// An act on the store itself (put, get, rm, …) that the audit must have before it is answered.
struct Record {
  static constexpr FrameType kType = FrameType::kRecord;
  uint64_t id = 0;
  std::string verb;   // "put"
  std::string path;   // backend path
  uint64_t version = 0;
  uint32_t uid = 0, gid = 0, pid = 0;
  ErrorKind outcome{};
  bool allowed = true;
  SecretBuffer Encode() const;
  static Result<Record> Decode(std::span<const std::byte> payload);
};

// A path as described above: bounds, no empty, "." or ".." component, no NUL.
bool IsValidPath(std::string_view path);
bool IsValidKey(std::string_view key);  // 1..kMaxKeyBytes bytes, no NUL

}  // namespace leasefs::protocol
