// What the rows of the store say, and their encodings. The format is described at the head of store.cc.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backend/protocol.h"
#include "backend/store/store.h"
#include "backend/store/store_set.h"
#include "fs/base/result.h"
#include "fs/base/secret_buffer.h"

namespace leasefs::store {

inline constexpr int64_t kApplicationId = 0x6c656673;  // "lefs", in the header of the SQLite file
inline constexpr int64_t kFormat = 1;                  // its user_version
// Rows of the table meta.
inline constexpr int64_t kIdentityRow = 1, kSlotsRow = 2, kStateRow = 3,
                         kResealRow = 4;  // only while everything is sealed anew
inline constexpr size_t kMaxNoteBytes = 1024;
// Generations that are remembered, so that one of another history (a backup was put back) is told from one of this.
inline constexpr size_t kRememberedGenerations = 128;

using StoreId = std::array<std::byte, 16>;

struct KeptVersion {
  uint64_t version = 0;
  int64_t row = 0;
};

// The head of a secret, or of one that was removed: then it keeps nothing but its numbers.
struct SecretHead {
  uint64_t generation = 0;  // of its last change
  uint64_t next_version = 1;
  std::vector<KeptVersion> kept;  // rising; the last is current. Empty: removed
  std::string keys;               // of the current version, sorted, joined by NUL

  bool live() const { return !kept.empty(); }
  uint64_t current() const { return kept.back().version; }
  const KeptVersion* Find(uint64_t version) const;  // 0: the current one; null: not kept
};

// What changes with every change of the store.
struct State {
  RowSet set;                         // all rows but the state's own
  int64_t next_row = 1;               // no row id is used twice
  uint64_t first_version = 1;         // of a path that is not known: above all numbers of heads that were forgotten
  uint64_t forgotten = 0;             // the highest generation of such a head
  std::vector<uint64_t> generations;  // the last of them, rising; the last is the store's

  uint64_t generation() const { return generations.empty() ? 0 : generations.back(); }
};

SecretBuffer EncodeHead(std::string_view path, const SecretHead& head);
Result<std::pair<std::string, SecretHead>> DecodeHead(std::span<const std::byte> bytes);

SecretBuffer EncodeVersion(const VersionInfo& version);
Result<VersionInfo> DecodeVersion(std::span<const std::byte> bytes);

SecretBuffer EncodeFields(const std::vector<protocol::Field>& fields);
Result<std::vector<protocol::Field>> DecodeFields(std::span<const std::byte> bytes);

SecretBuffer EncodeState(const State& state);
Result<State> DecodeState(std::span<const std::byte> bytes);

// What a sealed column is bound to: nothing else opens at its place.
std::string HeadContext(const StoreId& store, int64_t row);
std::string VersionContext(const StoreId& store, int64_t row, std::string_view path, uint64_t version);
std::string StateContext(const StoreId& store);
std::string ResealContext(const StoreId& store);

}  // namespace leasefs::store
