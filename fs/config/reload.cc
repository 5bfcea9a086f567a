#include <algorithm>

#include "fs/base/strings.h"
#include "fs/config/config_codec.h"

namespace leasefs {
namespace {

const BackendOptions* Find(const Config& config, const std::string& name) {
  auto found = std::find_if(config.backends.begin(), config.backends.end(),
                            [&](const BackendOptions& backend) { return backend.name == name; });
  return found == config.backends.end() ? nullptr : &*found;
}

// Tokens and leases of one server are not another's.
bool HaveOneInCommon(const std::vector<std::string>& before, const std::vector<std::string>& after) {
  return std::ranges::find_first_of(before, after) != before.end();
}

void CompareBackends(const Config& running, const Config& loaded, std::vector<std::string>& changed) {
  for (const BackendOptions& old : running.backends) {
    const std::string setting = StrCat("backend.", old.name);
    const BackendOptions* now = Find(loaded, old.name);
    if (now == nullptr) {
      changed.push_back(setting);
      continue;
    }
    if (old.type != now->type) {
      changed.push_back(setting + ".type");
      continue;
    }
    if (old.type == BackendType::kVault && !HaveOneInCommon(old.vault.addresses, now->vault.addresses)) {
      changed.push_back(setting + ".address");
    }
    if (old.vault.name_space != now->vault.name_space) changed.push_back(setting + ".namespace");
    if (old.vault.state_key != now->vault.state_key) changed.push_back(setting + ".state_key");
    if (old.vault.state_file != now->vault.state_file) changed.push_back(setting + ".state_file");
    if (old.store.path != now->store.path) changed.push_back(setting + ".path");
    if (old.store.key.kind != now->store.key.kind || old.store.key.name != now->store.key.name) {
      changed.push_back(setting + ".key");
    }
  }
  for (const BackendOptions& added : loaded.backends) {
    if (Find(running, added.name) == nullptr) changed.push_back(StrCat("backend.", added.name));
  }
}

}  // namespace

// In this list: what a process can only have from its start. Its mount and sockets, whom it became, the other
// processes there are, the size of surviving memory and whether memory is locked.
std::vector<std::string> NotReloadable(const Config& running, const Config& loaded) {
  std::vector<std::string> changed;
  auto compare = [&changed](std::string_view setting, const auto& before, const auto& after) {
    if (before != after) changed.emplace_back(setting);
  };
  compare("mount", running.mount, loaded.mount);
  compare("run_directory", running.run_directory, loaded.run_directory);
  compare("user", running.user, loaded.user);
  compare("backend_user", running.backend_user, loaded.backend_user);
  compare("group", running.group, loaded.group);
  compare("limits.names", running.limits.names, loaded.limits.names);
  compare("memory.require_lock", running.memory.require_lock, loaded.memory.require_lock);
  CompareBackends(running, loaded, changed);
  return changed;
}

}  // namespace leasefs
