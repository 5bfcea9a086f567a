#include "fs/base/aead.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <cstdlib>
#include <memory>

namespace leasefs {
namespace {

// What OpenSSL may only refuse for lack of memory, or because we called it wrongly.
void Require(bool success) {
  if (!success) std::abort();
}

template <auto kFree>
struct Deleter {
  template <class T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, Deleter<EVP_CIPHER_CTX_free>>;
using KdfContext = std::unique_ptr<EVP_KDF_CTX, Deleter<EVP_KDF_CTX_free>>;
using MacContext = std::unique_ptr<EVP_MAC_CTX, Deleter<EVP_MAC_CTX_free>>;

unsigned char* Raw(std::span<std::byte> bytes) {
  return reinterpret_cast<unsigned char*>(bytes.data());
}
const unsigned char* Raw(std::span<const std::byte> bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

int Length(size_t size) {
  Require(size <= INT32_MAX);
  return static_cast<int>(size);
}

// Fetched once and never freed: a fetch takes longer than sealing a short message.
const EVP_CIPHER* Aes256Gcm() {
  static const EVP_CIPHER* cipher = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  Require(cipher != nullptr);
  return cipher;
}

// A context of this thread, with the key forgotten when the use ends.
class CipherUse {
 public:
  CipherUse() { Require(Context() != nullptr); }
  ~CipherUse() { EVP_CIPHER_CTX_reset(Context()); }
  CipherUse(const CipherUse&) = delete;
  CipherUse& operator=(const CipherUse&) = delete;

  EVP_CIPHER_CTX* get() { return Context(); }

 private:
  static EVP_CIPHER_CTX* Context() {
    thread_local CipherContext context(EVP_CIPHER_CTX_new());
    return context.get();
  }
};

OSSL_PARAM OctetParam(const char* name, std::span<const std::byte> bytes) {
  return OSSL_PARAM_construct_octet_string(name, const_cast<std::byte*>(bytes.data()), bytes.size());
}

OSSL_PARAM Sha256Param() {
  static char name[] = "SHA256";
  return OSSL_PARAM_construct_utf8_string("digest", name, 0);
}

}  // namespace

AeadKey::AeadKey(SecretBuffer key) : key_(std::move(key)) {
  Require(key_.size() == kKeyBytes);
}

std::vector<std::byte> AeadKey::Seal(Random& random, std::span<const std::byte> aad,
                                     std::span<const std::byte> plain) const {
  std::vector<std::byte> sealed(plain.size() + kOverhead);
  SealTo(random, aad, plain, sealed);
  return sealed;
}

void AeadKey::SealTo(Random& random, std::span<const std::byte> aad, std::span<const std::byte> plain,
                     std::span<std::byte> out) const {
  Require(key_.size() == kKeyBytes && out.size() == plain.size() + kOverhead);
  std::span<std::byte> nonce = out.first(kNonceBytes);
  std::span<std::byte> text = out.subspan(kNonceBytes, plain.size());
  std::span<std::byte> tag = out.last(kTagBytes);
  random.Fill(nonce);
  CipherUse use;
  int size = 0;
  Require(EVP_EncryptInit_ex2(use.get(), Aes256Gcm(), Raw(key_.Expose()), Raw(nonce), nullptr) == 1);
  if (!aad.empty()) Require(EVP_EncryptUpdate(use.get(), nullptr, &size, Raw(aad), Length(aad.size())) == 1);
  if (!plain.empty()) Require(EVP_EncryptUpdate(use.get(), Raw(text), &size, Raw(plain), Length(plain.size())) == 1);
  Require(EVP_EncryptFinal_ex(use.get(), Raw(tag), &size) == 1);
  Require(EVP_CIPHER_CTX_ctrl(use.get(), EVP_CTRL_AEAD_GET_TAG, kTagBytes, tag.data()) == 1);
}

Result<SecretBuffer> AeadKey::Open(std::span<const std::byte> aad, std::span<const std::byte> sealed) const {
  Require(key_.size() == kKeyBytes);
  Error refused(ErrorKind::kRemote, "does not authenticate");
  if (sealed.size() < kOverhead) return refused;
  std::span<const std::byte> text = sealed.subspan(kNonceBytes, sealed.size() - kOverhead);
  std::array<std::byte, kTagBytes> tag{};
  std::copy(sealed.end() - kTagBytes, sealed.end(), tag.begin());
  SecretBuffer plain(text.size());
  CipherUse use;
  int size = 0;
  Require(EVP_DecryptInit_ex2(use.get(), Aes256Gcm(), Raw(key_.Expose()), Raw(sealed), nullptr) == 1);
  if (!aad.empty()) Require(EVP_DecryptUpdate(use.get(), nullptr, &size, Raw(aad), Length(aad.size())) == 1);
  unsigned char* out = Raw(plain.ExposeMutable());
  if (!text.empty()) Require(EVP_DecryptUpdate(use.get(), out, &size, Raw(text), Length(text.size())) == 1);
  Require(EVP_CIPHER_CTX_ctrl(use.get(), EVP_CTRL_AEAD_SET_TAG, kTagBytes, tag.data()) == 1);
  // SECURITY: nothing of `plain` is used before this.
  unsigned char unused = 0;
  if (EVP_DecryptFinal_ex(use.get(), &unused, &size) != 1) {
    ERR_clear_error();
    return refused;
  }
  return plain;
}

SecretBuffer DeriveKey(const SecretBuffer& key, std::span<const std::byte> salt, std::string_view info) {
  static EVP_KDF* kdf = EVP_KDF_fetch(nullptr, "HKDF", nullptr);
  Require(kdf != nullptr && !key.empty());
  KdfContext context(EVP_KDF_CTX_new(kdf));
  std::vector<OSSL_PARAM> params = {Sha256Param(), OctetParam(OSSL_KDF_PARAM_KEY, key.Expose())};
  if (!salt.empty()) params.push_back(OctetParam(OSSL_KDF_PARAM_SALT, salt));
  if (!info.empty()) params.push_back(OctetParam(OSSL_KDF_PARAM_INFO, std::as_bytes(std::span(info))));
  params.push_back(OSSL_PARAM_construct_end());
  SecretBuffer derived(kKeyBytes);
  Require(context != nullptr &&
          EVP_KDF_derive(context.get(), Raw(derived.ExposeMutable()), kKeyBytes, params.data()) == 1);
  return derived;
}

Result<SecretBuffer> ScryptKey(const SecretBuffer& passphrase, std::span<const std::byte> salt, uint64_t n, uint32_t r,
                               uint32_t p) {
  Error refused(ErrorKind::kInvalid, "scrypt parameters are not usable: n must be a power of two, r and p small");
  // RFC 7914, 2 and 5: V takes 128*n*r bytes, B 128*p*r, and two blocks of work.
  uint64_t memory = 0;
  if (n > UINT64_MAX - p - 2 || __builtin_mul_overflow(n + p + 2, uint64_t{128} * r, &memory)) return refused;
  SecretBuffer key(kKeyBytes);
  int done = EVP_PBE_scrypt(reinterpret_cast<const char*>(passphrase.Expose().data()), passphrase.size(), Raw(salt),
                            salt.size(), n, r, p, memory, Raw(key.ExposeMutable()), key.size());
  if (done != 1) {
    ERR_clear_error();
    return refused;
  }
  return key;
}

Digest HmacSha256(const SecretBuffer& key, std::span<const std::byte> data) {
  static EVP_MAC* mac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  Require(mac != nullptr);
  MacContext context(EVP_MAC_CTX_new(mac));
  std::array<OSSL_PARAM, 2> params = {Sha256Param(), OSSL_PARAM_construct_end()};
  // A null key would mean "the key of before".
  static constexpr unsigned char kNoKey = 0;
  const unsigned char* raw_key = key.empty() ? &kNoKey : Raw(key.Expose());
  Digest digest{};
  size_t size = 0;
  Require(context != nullptr && EVP_MAC_init(context.get(), raw_key, key.size(), params.data()) == 1);
  Require(EVP_MAC_update(context.get(), Raw(data), data.size()) == 1);
  Require(EVP_MAC_final(context.get(), reinterpret_cast<unsigned char*>(digest.data()), &size, digest.size()) == 1);
  Require(size == digest.size());
  return digest;
}

}  // namespace leasefs
