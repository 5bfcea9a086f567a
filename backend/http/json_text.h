// JSON text in SecretBuffers: for bodies of requests, and for values that are shown as their JSON text (S1).
#pragma once

#include <string>
#include <string_view>

#include "backend/http/json_reader.h"

namespace leasefs::http {

// Appends "…" with the escapes that JSON requires and no others. `text` is valid UTF-8.
void AppendJsonString(SecretBuffer& out, std::string_view text);

// Writes what it is told as compact JSON text: no spaces, numbers as they came, members in their order. Hand it to
// ReadJson, or the events of one value within.
class JsonText : public JsonHandler {
 public:
  Status Null() override;
  Status Bool(bool value) override;
  Status Number(SecretBuffer text) override;
  Status String(SecretBuffer value) override;
  Status StartObject() override;
  Status Name(std::string_view name) override;
  Status EndObject() override;
  Status StartArray() override;
  Status EndArray() override;

  // A whole value has been written.
  bool complete() const { return depth_ == 0 && !text_.empty(); }
  SecretBuffer Take();  // and begins anew

 private:
  void Separate();

  SecretBuffer text_;
  size_t depth_ = 0;
  bool first_ = true;  // nothing precedes in this object or array, or a name does
};

}  // namespace leasefs::http
