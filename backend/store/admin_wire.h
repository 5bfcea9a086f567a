// The wire of a store's own socket (`store-NAME.sock`), which the store process serves itself, so that fs never sees a
// put. One request frame, one reply frame. A request that carries values carries them as Fields; a reply likewise.
// Decode refuses whatever Encode cannot have made, and allocates nothing before its length is checked.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backend/protocol.h"
#include "backend/store/store.h"
#include "fs/base/result.h"
#include "fs/base/secret_buffer.h"

namespace leasefs::store_admin {

inline constexpr uint16_t kRequestFrame = 1;
inline constexpr uint16_t kReplyFrame = 2;
inline constexpr uint16_t kDataFrame = 3;             // parts of a backup, before the reply
inline constexpr size_t kMaxKeyMaterialBytes = 4096;  // of a StoreKey
inline constexpr size_t kMaxPuts = size_t{1} << 16;   // of one import
inline constexpr size_t kMaxAdminPayload = size_t{32} << 20;

enum class Verb : uint8_t {
  kPut,
  kGet,
  kList,
  kRemove,
  kHistory,
  kRollback,
  kImport,
  kUnlock,
  kRekey,
  kFinishRekey,
  kBackup,
  kStatus,
};
inline constexpr Verb kLastVerb = Verb::kStatus;

struct AdminRequest {
  Verb verb = Verb::kStatus;
  std::string path;               // a secret, or a directory for kList
  std::vector<std::string> keys;  // kGet, kRemove: only these
  uint64_t version = 0;           // kGet, kRollback
  bool recursive = false;         // kList
  std::vector<Store::Put> puts;   // kPut (one), kImport (many, all or nothing)
  StoreKey key;                   // kUnlock, kRekey
  SecretBuffer Encode() const;
  static Result<AdminRequest> Decode(std::span<const std::byte> payload);
};

struct AdminReply {
  std::optional<Error> error;
  std::vector<uint64_t> versions;        // kPut, kImport, kRollback; kGet: the one read
  std::vector<protocol::Field> fields;   // kGet
  std::vector<protocol::Entry> entries;  // kList
  std::vector<std::string> paths;        // kList recursive
  std::vector<VersionInfo> history;      // kHistory
  StoreFigures figures;                  // kStatus
  std::string state;                     // kStatus: "open", "locked: …", "damaged: …"
  bool applied = true;                   // the mount shows it already; false: fs is not connected or slow
  SecretBuffer Encode() const;
  static Result<AdminReply> Decode(std::span<const std::byte> payload);
};

}  // namespace leasefs::store_admin
