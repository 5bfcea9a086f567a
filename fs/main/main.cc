// leasefsd: one binary, three roles.
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "backend/lease/memory_records.h"
#include "fs/audit/audit_ring.h"
#include "fs/base/log.h"
#include "fs/config/config_reader.h"
#include "fs/fuse/session.h"
#include "fs/keeper/keeper.h"
#include "fs/keeper/log_lines.h"
#include "fs/keeper/mount.h"
#include "fs/keeper/run_files.h"
#include "fs/main/arguments.h"
#include "fs/main/child_runtime.h"
#include "fs/main/fs_process.h"
#include "fs/main/login_check.h"
#include "fs/main/store_process.h"
#include "fs/main/vault_process.h"
#include "fs/secrets/state_memory.h"

namespace leasefs {
namespace {

int CheckConfig(const std::string& path) {
  ConfigFileRules rules;
  if (geteuid() == 0) rules.key_files = KeyFileCheck::kAll;  // nobody else can look at them
  Result<Config> config = LoadConfig(path, SystemAccounts(), rules);
  if (!config.ok()) {
    std::fprintf(stderr, "%s\n", config.error().message().c_str());
    return kExitConfiguration;
  }
  for (const std::string& warning : config->warnings) std::fprintf(stderr, "warning: %s\n", warning.c_str());
  std::printf("%s: ok\n", path.c_str());
  return kExitOk;
}

// Not the mount of a daemon that runs.
Status DetachUnused(const Config& config) {
  Result<UniqueFd> lock = LockRunDirectory(config.run_directory);
  if (!lock.ok() && lock.error().kind() == ErrorKind::kBusy) return std::move(lock).error();
  return DetachStaleMounts(config.mount);
}

int Detach(const std::string& config_path) {
  Result<Config> config = LoadConfig(config_path, SystemAccounts());
  Status detached = config.ok() ? DetachUnused(*config) : std::move(config).error();
  if (detached.ok()) return kExitOk;
  LogErrorLines(detached.error().message());
  return kExitFailure;
}

int RunKeeper(const std::string& config_path) {
  std::error_code ignored;  // an empty path is refused by LoadConfig
  std::string path = std::filesystem::absolute(config_path, ignored);
  // A key file that is missing is told by its store, which is locked until it is there.
  Result<Config> config = LoadConfig(path, SystemAccounts(), {.key_files = KeyFileCheck::kUnusable});
  if (!config.ok()) {
    LogErrorLines(config.error().message());
    return kExitConfiguration;
  }
  for (const std::string& warning : config->warnings) LogWarning(warning);
  KeeperOptions options;
  options.config_path = path;
  options.memory = {SlotsMemoryBytes(), StateMemoryBytes(config->limits.names), AuditRing::MemoryBytes(),
                    lease::MemoryRecords::kDefaultBytes};
  Keeper keeper(std::move(options), std::move(*config), SystemAccounts());
  return keeper.Run();
}

int Main(const std::vector<std::string>& words) {
  InitLogFromEnvironment("keeper");
  Result<Arguments> arguments = ParseArguments(words);
  if (!arguments.ok()) {
    std::fprintf(stderr, "leasefsd: %s\n", arguments.error().message().c_str());
    return kExitFailure;
  }
  switch (arguments->role) {
    case Role::kHelp:
      return std::fputs(HelpText().c_str(), stdout) < 0 ? kExitFailure : kExitOk;
    case Role::kVersion:
      return std::puts("leasefsd " LEASEFS_VERSION) < 0 ? kExitFailure : kExitOk;
    case Role::kCheckConfig:
      return CheckConfig(arguments->config);
    case Role::kCheckLogin:
      return CheckLogin(*arguments);
    case Role::kDetach:
      return Detach(arguments->config);
    case Role::kFs:
      return RunFs(*arguments);
    case Role::kStore:
      return RunStore(*arguments);
    case Role::kVault:
      return RunVault(*arguments);
    case Role::kKeeper:
      return RunKeeper(arguments->config);
  }
  return kExitFailure;
}

}  // namespace
}  // namespace leasefs

int main(int argc, char** argv) {
  return leasefs::Main(std::vector<std::string>(argv + 1, argv + argc));
}
