#include "fs/cli/places.h"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "backend/protocol.h"
#include "fs/base/strings.h"
#include "fs/config/config_reader.h"

namespace leasefs::cli {
namespace {

constexpr std::string_view kDefaultRunDirectory = "/run/leasefsd";
constexpr std::string_view kDefaultMount = "/run/leasefs";
constexpr std::string_view kPrefix = "store-";
constexpr std::string_view kSuffix = ".sock";

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};

bool IsBackendName(std::string_view name) {
  return !name.empty() && name.size() <= 32 &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-") == std::string_view::npos;
}

std::string Listed(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += StrCat(list.empty() ? "" : ", ", name);
  return list;
}

std::string FirstLine(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

// Nothing where the default one cannot be read or has errors.
Outcome<std::optional<Config>> ReadConfiguration(Context& context) {
  const Settings& settings = context.settings;
  if (access(settings.config_path.c_str(), R_OK) != 0) {
    if (!settings.config_named) return std::optional<Config>();
    return Failure{Exit::kConfiguration, "configuration",
                   ErrnoError(StrCat("reading ", settings.config_path), errno).message(),
                   "name a configuration that you can read, or the sockets themselves with --socket-dir DIR"};
  }
  ConfigFileRules rules;
  rules.check_owner = geteuid() == 0;  // what others wrote must not lead root anywhere
  Result<Config> config = LoadConfig(settings.config_path, SystemAccounts(), rules);
  if (config.ok()) return std::optional<Config>(std::move(*config));
  if (settings.config_named) {
    return Failure{Exit::kConfiguration, "configuration", config.error().message(),
                   "correct the file, or name the sockets with --socket-dir DIR"};
  }
  context.console.Warning(StrCat("the configuration has errors (`leasefs check-config` shows all): ",
                                 FirstLine(config.error().message()), "; taking the default places"));
  return std::optional<Config>();
}

}  // namespace

Outcome<std::string> RunDirectory(Context& context) {
  if (context.settings.socket_dir) return *context.settings.socket_dir;
  LEASEFS_ASSIGN_OR_RETURN(config, ReadConfiguration(context));
  return config ? config->run_directory : std::string(kDefaultRunDirectory);
}

Outcome<std::string> MountPoint(Context& context) {
  LEASEFS_ASSIGN_OR_RETURN(config, ReadConfiguration(context));
  return config ? config->mount : std::string(kDefaultMount);
}

std::string ControlSocketPath(const std::string& run_directory) {
  return run_directory + "/control.sock";
}

std::string StoreSocketPath(const std::string& run_directory, std::string_view backend) {
  return StrCat(run_directory, '/', kPrefix, backend, kSuffix);
}

Outcome<std::vector<std::string>> StoreSockets(const std::string& run_directory) {
  const std::unique_ptr<DIR, CloseDirectory> directory(opendir(run_directory.c_str()));
  if (!directory) {
    const bool missing = errno == ENOENT;
    return Failure{Exit::kDaemon, "daemon_unreachable", ErrnoError(StrCat("reading ", run_directory), errno).message(),
                   missing ? "start the daemon: `systemctl start leasefs`, or `leasefsd`; or say where its sockets "
                             "are: --socket-dir DIR"
                   : geteuid() == 0 ? "is it a directory? --socket-dir DIR says where the sockets are"
                                    : "become root, or a member of the group leasefs"};
  }
  std::vector<std::string> names;
  while (const dirent* entry = readdir(directory.get())) {
    std::string_view name = entry->d_name;
    if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) continue;
    if (name.size() <= kPrefix.size() + kSuffix.size()) continue;
    name.remove_prefix(kPrefix.size());
    name.remove_suffix(kSuffix.size());
    names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

Outcome<PlaceText> ParsePlaceText(std::string_view text) {
  PlaceText place;
  const size_t colon = text.find(':');
  if (colon != std::string_view::npos && IsBackendName(text.substr(0, colon))) {
    place.backend = text.substr(0, colon);
    text.remove_prefix(colon + 1);
  }
  if (text.starts_with('/')) {
    return UsageFailure(StrCat("'", Printable(text), "' begins with a slash, a place in a store does not"),
                        StrCat("say [BACKEND:]PATH as in a tree's source, for example local:web/tls; ",
                               "`leasefs stat` takes paths on the mount"));
  }
  if (text.ends_with('/')) text.remove_suffix(1);
  if (!text.empty() && !protocol::IsValidPath(text)) {
    return UsageFailure(StrCat("'", Printable(text), "' is not a path of a secret"),
                        "names joined by '/', none of them empty, '.' or '..'");
  }
  place.path = text;
  return place;
}

Outcome<std::string> NamedBackend(const Arguments& arguments, size_t index) {
  const std::string positional = arguments.Positional(index);
  const auto option = arguments.Value("--backend");
  if (!option) return positional;
  if (!positional.empty() && positional != *option) return UsageFailure("two stores are named", "name one");
  return *option;
}

Outcome<Place> FindStore(Context& context, const std::string& backend) {
  LEASEFS_ASSIGN_OR_RETURN(run_directory, RunDirectory(context));
  if (!backend.empty() && !IsBackendName(backend)) {
    return UsageFailure(StrCat("'", Printable(backend), "' cannot be the name of a backend"),
                        "a to z, 0 to 9, '_' and '-'");
  }
  LEASEFS_ASSIGN_OR_RETURN(names, StoreSockets(run_directory));
  if (names.empty()) {
    return Failure{
        Exit::kDaemon, "daemon_unreachable", StrCat("there is no store's socket in ", run_directory),
        "start the daemon (`systemctl start leasefs`, or `leasefsd`) with a [backend.NAME] of type \"store\""};
  }
  if (backend.empty() && names.size() > 1) {
    return UsageFailure("there is more than one store",
                        StrCat("say which, as BACKEND:PATH or with --backend; there are: ", Listed(names)));
  }
  const std::string name = backend.empty() ? names.front() : backend;
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    return Failure{Exit::kLocal, "not_found", StrCat("there is no store '", name, "' in ", run_directory),
                   StrCat("there is: ", Listed(names), " (a path that has a ':' in it needs BACKEND: before it)")};
  }
  return Place{name, StoreSocketPath(run_directory, name), ""};
}

Outcome<Place> FindPlace(Context& context, std::string_view text, Root root) {
  LEASEFS_ASSIGN_OR_RETURN(parsed, ParsePlaceText(text));
  if (parsed.path.empty() && root == Root::kRefused) {
    return UsageFailure("a secret needs a name",
                        "for example web/tls, or local:web/tls where there is more than one store");
  }
  LEASEFS_ASSIGN_OR_RETURN(place, FindStore(context, parsed.backend));
  place.path = parsed.path;
  return std::move(place);
}

}  // namespace leasefs::cli
