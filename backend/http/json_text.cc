#include "backend/http/json_text.h"

#include <utility>

namespace leasefs::http {

void AppendJsonString(SecretBuffer& out, std::string_view text) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  out.Append("\"");
  size_t plain_from = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\') continue;
    out.Append(text.substr(plain_from, i - plain_from));
    plain_from = i + 1;
    static constexpr std::string_view kShort = "\"\\\b\f\n\r\t";
    static constexpr std::string_view kLetters = "\"\\bfnrt";
    if (const size_t index = kShort.find(c); index != std::string_view::npos) {
      out.Append("\\");
      out.Append(kLetters.substr(index, 1));
    } else {
      out.Append("\\u00");
      out.Append(kDigits.substr(static_cast<unsigned char>(c) >> 4, 1));
      out.Append(kDigits.substr(static_cast<unsigned char>(c) & 15, 1));
    }
  }
  out.Append(text.substr(plain_from));
  out.Append("\"");
}

void JsonText::Separate() {
  if (!std::exchange(first_, false)) text_.Append(",");
}

Status JsonText::Null() {
  Separate();
  text_.Append("null");
  return Ok();
}

Status JsonText::Bool(bool value) {
  Separate();
  text_.Append(value ? "true" : "false");
  return Ok();
}

Status JsonText::Number(SecretBuffer text) {
  Separate();
  text_.Append(text.Expose());
  return Ok();
}

Status JsonText::String(SecretBuffer value) {
  Separate();
  AppendJsonString(text_, value.ExposeText());
  return Ok();
}

Status JsonText::StartObject() {
  Separate();
  text_.Append("{");
  ++depth_;
  first_ = true;
  return Ok();
}

Status JsonText::Name(std::string_view name) {
  Separate();
  AppendJsonString(text_, name);
  text_.Append(":");
  first_ = true;
  return Ok();
}

Status JsonText::EndObject() {
  text_.Append("}");
  --depth_;
  first_ = false;
  return Ok();
}

Status JsonText::StartArray() {
  Separate();
  text_.Append("[");
  ++depth_;
  first_ = true;
  return Ok();
}

Status JsonText::EndArray() {
  text_.Append("]");
  --depth_;
  first_ = false;
  return Ok();
}

SecretBuffer JsonText::Take() {
  depth_ = 0;
  first_ = true;
  return std::exchange(text_, SecretBuffer());
}

}  // namespace leasefs::http
