// How the data key is kept: wrapped in up to two slots, each opened by one key of the operator's.
//
// Two slots are there only between Rekey and FinishRekey: the old key's and, last, the new key's.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backend/store/store.h"
#include "backend/store/store_rows.h"
#include "fs/base/aead.h"
#include "fs/base/random.h"
#include "fs/base/result.h"
#include "fs/base/secret_buffer.h"

namespace leasefs::store {

inline constexpr size_t kMaxSlots = 2;

// How a wrapping key comes from the operator's. scrypt's numbers are written into the slot and are authenticated by the
// wrap.
struct KeyRecipe {
  StoreKey::Kind kind = StoreKey::Kind::kRaw;
  // N = 2^17, r = 8, p = 1: 128 MiB (OWASP Password Storage Cheat Sheet, scrypt). 0 for raw keys.
  uint64_t n = 0;
  uint32_t r = 0, p = 0;
  std::array<std::byte, 32> salt{};
};

struct KeySlot {
  KeyRecipe recipe;
  std::vector<std::byte> wrapped;  // the data key
};

// A wrapping key, ready for use: made once, since scrypt takes its time.
struct WrappingKey {
  KeyRecipe recipe;
  SecretBuffer bytes;

  WrappingKey Clone() const { return {recipe, SecretBuffer::CopyOf(bytes.Expose())}; }
};

// kInvalid: a raw key of another size, an empty passphrase.
Result<WrappingKey> MakeWrappingKey(const StoreKey& key, Random& random);
KeySlot Wrap(const WrappingKey& key, const SecretBuffer& data_key, const StoreId& store, Random& random);

struct Unlocked {
  size_t slot = 0;
  WrappingKey wrapping_key;
  SecretBuffer data_key;
};
// kLocked: `key` opens none of the slots.
Result<Unlocked> Unlock(const std::vector<KeySlot>& slots, const StoreKey& key, const StoreId& store);

std::vector<std::byte> EncodeSlots(const std::vector<KeySlot>& slots);
// Bounds scrypt's numbers, so that an edited slot cannot take all memory.
Result<std::vector<KeySlot>> DecodeSlots(std::span<const std::byte> bytes);

// The keys of the rows, each for one use.
struct RowKeys {
  RowKeys(const SecretBuffer& data_key, const StoreId& store);
  AeadKey head, version, fields, state;
  SecretBuffer set;
};

}  // namespace leasefs::store
