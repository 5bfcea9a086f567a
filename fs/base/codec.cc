#include "fs/base/codec.h"

#include <array>
#include <cstdlib>
#include <limits>

namespace leasefs {
namespace {

template <class T>
std::array<std::byte, sizeof(T)> LittleEndian(T value) {
  std::array<std::byte, sizeof(T)> bytes{};
  for (size_t i = 0; i < sizeof(T); ++i) bytes[i] = static_cast<std::byte>(static_cast<uint64_t>(value) >> (8 * i));
  return bytes;
}

template <class T>
T FromLittleEndian(std::span<const std::byte> bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes.size(); ++i) value |= static_cast<uint64_t>(bytes[i]) << (8 * i);
  return static_cast<T>(value);
}

uint32_t Length(size_t size) {
  if (size > std::numeric_limits<uint32_t>::max()) std::abort();  // nothing that leasefs holds is so long
  return static_cast<uint32_t>(size);
}

}  // namespace

void Writer::U8(uint8_t value) {
  buffer_.Append(LittleEndian(value));
}
void Writer::U16(uint16_t value) {
  buffer_.Append(LittleEndian(value));
}
void Writer::U32(uint32_t value) {
  buffer_.Append(LittleEndian(value));
}
void Writer::U64(uint64_t value) {
  buffer_.Append(LittleEndian(value));
}

void Writer::String(std::string_view value) {
  U32(Length(value.size()));
  buffer_.Append(value);
}

void Writer::Bytes(std::span<const std::byte> value) {
  U32(Length(value.size()));
  buffer_.Append(value);
}

uint8_t Reader::U8() {
  return FromLittleEndian<uint8_t>(Take(sizeof(uint8_t)));
}
uint16_t Reader::U16() {
  return FromLittleEndian<uint16_t>(Take(sizeof(uint16_t)));
}
uint32_t Reader::U32() {
  return FromLittleEndian<uint32_t>(Take(sizeof(uint32_t)));
}
uint64_t Reader::U64() {
  return FromLittleEndian<uint64_t>(Take(sizeof(uint64_t)));
}

bool Reader::Bool() {
  uint8_t value = U8();
  if (value > 1) Fail();
  return ok_ && value == 1;
}

std::string Reader::String(size_t max_size) {
  std::span<const std::byte> bytes = Bytes(max_size);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

SecretBuffer Reader::Secret(size_t max_size) {
  return SecretBuffer::CopyOf(Bytes(max_size));
}

std::span<const std::byte> Reader::Bytes(size_t max_size) {
  size_t size = U32();
  if (size > max_size) Fail();
  return Take(ok_ ? size : 0);
}

std::span<const std::byte> Reader::Take(size_t size) {
  if (size > rest_.size()) {
    Fail();
    return {};
  }
  std::span<const std::byte> taken = rest_.first(size);
  rest_ = rest_.subspan(size);
  return taken;
}

}  // namespace leasefs
