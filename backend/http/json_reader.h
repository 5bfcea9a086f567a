// JSON that came from a server, read strictly, value by value, into SecretBuffers: there is no tree and no std::string.
#pragma once

#include <cstddef>
#include <string_view>

#include "fs/base/result.h"
#include "fs/base/secret_buffer.h"

namespace leasefs::http {

struct JsonLimits {
  size_t max_bytes = size_t{16} << 20;  // of the text
  size_t max_depth = 32;                // objects and arrays within each other
  size_t max_values = 200'000;          // names of members count too
  size_t max_members = 16'384;          // of one object: all its names are kept while it is read
  size_t max_name_bytes = 64 << 10;     // of a member's name
};

// Gets the values in the order of the text. Each function may end the reading by an error, which ReadJson gives back as
// it is: so it must not quote values.
class JsonHandler {
 public:
  virtual ~JsonHandler() = default;

  virtual Status Null() = 0;
  virtual Status Bool(bool value) = 0;
  virtual Status Number(SecretBuffer text) = 0;   // exactly as it stood: 1.10, 12345678901234567890, -0
  virtual Status String(SecretBuffer value) = 0;  // its UTF-8 bytes, escapes undone; may contain NUL
  virtual Status StartObject() = 0;
  virtual Status Name(std::string_view name) = 0;  // of the member whose value comes next; gone after the call
  virtual Status EndObject() = 0;
  virtual Status StartArray() = 0;
  virtual Status EndArray() = 0;
};

// Reads one JSON value (RFC 8259) and nothing behind it but spaces. `body` is wiped on the way out.
//
// kTooLarge over a limit. kRemote for what is not JSON or ambiguous: two members of one name in an object, bytes that
// are not UTF-8, half a surrogate pair, a number beyond the range of a double, a byte order mark, no text at all.
// Messages name the offset in bytes and never what stands there. Nothing blocks; the stack's depth does not depend on
// the text.
//
// SECURITY: strings grow in locked memory and are handed over without a copy. The parser (nlohmann's SAX) beside that
// keeps the raw bytes of the token that it reads in a std::vector, and quotes them in exceptions: both go the way of
// operator delete, which wipes in the daemon (fs/base/wiping_new.cc).
Status ReadJson(SecretBuffer body, JsonHandler& handler, const JsonLimits& limits = {});

}  // namespace leasefs::http
