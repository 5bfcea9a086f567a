// JsonWriter: one compact JSON document, built in a SecretBuffer since it may carry values.
//
// The caller opens and closes in pairs; commas and quotes are the writer's business. Names and text that are not UTF-8
// are shown with \xNN (Printable); a value that is not is given in base64, with "encoding":"base64" beside it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "fs/base/secret_buffer.h"

namespace leasefs::cli {

class JsonWriter {
 public:
  // `name` is "" for the document itself and for members of an array.
  JsonWriter& BeginObject(std::string_view name = {}) { return Open(name, '{'); }
  JsonWriter& EndObject() { return Close('}'); }
  JsonWriter& BeginArray(std::string_view name = {}) { return Open(name, '['); }
  JsonWriter& EndArray() { return Close(']'); }
  JsonWriter& Text(std::string_view name, std::string_view value);
  JsonWriter& Number(std::string_view name, uint64_t value);
  JsonWriter& Bool(std::string_view name, bool value);
  // An already written document, put in as it is.
  JsonWriter& Document(std::string_view name, std::string_view json);
  // SECURITY: a value goes from buffer to buffer.
  JsonWriter& Value(std::string_view name, const SecretBuffer& value);

  // The document and a newline.
  SecretBuffer Take() &&;

 private:
  JsonWriter& Open(std::string_view name, char bracket);
  JsonWriter& Close(char bracket);
  void Name(std::string_view name);
  void Quoted(std::string_view text);

  SecretBuffer out_;
  bool comma_ = false;
};

// RFC 4648, section 4.
void AppendBase64(SecretBuffer& out, std::span<const std::byte> bytes);

}  // namespace leasefs::cli
