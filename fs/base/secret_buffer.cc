#include "fs/base/secret_buffer.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "fs/base/secret_arena.h"

namespace leasefs {

SecretBuffer::SecretBuffer(size_t size) {
  Resize(size);
}

SecretBuffer SecretBuffer::CopyOf(std::span<const std::byte> bytes) {
  SecretBuffer copy;
  copy.Append(bytes);
  return copy;
}

SecretBuffer SecretBuffer::CopyOf(std::string_view bytes) {
  return CopyOf(std::as_bytes(std::span(bytes)));
}

SecretBuffer::SecretBuffer(SecretBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      capacity_(std::exchange(other.capacity_, 0)) {}

SecretBuffer& SecretBuffer::operator=(SecretBuffer&& other) noexcept {
  if (this == &other) return *this;
  Clear();
  data_ = std::exchange(other.data_, nullptr);
  size_ = std::exchange(other.size_, 0);
  capacity_ = std::exchange(other.capacity_, 0);
  return *this;
}

SecretBuffer::~SecretBuffer() {
  Clear();
}

void SecretBuffer::Append(std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  if (data_ != nullptr && bytes.size() <= capacity_ - size_) {
    std::memcpy(data_ + size_, bytes.data(), bytes.size());
    size_ += bytes.size();
    return;
  }
  SecretBuffer larger;  // the old place lives until the end: `bytes` may be a part of it
  larger.Reserve(std::max(size_ + bytes.size(), capacity_ * 2));
  larger.Append(Expose());
  larger.Append(bytes);
  *this = std::move(larger);
}

void SecretBuffer::Append(std::string_view bytes) {
  Append(std::as_bytes(std::span(bytes)));
}

void SecretBuffer::Resize(size_t size) {
  if (size < size_) {
    Wipe(data_ + size, size_ - size);
  } else if (size > size_) {
    if (size > capacity_) Reserve(std::max(size, capacity_ * 2));
    std::memset(data_ + size_, 0, size - size_);
  }
  size_ = size;
}

void SecretBuffer::Reserve(size_t capacity) {
  if (capacity <= capacity_) return;
  size_t new_capacity = 0;
  auto* place = static_cast<std::byte*>(SecretArena::Process().Allocate(capacity, &new_capacity));
  if (size_ > 0) std::memcpy(place, data_, size_);
  if (data_ != nullptr) SecretArena::Process().Free(data_, capacity_);
  data_ = place;
  capacity_ = new_capacity;
}

void SecretBuffer::Clear() {
  if (data_ != nullptr) SecretArena::Process().Free(data_, capacity_);
  data_ = nullptr;
  size_ = 0;
  capacity_ = 0;
}

bool ConstantTimeEqual(std::span<const std::byte> a, std::span<const std::byte> b) {
  return a.size() == b.size() && (a.empty() || CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0);
}

bool ConstantTimeEqual(const SecretBuffer& a, const SecretBuffer& b) {
  return ConstantTimeEqual(a.Expose(), b.Expose());
}

void Wipe(void* data, size_t size) noexcept {
  if (size > 0) explicit_bzero(data, size);
}

}  // namespace leasefs
