#include "fs/cli/store_plan.h"

#include <unistd.h>

#include <cerrno>

#include "fs/base/strings.h"
#include "fs/config/config_reader.h"

namespace leasefs::cli {

Outcome<std::optional<Config>> ReadConfig(Context& context) {
  const Settings& settings = context.settings;
  if (!settings.config_named && access(settings.config_path.c_str(), F_OK) != 0 && errno == ENOENT)
    return std::optional<Config>();
  ConfigFileRules rules;
  rules.check_owner = geteuid() == 0;
  Result<Config> config = LoadConfig(settings.config_path, SystemAccounts(), rules);
  if (config.ok()) return std::optional<Config>(std::move(config).value());
  return Failure{Exit::kConfiguration, "configuration", config.error().message(),
                 "correct the file: `leasefs check-config` reads it again"};
}

Outcome<StorePlan> PlanStore(Context& context, const std::string& backend) {
  StorePlan plan;
  plan.backend = backend.empty() ? "local" : backend;
  plan.store.path = "/var/lib/leasefs/store.db";
  plan.store.key = {KeySource::Kind::kFile, "/etc/leasefs/store.key"};
  LEASEFS_ASSIGN_OR_RETURN(config, ReadConfig(context));
  if (!config) return plan;
  plan.backend_user = config->backend_user;
  std::string names;
  const BackendOptions* found = nullptr;
  size_t stores = 0;
  for (const BackendOptions& one : config->backends) {
    if (one.type != BackendType::kStore) continue;
    names += StrCat(names.empty() ? "" : ", ", one.name);
    ++stores;
    if (backend.empty() || one.name == backend) found = &one;
  }
  if (backend.empty() && stores == 0) return plan;
  if (backend.empty() && stores > 1) {
    return UsageFailure(StrCat(context.settings.config_path, " has more than one store"),
                        StrCat("say which with --backend: ", names));
  }
  if (found == nullptr) {
    return Failure{Exit::kLocal, "not_found",
                   StrCat(context.settings.config_path, " has no store '", Printable(backend, 40), "'"),
                   names.empty() ? "add a [backend.NAME] with type = \"store\"" : StrCat("it has: ", names)};
  }
  plan.backend = found->name;
  plan.store = found->store;
  plan.configured = true;
  return plan;
}

std::string CredentialSteps(const StorePlan& plan, const std::string& clear_file) {
  const bool named = plan.store.key.kind == KeySource::Kind::kCredential;
  const std::string name = named ? plan.store.key.name : "store-key";
  const std::string sealed = StrCat("/etc/leasefs/", name, ".cred");
  return StrCat("  systemd-creds encrypt --name=", name, ' ', clear_file, ' ', sealed,
                "\n  systemctl edit leasefs           ([Service] LoadCredentialEncrypted=", name, ':', sealed, ")\n");
}

}  // namespace leasefs::cli
