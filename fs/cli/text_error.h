// Errors in a text that is imported: where it is, and never what it says, since that may be a value.
#pragma once

#include <string>
#include <string_view>

#include "fs/base/result.h"

namespace leasefs::cli {

// "FILE:LINE:COLUMN", both from 1, columns in characters.
std::string LocationIn(const std::string& file, std::string_view text, size_t offset);
// kInvalid, "FILE:LINE:COLUMN: what".
Error TextError(const std::string& file, std::string_view text, size_t offset, std::string_view what);
// Offset of the first byte that is not part of UTF-8 text; text.size() when all is.
size_t FirstInvalidUtf8(std::string_view text);

}  // namespace leasefs::cli
