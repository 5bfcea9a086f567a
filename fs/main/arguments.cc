#include "fs/main/arguments.h"

#include <charconv>
#include <cstdlib>
#include <limits>
#include <map>
#include <optional>

#include "fs/base/strings.h"

namespace leasefs {
namespace {

Error Usage(const std::string& message) {
  return Error(ErrorKind::kInvalid, message + " (see leasefsd --help)");
}

template <class T>
Status ParseNumber(const std::string& option, const std::string& text, T& out) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error == std::errc() && end == text.data() + text.size()) return Ok();
  return Usage(StrCat(option, ": not a number: ", Printable(text)));
}

Status SetRole(const std::string& text, Arguments& arguments) {
  static const std::map<std::string, Role> roles = {
      {"fs", Role::kFs}, {"store", Role::kStore}, {"vault", Role::kVault}};
  auto found = roles.find(text);
  if (found == roles.end()) return Usage(StrCat("--role: unknown: ", Printable(text)));
  arguments.role = found->second;
  return Ok();
}

// True: `option` takes no value.
bool SetFlag(const std::string& option, Arguments& arguments) {
  static const std::map<std::string, Role> roles = {{"--check-config", Role::kCheckConfig},
                                                    {"--check-login", Role::kCheckLogin},
                                                    {"--detach", Role::kDetach},
                                                    {"--help", Role::kHelp},
                                                    {"-h", Role::kHelp},
                                                    {"--version", Role::kVersion}};
  if (option == "--require-lock") return arguments.require_lock = true;
  if (option == "--json") return arguments.json = true;
  auto found = roles.find(option);
  if (found == roles.end()) return false;
  arguments.role = found->second;
  return true;
}

Status SetValue(const std::string& option, const std::string& value, Arguments& arguments) {
  if (option == "--config") return arguments.config = value, Ok();
  if (option == "--name") return arguments.name = value, Ok();
  if (option == "--key-problem") return arguments.key_problem = value, Ok();
  if (option == "--role") return SetRole(value, arguments);
  if (option == "--uid") return ParseNumber(option, value, arguments.uid);
  if (option == "--gid") return ParseNumber(option, value, arguments.gid);
  if (option == "--peer-group") return ParseNumber(option, value, arguments.peer_group);
  if (option == "--generation") return ParseNumber(option, value, arguments.generation);
  return Usage(StrCat("unknown option ", Printable(option)));
}

}  // namespace

Result<Arguments> ParseArguments(const std::vector<std::string>& words) {
  Arguments arguments;
  const char* from_environment = std::getenv("LEASEFS_CONFIG");
  arguments.config = from_environment != nullptr && *from_environment != '\0' ? from_environment : kDefaultConfig;
  for (size_t i = 0; i < words.size(); ++i) {
    std::string option = words[i];
    std::optional<std::string> value;
    if (size_t equals = option.find('='); option.starts_with("--") && equals != std::string::npos) {
      value = option.substr(equals + 1);
      option.resize(equals);
    }
    if (!value && SetFlag(option, arguments)) continue;
    if (!option.starts_with("--")) return Usage(StrCat("unexpected argument ", Printable(option)));
    if (!value && i + 1 == words.size()) return Usage(StrCat(Printable(option), ": unknown, or its value is missing"));
    LEASEFS_RETURN_IF_ERROR(SetValue(option, value ? *value : words[++i], arguments));
  }
  return arguments;
}

std::string HelpText() {
  return StrCat(
      "Usage: leasefsd [--config FILE] [--check-config]\n"
      "\n"
      "Shows secrets as files. Runs in the foreground, as root; `leasefs` is the command to work with it.\n"
      "\n"
      "  --config FILE    the configuration (default: $LEASEFS_CONFIG, else ",
      kDefaultConfig,
      ")\n"
      "  --check-config   only read the configuration: exit status 0, or 78 with all that is wrong\n"
      "  --check-login    log in to each vault as the daemon would, and say what works (`leasefs login-check`)\n"
      "  --detach         unmount what a leasefsd that was killed has left behind\n"
      "  --version        print the version\n"
      "\n"
      "SIGTERM, SIGINT: stop.  SIGHUP: load the configuration again.  SIGUSR1: open the audit file again.\n"
      "LEASEFS_LOG=debug|info|warning|error: how much is logged.\n"
      "\n"
      "Exit status: 0 stopped, 1 cannot start, 78 the configuration is wrong.\n");
}

}  // namespace leasefs
