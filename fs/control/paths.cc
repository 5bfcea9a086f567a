#include "fs/control/paths.h"

#include "fs/base/limits.h"
#include "fs/base/strings.h"

namespace leasefs::control {

Result<std::string> BelowMount(std::string_view mount, std::string_view path) {
  auto wrong = [&](std::string_view why) {
    return Error(ErrorKind::kInvalid, StrCat("'", Printable(path), "' ", why, ": give a path below ", Printable(mount),
                                             ", or one relative to it, such as web/tls"));
  };
  if (path.size() > kMaxPathBytes) return wrong("is too long");
  if (path.find('\0') != std::string_view::npos) return wrong("has a NUL in it");
  std::string_view rest = path;
  if (rest.starts_with('/')) {
    while (mount.ends_with('/')) mount.remove_suffix(1);
    bool inside = rest.starts_with(mount) && (rest.size() == mount.size() || rest[mount.size()] == '/');
    if (!inside) return wrong("is not on the mount");
    rest.remove_prefix(mount.size());
  }
  std::string below;
  for (const std::string& component : Split(rest, '/')) {
    if (component.empty()) continue;
    if (component == "." || component == "..") return wrong("has '.' or '..' in it");
    if (!below.empty()) below += '/';
    below += component;
  }
  return below;
}

}  // namespace leasefs::control
