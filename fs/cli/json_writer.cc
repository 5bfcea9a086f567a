#include "fs/cli/json_writer.h"

#include <array>
#include <string>

#include "fs/base/strings.h"

namespace leasefs::cli {
namespace {

constexpr size_t kMaxShownName = 16384;

}  // namespace

JsonWriter& JsonWriter::Open(std::string_view name, char bracket) {
  Name(name);
  out_.Append(std::string_view(&bracket, 1));
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::Close(char bracket) {
  out_.Append(std::string_view(&bracket, 1));
  comma_ = true;
  return *this;
}

void JsonWriter::Name(std::string_view name) {
  if (comma_) out_.Append(std::string_view(","));
  comma_ = true;
  if (name.empty()) return;
  Quoted(name);
  out_.Append(std::string_view(":"));
}

void JsonWriter::Quoted(std::string_view text) {
  static constexpr std::string_view kHex = "0123456789abcdef";
  out_.Append(std::string_view("\""));
  size_t plain = 0;  // start of what needs no escape
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f) continue;
    out_.Append(text.substr(plain, i - plain));
    plain = i + 1;
    if (c == '"' || c == '\\') {
      const std::array<char, 2> escape = {'\\', text[i]};
      out_.Append(std::string_view(escape.data(), escape.size()));
      continue;
    }
    const std::array<char, 6> escape = {'\\', 'u', '0', '0', kHex[c >> 4], kHex[c & 15]};
    out_.Append(std::string_view(escape.data(), escape.size()));
  }
  out_.Append(text.substr(plain));
  out_.Append(std::string_view("\""));
}

JsonWriter& JsonWriter::Text(std::string_view name, std::string_view value) {
  Name(name);
  if (IsValidUtf8(value)) {
    Quoted(value);
  } else {
    Quoted(Printable(value, kMaxShownName));
  }
  return *this;
}

JsonWriter& JsonWriter::Number(std::string_view name, uint64_t value) {
  Name(name);
  out_.Append(std::to_string(value));
  return *this;
}

JsonWriter& JsonWriter::Bool(std::string_view name, bool value) {
  Name(name);
  out_.Append(std::string_view(value ? "true" : "false"));
  return *this;
}

JsonWriter& JsonWriter::Document(std::string_view name, std::string_view json) {
  Name(name);
  out_.Append(json);
  return *this;
}

JsonWriter& JsonWriter::Value(std::string_view name, const SecretBuffer& value) {
  out_.Reserve(out_.size() + value.size() * 2);
  if (IsValidUtf8(value.ExposeText())) {
    Name(name);
    Quoted(value.ExposeText());
    return *this;
  }
  Name(name);
  out_.Append(std::string_view("\""));
  AppendBase64(out_, value.Expose());
  out_.Append(std::string_view("\""));
  return Text("encoding", "base64");
}

SecretBuffer JsonWriter::Take() && {
  out_.Append(std::string_view("\n"));
  return std::move(out_);
}

void AppendBase64(SecretBuffer& out, std::span<const std::byte> bytes) {
  static constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const size_t start = out.size();
  out.Resize(start + (bytes.size() + 2) / 3 * 4);
  std::span<std::byte> to = out.ExposeMutable().subspan(start);
  for (size_t i = 0, o = 0; i < bytes.size(); i += 3, o += 4) {
    const size_t have = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) group = (group << 8) | (k < have ? std::to_integer<uint32_t>(bytes[i + k]) : 0);
    for (size_t k = 0; k < 4; ++k) {
      const char c = k <= have ? kAlphabet[(group >> (18 - 6 * k)) & 63] : '=';
      to[o + k] = static_cast<std::byte>(c);
    }
  }
}

}  // namespace leasefs::cli
