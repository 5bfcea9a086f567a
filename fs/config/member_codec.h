// How structs of the configuration become bytes between the keeper and its children, and back.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "fs/base/codec.h"
#include "fs/base/result.h"

namespace leasefs::member_codec {

// Writing and reading are one description: `Members` visits a struct's members with either of these. What a Write
// refuses to be wrong about, a Read checks.
class Write {
 public:
  void Text(std::string& value, size_t /*max*/) { out_.String(value); }
  void Flag(bool& value) { out_.Bool(value); }
  template <class T>
  void Number(T& value, T /*min*/, T /*max*/) {
    out_.U64(static_cast<uint64_t>(value));
  }
  void Time(std::chrono::milliseconds& value, std::chrono::milliseconds, std::chrono::milliseconds) {
    out_.I64(value.count());
  }
  template <class E>
  void Choice(E& value, E /*last*/) {
    out_.U8(static_cast<uint8_t>(value));
  }
  template <class T, class Each>
  void List(std::vector<T>& values, size_t /*max*/, Each each) {
    out_.U32(static_cast<uint32_t>(values.size()));
    for (T& value : values) each(*this, value);
  }
  void Require(bool /*holds*/) {}
  SecretBuffer Take() && { return std::move(out_).Take(); }

 private:
  Writer out_;
};

class Read {
 public:
  explicit Read(std::span<const std::byte> bytes) : in_(bytes) {}

  void Text(std::string& value, size_t max) { value = in_.String(max); }
  void Flag(bool& value) { value = in_.Bool(); }
  template <class T>
  void Number(T& value, T min, T max) {
    uint64_t number = in_.U64();
    Require(number >= static_cast<uint64_t>(min) && number <= static_cast<uint64_t>(max));
    value = static_cast<T>(number);
  }
  void Time(std::chrono::milliseconds& value, std::chrono::milliseconds min, std::chrono::milliseconds max) {
    value = std::chrono::milliseconds(in_.I64());
    Require(value >= min && value <= max);
  }
  template <class E>
  void Choice(E& value, E last) {
    value = in_.Enum(last);
  }
  template <class T, class Each>
  void List(std::vector<T>& values, size_t max, Each each) {
    uint32_t count = in_.U32();
    Require(count <= max);
    for (uint32_t i = 0; i < count && in_.ok(); ++i) each(*this, values.emplace_back());
  }
  void Require(bool holds) {
    if (!holds) in_.Fail();
  }
  bool AtEnd() const { return in_.AtEnd(); }

 private:
  Reader in_;
};

inline Error NotOurs() {
  return {ErrorKind::kInvalid,
          "the configuration handed over by the keeper is damaged or of another version: restart leasefsd"};
}

}  // namespace leasefs::member_codec
