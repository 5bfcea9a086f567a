// Members: one JSON object of an answer, as a list of its members. The values lie in SecretBuffers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backend/protocol_types.h"
#include "fs/base/secret_buffer.h"

namespace leasefs::vault {

struct Member {
  enum class Kind : uint8_t { kNull, kBool, kNumber, kString, kJson };  // kJson: an object or array
  std::string name;
  Kind kind = Kind::kNull;
  bool too_large = false;  // over kHardMaxValueBytes: its bytes were dropped
  SecretBuffer value;      // a string's UTF-8 bytes; everything else as its compact JSON text
};

class Members {
 public:
  bool present() const { return present_; }  // the object was there, however empty
  void SetPresent() { present_ = true; }
  void Add(Member member) { members_.push_back(std::move(member)); }
  void Add(std::string name, std::string_view text);  // a string
  bool empty() const { return members_.empty(); }
  const std::vector<Member>& all() const { return members_; }

  const Member* Find(std::string_view name) const;     // none of kind kNull
  std::string_view Text(std::string_view name) const;  // of a string; "" for anything else
  bool Bool(std::string_view name) const;
  // A number, or a string of digits: versions of the server differ. A fraction is cut off. Nothing if it is neither.
  std::optional<int64_t> Integer(std::string_view name) const;
  // Whole seconds, also as "30s"; not negative, cut at a hundred years.
  std::optional<int64_t> Seconds(std::string_view name) const;
  // The strings of an array. Nothing if it is no array; what is no string in it is left out.
  std::optional<std::vector<SecretBuffer>> Strings(std::string_view name) const;
  // The names of the members of an object; empty if it is none.
  std::vector<std::string> NamesOf(std::string_view name) const;
  void Remove(std::string_view name);

  // The members as a secret's keys (S1): strings raw, everything else as its compact JSON text, null as "null". Names
  // that no key can have are left out (S4).
  std::vector<protocol::Field> TakeFields() &&;

 private:
  bool present_ = false;
  std::vector<Member> members_;
};

}  // namespace leasefs::vault
