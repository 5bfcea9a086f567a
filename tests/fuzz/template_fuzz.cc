// Any text as a template, with values that are taken from it: a fault lies inside of the text; what is rendered has the
// text outside of tags in its order, is never longer than allowed, and holds no value that a place cannot hold. And any
// bytes as values of forms: what .env takes comes back from the strictest of its readers.
#include <cstdint>
#include <string>
#include <string_view>

#include "fs/template/forms.h"
#include "fs/template/render.h"
#include "tests/fuzz/require.h"

namespace leasefs {
namespace {

void CheckTemplate(std::string_view text, std::string_view value, uint64_t max_bytes) {
  Template parsed;
  if (auto fault = Template::Parse(text, parsed)) {
    Require(fault->where.line >= 1 && fault->where.column >= 1 && fault->where.line <= text.size() + 1);
    Require(!fault->what.empty() && !fault->remedy.empty());
    return;
  }
  auto lookup = [&](const std::string& secret, const std::string& key) -> Result<TemplateValue> {
    Require(IsTemplateName(secret) && !key.empty());
    return TemplateValue{SecretBuffer::CopyOf(value), false};
  };
  auto rendered = RenderTemplate(parsed, lookup, max_bytes);
  if (!rendered.ok()) {
    Require(rendered.error().kind() == ErrorKind::kRemote || rendered.error().kind() == ErrorKind::kTooLarge);
    return;
  }
  std::string_view rest = rendered->ExposeText();
  Require(rest.size() <= max_bytes);
  for (const Template::Piece& piece : parsed.pieces()) {
    if (!piece.secret.empty()) continue;
    size_t at = rest.find(piece.text);
    Require(at != std::string_view::npos);
    rest.remove_prefix(at + piece.text.size());
  }
}

void CheckForms(std::string_view key, std::string_view value) {
  auto fields = [&] {
    std::vector<FormField> one;
    one.push_back({std::string(key), SecretBuffer::CopyOf(value), false});
    return one;
  };
  auto env = RenderForm(Form::kEnv, fields(), 1 << 20);
  if (env.ok()) {
    std::string expected = std::string(key) + "=" + std::string(value) + "\n";
    Require(IsVariableName(key) && env->ExposeText() == expected);
    Require(value.find_first_of(" \t\r\n'\"\\$`&|;<>()~#") == std::string_view::npos);
    Require(value.find('\0') == std::string_view::npos);
  }
  auto json = RenderForm(Form::kJson, fields(), 1 << 20);
  if (!json.ok()) return;
  std::string_view text = json->ExposeText();
  Require(text.starts_with("{\"") && text.ends_with("\"}\n"));
  for (char byte : text.substr(0, text.size() - 1)) Require(static_cast<unsigned char>(byte) >= 0x20);
}

}  // namespace
}  // namespace leasefs

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t split = input.find('\x1e');  // the template, then the value
  std::string_view text = input.substr(0, split);
  std::string_view value = split == std::string_view::npos ? "v" : input.substr(split + 1);
  leasefs::CheckTemplate(text, value, 1 << 16);
  if (!text.empty()) leasefs::CheckForms(text.substr(0, 64), value);
  return 0;
}
