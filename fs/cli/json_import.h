// The JSON reader of `leasefs import`: {"key": value} for one secret, {"secret": {"key": value}} for many, or both
// mixed.
//
// A string's value is its UTF-8 bytes; any other value is its compact JSON text, with numbers exactly as they are
// written (S1). Objects nest no deeper than that; arrays may, to a bound. Names that come twice, lone surrogates, bytes
// that are not UTF-8 and text behind the document are errors. Values are copied from buffer to buffer; no library sees
// them.
#pragma once

#include <string>
#include <vector>

#include "backend/protocol.h"
#include "fs/base/result.h"

namespace leasefs::cli {

struct JsonSecret {
  std::string path;  // "" for the keys at the top
  std::vector<protocol::Field> fields;
};

inline constexpr size_t kMaxJsonDepth = 64;            // of arrays and objects together
inline constexpr size_t kMaxImportedKeys = 1'000'000;  // of one file or directory

// Errors are kInvalid, "FILE:LINE:COLUMN: …", without a byte of any value.
Result<std::vector<JsonSecret>> ParseJsonSecrets(const std::string& file, const SecretBuffer& text);

}  // namespace leasefs::cli
