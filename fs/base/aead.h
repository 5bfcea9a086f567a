// AES-256-GCM, HKDF and HMAC over OpenSSL, with keys in SecretBuffers. Thread-safe after construction.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "fs/base/random.h"
#include "fs/base/result.h"
#include "fs/base/secret_buffer.h"

namespace leasefs {

inline constexpr size_t kKeyBytes = 32;
using Digest = std::array<std::byte, 32>;

class AeadKey {
 public:
  static constexpr size_t kNonceBytes = 12;
  static constexpr size_t kTagBytes = 16;
  static constexpr size_t kOverhead = kNonceBytes + kTagBytes;

  explicit AeadKey(SecretBuffer key);  // kKeyBytes; anything else aborts
  AeadKey(AeadKey&&) noexcept = default;
  AeadKey& operator=(AeadKey&&) noexcept = default;

  // nonce | ciphertext | tag. The nonce is random: at most 2^32 messages under one key (NIST SP 800-38D, 8.3).
  std::vector<std::byte> Seal(Random& random, std::span<const std::byte> aad, std::span<const std::byte> plain) const;
  // The same into memory of plain.size() + kOverhead bytes.
  void SealTo(Random& random, std::span<const std::byte> aad, std::span<const std::byte> plain,
              std::span<std::byte> out) const;
  // kRemote "does not authenticate" for anything that Seal did not make with this key and `aad`.
  Result<SecretBuffer> Open(std::span<const std::byte> aad, std::span<const std::byte> sealed) const;

 private:
  SecretBuffer key_;
};

// HKDF-SHA256 (RFC 5869), kKeyBytes out.
SecretBuffer DeriveKey(const SecretBuffer& key, std::span<const std::byte> salt, std::string_view info);
// scrypt (RFC 7914), kKeyBytes out. Takes memory of 128 * n * r bytes. kInvalid for parameters that OpenSSL refuses.
Result<SecretBuffer> ScryptKey(const SecretBuffer& passphrase, std::span<const std::byte> salt, uint64_t n, uint32_t r,
                               uint32_t p);
Digest HmacSha256(const SecretBuffer& key, std::span<const std::byte> data);

}  // namespace leasefs
