// S4: a backend name becomes one path component by a reversible escape.
//
// "%XX" stands for '/', NUL, '%' itself, and the first byte of "." and "..". Everything else stays as it is, whatever
// its encoding.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace leasefs {

std::string EscapeName(std::string_view raw);
// The same with one more byte escaped, the last that is not anyway: for a key whose plain name is taken by a folder or
// a form. Empty when there is no such byte.
std::string EscapeNameForCollision(std::string_view raw);
// Nothing for a '%' that two hexadecimal digits do not follow.
std::optional<std::string> UnescapeName(std::string_view name);

}  // namespace leasefs
