// A keyed hash of a set of rows that takes additions and removals in constant time: the sum modulo 2^256 of HMAC-SHA256
// over each row. (MSet-Add-Hash: Clarke, Devadas, van Dijk, Gassend, Suh, "Incremental Multiset Hash Functions",
// ASIACRYPT 2003. Their random start value is not needed, since the sum itself is only ever written sealed.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "fs/base/aead.h"
#include "fs/base/secret_buffer.h"

namespace leasefs::store {

enum class Table : uint8_t { kMeta = 1, kSecret = 2, kVersion = 3 };

struct RowView {
  int64_t id = 0;
  std::span<const std::byte> head;  // empty in tables without this column
  std::span<const std::byte> body;
};

// Covers the table, the row's id and every byte of its columns.
Digest RowMac(const SecretBuffer& key, Table table, const RowView& row);

struct RowSet {
  uint64_t rows = 0;
  Digest sum{};  // little-endian

  void Add(const Digest& mac);
  void Remove(const Digest& mac);
  bool operator==(const RowSet&) const = default;
};

}  // namespace leasefs::store
