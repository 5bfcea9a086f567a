#include "fs/template/forms.h"

#include <algorithm>

#include "fs/base/strings.h"
#include "fs/template/filters.h"

namespace leasefs {
namespace {

constexpr size_t kMaxEnvLine = 65535;  // docker reads no longer one (bufio.MaxScanTokenSize)

bool IsLetter(char byte) {
  return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') || byte == '_';
}

bool IsDigit(char byte) {
  return byte >= '0' && byte <= '9';
}

// Left out, with the reader that gives them a meaning: quotes, \, blanks (sh, systemd), $ ` & | ; < > ( ) (sh), ~ (sh,
// at the beginning and after ':'), # (dotenv libraries), control bytes (all).
bool IsPlainInEnv(char byte) {
  return IsLetter(byte) || IsDigit(byte) ||
         std::string_view("@%+=:,./-^!*?[]{}").find(byte) != std::string_view::npos ||
         static_cast<unsigned char>(byte) >= 0x80;
}

Error CannotSay(Form form, const FormField& field, std::string_view what) {
  return {ErrorKind::kRemote,
          StrCat(FormFileName(form), " cannot express the key ", Printable(field.key, 64), ": ", what)};
}

Status AppendJsonMember(SecretBuffer& out, const FormField& field) {
  if (!AppendJsonString(out, field.key)) return CannotSay(Form::kJson, field, "its name is not UTF-8");
  out.Append(":");
  if (field.json) {
    out.Append(field.bytes.Expose());
  } else if (!AppendJsonString(out, field.bytes.ExposeText())) {
    return CannotSay(Form::kJson, field, "its value is not UTF-8");
  }
  return Ok();
}

Status AppendEnvLine(SecretBuffer& out, const FormField& field) {
  if (!IsVariableName(field.key)) return CannotSay(Form::kEnv, field, "its name is no identifier");
  std::string_view value = field.bytes.ExposeText();
  if (!IsValidUtf8(value)) return CannotSay(Form::kEnv, field, "its value is not UTF-8");
  if (!std::all_of(value.begin(), value.end(), IsPlainInEnv)) {
    return CannotSay(Form::kEnv, field,
                     "its value has a byte that sh, systemd and docker do not read alike; use leasefs run --env-from, "
                     "or a [[file]] with a filter");
  }
  if (field.key.size() + 1 + value.size() > kMaxEnvLine) return CannotSay(Form::kEnv, field, "its line is too long");
  out.Append(field.key);
  out.Append("=");
  out.Append(field.bytes.Expose());
  out.Append("\n");
  return Ok();
}

}  // namespace

std::string_view FormWord(Form form) {
  return FormFileName(form).substr(1);
}

std::string_view FormFileName(Form form) {
  switch (form) {
    case Form::kJson:
      return ".json";
    case Form::kEnv:
      return ".env";
  }
  std::abort();
}

Result<SecretBuffer> RenderForm(Form form, std::vector<FormField> fields, uint64_t max_bytes) {
  std::sort(fields.begin(), fields.end(), [](const FormField& a, const FormField& b) { return a.key < b.key; });
  SecretBuffer out;
  if (form == Form::kJson) out.Append("{");
  for (const FormField& field : fields) {
    if (form == Form::kEnv) {
      LEASEFS_RETURN_IF_ERROR(AppendEnvLine(out, field));
    } else {
      if (out.size() > 1) out.Append(",");
      LEASEFS_RETURN_IF_ERROR(AppendJsonMember(out, field));
    }
    if (out.size() > max_bytes) return Error(ErrorKind::kTooLarge, "the form would be larger than limits.value");
  }
  if (form == Form::kJson) out.Append("}\n");
  if (out.size() > max_bytes) return Error(ErrorKind::kTooLarge, "the form would be larger than limits.value");
  return out;
}

bool IsVariableName(std::string_view name) {
  return !name.empty() && !IsDigit(name[0]) &&
         std::all_of(name.begin(), name.end(), [](char byte) { return IsLetter(byte) || IsDigit(byte); });
}

}  // namespace leasefs
