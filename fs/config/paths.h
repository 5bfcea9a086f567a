// What is wrong with a path or pattern, in words for the operator.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace leasefs {

// Completes a message: NAME + " " + what + ": " + remedy.
struct Fault {
  std::string what;    // "is not absolute"
  std::string remedy;  // "start it with \"/\""
};

// A file or directory of the host: absolute, no "//", ".", "..", trailing '/' or control character, not "/" itself.
std::optional<Fault> AbsolutePathFault(std::string_view path);
// A tree's place on the mount: relative, the same rules for components, and no '*'.
std::optional<Fault> TreePathFault(std::string_view path);
// A path in a backend: "" or components; control characters may be part of a name there.
std::optional<Fault> BackendPathFault(std::string_view path);
// A rule's pattern: as a tree's path, with '*' for any part of a component and "**" for any number of components.
std::optional<Fault> PatternFault(std::string_view pattern);

// `path` is `directory` or lies below it. Both without trailing '/'; "" is the directory that holds everything.
bool IsAtOrBelow(std::string_view path, std::string_view directory);

}  // namespace leasefs
