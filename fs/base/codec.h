// Fixed little-endian binary encoding for frames between processes. No JSON, no self-description.
//
// Writer appends to a SecretBuffer, since a frame may carry a value. Reader checks every range against what is left:
// after the first violation it returns zeros and empties, and ok() stays false; nothing is allocated before its length
// is checked.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "fs/base/secret_buffer.h"
#include "fs/base/time.h"

namespace leasefs {

class Writer {
 public:
  void U8(uint8_t value);
  void U16(uint16_t value);
  void U32(uint32_t value);
  void U64(uint64_t value);
  void I64(int64_t value) { U64(static_cast<uint64_t>(value)); }
  void Bool(bool value) { U8(value ? 1 : 0); }
  void Time(BootTime value) { I64(ToNanoseconds(value)); }
  void String(std::string_view value);           // 32-bit length, bytes
  void Bytes(std::span<const std::byte> value);  // 32-bit length, bytes
  void Secret(const SecretBuffer& value) { Bytes(value.Expose()); }

  SecretBuffer Take() && { return std::move(buffer_); }
  size_t size() const { return buffer_.size(); }

 private:
  SecretBuffer buffer_;
};

class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : rest_(bytes) {}

  uint8_t U8();
  uint16_t U16();
  uint32_t U32();
  uint64_t U64();
  int64_t I64() { return static_cast<int64_t>(U64()); }
  bool Bool();  // any byte but 0 and 1 is a violation
  BootTime Time() { return BootTimeFromNanoseconds(I64()); }
  std::string String(size_t max_size);
  SecretBuffer Secret(size_t max_size);
  std::span<const std::byte> Bytes(size_t max_size);  // a view into the input
  // A value of an enum whose members are 0..last.
  template <class E>
  E Enum(E last) {
    uint8_t value = U8();
    if (value > static_cast<uint8_t>(last)) Fail();
    return ok_ ? static_cast<E>(value) : E{};
  }

  void Fail() { ok_ = false, rest_ = {}; }
  bool ok() const { return ok_; }
  bool AtEnd() const { return ok_ && rest_.empty(); }  // a whole message was read and nothing is left
  size_t rest() const { return rest_.size(); }

 private:
  std::span<const std::byte> Take(size_t size);
  std::span<const std::byte> rest_;
  bool ok_ = true;
};

}  // namespace leasefs
