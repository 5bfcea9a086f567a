#include "fs/config/paths.h"

#include <algorithm>

#include "fs/base/limits.h"
#include "fs/base/strings.h"
#include "fs/config/bounds.h"

namespace leasefs {
namespace {

std::optional<Fault> ComponentFault(std::string_view component) {
  if (component.empty()) return Fault{"has an empty component", "write one \"/\" between two names"};
  if (component == "." || component == "..") {
    return Fault{StrCat("has the component \"", component, "\""), "write the path without it"};
  }
  if (component.size() > kMaxNameBytes) {
    return Fault{StrCat("has a component of ", component.size(), " bytes"),
                 StrCat("a name has at most ", kMaxNameBytes)};
  }
  return std::nullopt;
}

std::optional<Fault> ComponentsFault(std::string_view path) {
  for (size_t start = 0; start <= path.size();) {
    size_t end = std::min(path.find('/', start), path.size());
    if (auto fault = ComponentFault(path.substr(start, end - start))) return fault;
    start = end + 1;
  }
  return std::nullopt;
}

std::optional<Fault> TextFault(std::string_view path, size_t max) {
  if (path.size() > max) {
    return Fault{StrCat("is ", path.size(), " bytes long"), StrCat("give at most ", max)};
  }
  bool control = std::any_of(path.begin(), path.end(), [](char c) {
    auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
  if (control) return Fault{"has a control character", "remove it"};
  return std::nullopt;
}

// What tree paths and patterns share.
std::optional<Fault> MountPathFault(std::string_view path, std::string_view example) {
  if (path.empty()) return Fault{"is empty", StrCat("give a path below the mount, such as \"", example, "\"")};
  if (auto fault = TextFault(path, bounds::kMountPathBytes)) return fault;
  if (path.front() == '/') return Fault{"starts with \"/\"", "write it relative to the mount, without the first \"/\""};
  if (path.back() == '/') return Fault{"ends with \"/\"", "remove the last \"/\""};
  return ComponentsFault(path);
}

}  // namespace

std::optional<Fault> AbsolutePathFault(std::string_view path) {
  if (path.empty()) return Fault{"is empty", "give an absolute path"};
  if (auto fault = TextFault(path, bounds::kFilePathBytes)) return fault;
  if (path.front() != '/') return Fault{"is not absolute", "start it with \"/\""};
  if (path == "/") return Fault{"is the root directory", "name a directory of its own"};
  if (path.back() == '/') return Fault{"ends with \"/\"", "remove the last \"/\""};
  return ComponentsFault(path.substr(1));
}

std::optional<Fault> TreePathFault(std::string_view path) {
  if (auto fault = MountPathFault(path, "web")) return fault;
  if (path.find('*') != std::string_view::npos) {
    return Fault{"has a \"*\"", "a tree is one directory; patterns belong into [[allow]]"};
  }
  return std::nullopt;
}

std::optional<Fault> BackendPathFault(std::string_view path) {
  if (path.empty()) return std::nullopt;
  if (path.size() > kMaxPathBytes) {
    return Fault{StrCat("is ", path.size(), " bytes long"), StrCat("give at most ", kMaxPathBytes)};
  }
  if (path.front() == '/') return Fault{"starts with \"/\"", "a backend path has no first \"/\""};
  if (path.back() == '/') return Fault{"ends with \"/\"", "remove the last \"/\""};
  return ComponentsFault(path);
}

std::optional<Fault> PatternFault(std::string_view pattern) {
  if (auto fault = MountPathFault(pattern, "web/**")) return fault;
  for (const std::string& component : Split(pattern, '/')) {
    if (component != "**" && component.find("**") != std::string::npos) {
      return Fault{"has \"**\" beside other characters",
                   "\"**\" stands alone between two \"/\"; within a name write \"*\""};
    }
  }
  return std::nullopt;
}

bool IsAtOrBelow(std::string_view path, std::string_view directory) {
  if (directory.empty()) return true;
  return path.starts_with(directory) && (path.size() == directory.size() || path[directory.size()] == '/');
}

}  // namespace leasefs
