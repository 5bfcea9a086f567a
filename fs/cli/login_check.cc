// `leasefs login-check`: does the daemon get in, and to what? The daemon's own program does it, as the daemon would.
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "fs/base/strings.h"
#include "fs/cli/verbs.h"

namespace leasefs::cli {
namespace {

constexpr char kInstalled[] = "/usr/sbin/leasefsd";

// Beside this program in a build tree, else where it is installed.
std::string DaemonPath() {
  std::string self(4096, '\0');
  const ssize_t length = readlink("/proc/self/exe", self.data(), self.size());
  if (length > 0 && static_cast<size_t>(length) < self.size()) {
    self.resize(static_cast<size_t>(length));
    const std::string directory = self.substr(0, self.rfind('/'));
    for (const std::string& candidate : {directory + "/leasefsd", directory + "/../sbin/leasefsd"}) {
      if (access(candidate.c_str(), X_OK) == 0) return candidate;
    }
  }
  return kInstalled;
}

Finished RunLoginCheck(Context& context, const Arguments& arguments) {
  if (geteuid() != 0) {
    return Failure{Exit::kLocal, "denied", "only root can read what the daemon logs in with", "run it as root"};
  }
  const std::string daemon = DaemonPath();
  std::vector<std::string> words = {daemon, "--check-login", "--config", context.settings.config_path};
  if (!arguments.positionals.empty()) {
    words.emplace_back("--name");
    words.push_back(arguments.Positional(0));
  }
  if (context.settings.json) words.emplace_back("--json");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  execv(daemon.c_str(), argv.data());
  return Failure{Exit::kLocal, "internal", StrCat("running ", daemon, ": ", std::strerror(errno)),
                 "install leasefsd, or run the `leasefs` that lies beside it"};
}

constexpr PositionalSpec kPositionals[] = {{.name = "BACKEND", .required = false, .offer = Offer::kBackend}};

}  // namespace

const VerbSpec kLoginCheck = {
    .group = "",
    .name = "login-check",
    .summary = "log in to a Vault or OpenBao as the daemon would, and say what works",
    .details =
        "For each identity of each backend of type \"vault\" (or of BACKEND): connects, logs in, and looks at the "
        "place of each tree, without minting anything: whether the policy would allow that is asked of the server. "
        "Then the token is revoked, unless it came from a token file. An identity with a wrapped secret-id is not "
        "tried, which would use it up. A warning is what could not be found out, or what the policy does not allow "
        "and leasefs can do without. The daemon need not run. Exit status 0 when all is well or a warning, 1 when "
        "something is not.",
    .positionals = kPositionals,
    .options = {},
    .run = RunLoginCheck,
};

}  // namespace leasefs::cli
