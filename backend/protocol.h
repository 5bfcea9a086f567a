// What fs and a backend process say to each other, over a FrameConnection. The backend decides what is current; fs who
// may read it and when it appears. The backend never learns who the caller is; fs never sees a token.
//
// Every struct has Encode() and a static Decode() that refuses whatever Encode cannot have made. Both ends decode
// strictly and close the connection on the first violation. One answer answers every Want, Refresh or List of its path
// so far, and is no older than any Changed before it. A Changed or EntryChanged of what fs does not hold is applied.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "backend/protocol_types.h"
#include "fs/base/result.h"
#include "fs/base/secret_buffer.h"
#include "fs/base/time.h"

namespace leasefs::protocol {

enum class FrameType : uint16_t {
  kHello = 1, kList = 2, kWant = 3, kIdle = 4, kRefresh = 5, kApplied = 6, kStop = 7, kRecorded = 8,  // fs -> backend
  // backend -> fs
  kWelcome = 64, kEntries = 65, kEntryChanged = 66, kPublished = 67, kUnchanged = 68, kChanged = 69, kFailed = 70,
  kHealth = 71, kRecord = 72, kReport = 73,
};

// ---- fs -> backend ----

// First frame of a connection. `generation` is the last one that fs was told of (0: none), by any frame that carries
// one and that fs has dealt with. The answer is Welcome; then, for every secret that changed since, EntryChanged for
// the folders above it and the keys it has, and one Changed (keys that went meanwhile are seen by listing or wanting
// it); when the backend cannot know, Welcome.everything_changed. With a generation fs is told of every name from then
// on, since the backend cannot know which directories it has listed.
struct Hello {
  static constexpr FrameType kType = FrameType::kHello;
  uint32_t protocol = kProtocolVersion;
  uint64_t generation = 0;
  SecretBuffer Encode() const;
  static Result<Hello> Decode(std::span<const std::byte> payload);
};
// Names below a directory. Answered by Entries (one or more) or Failed. From then on EntryChanged follows for it.
struct List {
  static constexpr FrameType kType = FrameType::kList;
  std::string directory;
  Purpose purpose = Purpose::kNames;  // kOpen: is a Want too, if Published comes before the Entries
  SecretBuffer Encode() const;
  static Result<List> Decode(std::span<const std::byte> payload);
};
// The current version of a secret. Answered by Published, Unchanged (it is `known_version`) or Failed. From then on
// Published or Changed follow for it, until Idle.
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
// The answer to Record: the audit has it, or could not take it; then the backend refuses the act.
struct Recorded {
  static constexpr FrameType kType = FrameType::kRecorded;
  uint64_t id = 0;
  bool ok = false;
  SecretBuffer Encode() const;
  static Result<Recorded> Decode(std::span<const std::byte> payload);
};

// ---- backend -> fs ----

// The answer to Hello. Also comes later, unasked, with everything_changed: the store was unlocked or replaced.
struct Welcome {
  static constexpr FrameType kType = FrameType::kWelcome;
  uint32_t protocol = kProtocolVersion;
  uint64_t generation = 0;
  bool everything_changed = false;  // drop listings and ask for every held secret again
  SecretBuffer Encode() const;
  static Result<Welcome> Decode(std::span<const std::byte> payload);
};

// The names below `directory`: subfolders (which may be secrets too) and the keys of the secret at this very path. A
// large listing comes in parts, up to the one that has last = true. `minted`: a Want of the secret at this very path
// makes something new, so only an open may send one (S6). After `fresh_until` names may have come or gone unsaid.
struct Entries {
  static constexpr FrameType kType = FrameType::kEntries;
  std::string directory;
  bool last = true;
  std::vector<Entry> entries;
  bool minted = false;
  BootTime fresh_until = kNever;
  SecretBuffer Encode() const;
  static Result<Entries> Decode(std::span<const std::byte> payload);
};
// One name of a listed directory came or went. May say what is known already.
struct EntryChanged {
  static constexpr FrameType kType = FrameType::kEntryChanged;
  uint64_t sequence = 0;
  std::string directory;
  Entry entry;
  bool present = true;
  SecretBuffer Encode() const;
  static Result<EntryChanged> Decode(std::span<const std::byte> payload);
};

// Also unasked: it replaces the version that fs holds. Of a minted secret also if fs holds none, or again after Hello.
struct Published {
  static constexpr FrameType kType = FrameType::kPublished;
  std::string secret;
  uint64_t version = 0;
  Freshness freshness;
  std::vector<Field> fields;  // all keys of the version, each once
  SecretBuffer Encode() const;
  static Result<Published> Decode(std::span<const std::byte> payload);
};
// Also comes unasked: the source was asked again and the version is still current, or its lease was extended or cut
// short. If fs does not hold this version (its Idle crossed the answer), it means nothing.
struct Unchanged {
  static constexpr FrameType kType = FrameType::kUnchanged;
  std::string secret;
  uint64_t version = 0;
  Freshness freshness;
  SecretBuffer Encode() const;
  static Result<Unchanged> Decode(std::span<const std::byte> payload);
};
// A secret, wanted or not, has a new version or is gone: what fs holds is not current. The value follows on Want.
struct Changed {
  static constexpr FrameType kType = FrameType::kChanged;
  uint64_t sequence = 0;
  uint64_t generation = 0;
  std::string secret;
  SecretBuffer Encode() const;
  static Result<Changed> Decode(std::span<const std::byte> payload);
};
// List, Want or Refresh of `path` failed. kNotFound, kDenied, kRevoked, kExpired are answers: a value that fs holds
// goes at once. kUnreachable and kRemote are outages: a value is served until stale_until. kLocked: the store has no
// key; known values go on. Beside these: kLoginRefused, kTooLarge, kNoMemory, kInternal. Any other kind is encoded as
// kRemote.
struct Failed {
  static constexpr FrameType kType = FrameType::kFailed;
  enum class What : uint8_t { kDirectory, kSecret };
  What what = What::kSecret;
  std::string path;
  ErrorKind kind = ErrorKind::kRemote;
  std::string message;                // for status and logs; no secret
  BootTime retry_at{};                // fs does not ask again before (negative cache); 0: at any time
  SecretBuffer Encode() const;
  static Result<Failed> Decode(std::span<const std::byte> payload);
};
// After Welcome, when the state changes, and when all up to a new generation is told. kUp after another state: no
// retry_at holds any more.
struct Health {
  static constexpr FrameType kType = FrameType::kHealth;
  HealthState state = HealthState::kUp;
  std::string message;
  uint64_t generation = 0;  // everything up to it has been told by the frames before
  SecretBuffer Encode() const;
  static Result<Health> Decode(std::span<const std::byte> payload);
};
// An act on the store itself (put, …) that the audit must have before it is answered.
struct Record {
  static constexpr FrameType kType = FrameType::kRecord;
  uint64_t id = 0;
  std::string verb;   // "put"; 1..kMaxVerbBytes of a-z and '-'
  std::string path;   // backend path
  uint64_t version = 0;
  uint32_t uid = 0, gid = 0, pid = 0;
  ErrorKind outcome{};  // why, if not allowed
  bool allowed = true;  // false: refused, or allowed by the record before it and failed
  SecretBuffer Encode() const;
  static Result<Record> Decode(std::span<const std::byte> payload);
};

}  // namespace leasefs::protocol
