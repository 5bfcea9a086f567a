// Names to the path of a URL, strictly: every byte but A-Z a-z 0-9 - . _ ~ becomes %XX, once, and what a server would
// read as another path is refused instead of sent. Pure functions; errors are kInvalid.
#pragma once

#include <string>
#include <string_view>

#include "fs/base/result.h"

namespace leasefs::http {

// One segment. Refused: "", "." and ".." (servers resolve them), '/' (servers decode %2F to a separator) and NUL.
Result<std::string> EscapeSegment(std::string_view name);
// Segments between '/'. Refused: an empty path or segment, so also '/' at either end.
Result<std::string> EscapePath(std::string_view path);
// The name or value in a query. Any bytes.
std::string EscapeQuery(std::string_view text);

// Is this "/…" or "/…?query" that EscapePath, EscapeQuery and their like may have written? Refused: other bytes, broken
// %XX, empty segments (but for one '/' at the end), "." and ".." however they are written, fragments.
Status CheckEscapedPath(std::string_view path);

}  // namespace leasefs::http
