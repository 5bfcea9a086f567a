// SecretBuffer: the one type that carries secret bytes.
//
// Move-only. The bytes lie in the process's SecretArena (locked, not dumped, not inherited by fork where the machine
// allows it) and are wiped when the buffer is destroyed, cleared, shrunk or moved to a larger place. There is no stream
// operator, no formatter, no comparison that ends early and no way to a std::string: bytes come out through Expose().
// Not thread-safe by itself; a const SecretBuffer may be read by many threads.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace leasefs {

class SecretBuffer {
 public:
  SecretBuffer() = default;
  explicit SecretBuffer(size_t size);  // zeros
  static SecretBuffer CopyOf(std::span<const std::byte> bytes);
  static SecretBuffer CopyOf(std::string_view bytes);  // for literals and tests; the source stays as it is

  SecretBuffer(SecretBuffer&& other) noexcept;
  SecretBuffer& operator=(SecretBuffer&& other) noexcept;
  SecretBuffer(const SecretBuffer&) = delete;
  SecretBuffer& operator=(const SecretBuffer&) = delete;
  ~SecretBuffer();

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // Valid until the buffer is changed, moved or destroyed.
  std::span<const std::byte> Expose() const { return {data_, size_}; }
  std::span<std::byte> ExposeMutable() { return {data_, size_}; }
  std::string_view ExposeText() const { return {reinterpret_cast<const char*>(data_), size_}; }

  void Append(std::span<const std::byte> bytes);
  void Append(std::string_view bytes);
  void Resize(size_t size);       // new bytes are zero, lost bytes are wiped
  void Reserve(size_t capacity);  // so that a growth of known size copies nothing
  void Clear();                   // wipes and gives the memory back

  // Takes time that depends on the lengths only.
  friend bool ConstantTimeEqual(const SecretBuffer& a, const SecretBuffer& b);

 private:
  std::byte* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

bool ConstantTimeEqual(std::span<const std::byte> a, std::span<const std::byte> b);

// Overwrites memory in a way that the compiler does not remove.
void Wipe(void* data, size_t size) noexcept;

}  // namespace leasefs
