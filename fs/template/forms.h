// Forms: all keys of a secret in one file (S7). What a form cannot express exactly is an error, never an approximation.
//
// .json  One object, its members in the order of their names, and a newline. A value is a string, or, where the backend
//        had it as JSON, that text: numbers stay as the server wrote them. Cannot hold a name or value that is not
//        UTF-8.
// .env   One NAME=VALUE line for each key, which sh, systemd's EnvironmentFile= and docker's --env-file read alike.
//        docker takes quotes and backslashes as they are and the other two do not, so there is no way to quote that all
//        three understand: names are identifiers, and values have only bytes that none of them gives a meaning:
//        A-Z a-z 0-9 _ @ % + = : , . / - ^ ! * ? [ ] { } and UTF-8 outside of ASCII. For other values there are
//        `leasefs run --env-from`, which needs no quoting, and a [[file]] with the filter of one reader.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fs/base/result.h"
#include "fs/base/secret_buffer.h"

namespace leasefs {

enum class Form : uint8_t { kJson, kEnv };
inline constexpr std::array<Form, 2> kForms{Form::kJson, Form::kEnv};
std::string_view FormWord(Form form);      // "json", in the configuration
std::string_view FormFileName(Form form);  // ".json", on the mount

struct FormField {
  std::string key;  // raw
  SecretBuffer bytes;
  bool json = false;  // they are JSON text (protocol::Field)
};
// kRemote: a key cannot be expressed; the message names it. kTooLarge: more than `max_bytes`.
Result<SecretBuffer> RenderForm(Form form, std::vector<FormField> fields, uint64_t max_bytes);

// [A-Za-z_][A-Za-z0-9_]*: the name of a variable.
bool IsVariableName(std::string_view name);

}  // namespace leasefs
