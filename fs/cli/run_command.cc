// `leasefs run`: a program with secrets in its environment, for those that read them nowhere else.
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <map>

#include "fs/base/strings.h"
#include "fs/cli/environment_source.h"
#include "fs/cli/places.h"
#include "fs/cli/verbs.h"

namespace leasefs::cli {
namespace {

// What is inherited, but for what the secrets have; of two secrets with one key the later one has it.
std::vector<char*> EnvironmentOf(std::map<std::string, EnvironmentEntry>& secrets) {
  std::vector<char*> environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    if (!secrets.contains(std::string(text.substr(0, text.find('='))))) environment.push_back(*entry);
  }
  for (auto& [name, entry] : secrets) {
    environment.push_back(reinterpret_cast<char*>(entry.text.ExposeMutable().data()));
  }
  environment.push_back(nullptr);
  return environment;
}

Finished RunCommand(Context& context, const Arguments& arguments) {
  const std::vector<std::string> sources = arguments.Values("--env-from");
  if (sources.empty()) return UsageFailure("`leasefs run` needs --env-from PATH", "see `leasefs help run`");
  // SECURITY: as for every verb that touches values, but without the limit on core files, which CMD would inherit.
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  std::map<std::string, EnvironmentEntry> secrets;
  for (const std::string& source : sources) {
    std::string path = source;
    if (!path.starts_with('/')) {
      LEASEFS_ASSIGN_OR_RETURN(mount, MountPoint(context));
      path = StrCat(mount, "/", path);
    }
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    LEASEFS_ASSIGN_OR_RETURN(entries, ReadEnvironmentFrom(path));
    for (EnvironmentEntry& entry : entries) {
      std::string name = entry.name;
      secrets.insert_or_assign(std::move(name), std::move(entry));
    }
  }
  std::vector<std::string> words = arguments.positionals;
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::vector<char*> environment = EnvironmentOf(secrets);
  execvpe(argv[0], argv.data(), environment.data());
  const int error = errno;
  const bool missing = error == ENOENT;
  Failure failure = LocalFailure(ErrnoError("running " + Printable(words[0], 200), error), "is it the right program?");
  failure.exit = missing ? Exit::kNoCommand : Exit::kCannotRun;
  if (error == E2BIG) failure.hint = "a variable can have 128 KiB, and all together less than 2 MiB: read it as a file";
  return failure;
}

constexpr PositionalSpec kPositionals[] = {{.name = "CMD", .offer = Offer::kFile},
                                           {.name = "ARG", .required = false, .repeats = true, .offer = Offer::kFile}};
constexpr OptionSpec kOptions[] = {{.name = "--env-from",
                                    .argument = "PATH",
                                    .help = "a secret's directory on the mount, or its form .env; may be repeated",
                                    .offer = Offer::kDirectory,
                                    .repeats = true}};

}  // namespace

const VerbSpec kRun = {
    .group = "",
    .name = "run",
    .summary = "run a program with the keys of secrets in its environment",
    .details =
        "Every key of the secret becomes a variable of its name with its bytes as they are, all of one version; then "
        "CMD takes the place of leasefs: `leasefs run --env-from payments/db -- psql`. PATH is absolute, or relative "
        "to the mount. What the environment has already is replaced; of two secrets with one key the later counts. A "
        "key whose name is no identifier, or whose value has a NUL, is an error. Forms and [[file]]s that lie beside "
        "the keys are left out. A tree with lease_scope \"open\" is refused: each key would be of another lease.\n"
        "You need the right to open the files, and each open is recorded as yours.\n"
        "An environment is not a good place for a secret: it is a copy that does not change when the secret does, "
        "every process below CMD inherits it, and whoever may look at /proc/PID/environ reads it. It is for programs "
        "that read secrets nowhere else. leasefs keeps the values in locked memory until the kernel copies them for "
        "CMD, which cannot be avoided.\n"
        "Exit status: that of CMD; 126 if it cannot be run, 127 if it is not there; others as of every verb.",
    .positionals = kPositionals,
    .options = kOptions,
    .run = RunCommand,
};

}  // namespace leasefs::cli
