// What the configuration says of a store, for the verbs that work on its files (`store init`, `store rekey`).
#pragma once

#include <optional>
#include <string>

#include "fs/cli/verb.h"
#include "fs/config/options.h"

namespace leasefs::cli {

// The configuration; nothing when none was named and the default one does not exist.
Outcome<std::optional<Config>> ReadConfig(Context& context);

struct StorePlan {
  std::string backend;  // "local" when there is no configuration
  StoreOptions store;   // defaults when there is none
  std::string backend_user = "leasefs-backend";
  bool configured = false;
};
// The backend of that name, or the only one when `backend` is "".
Outcome<StorePlan> PlanStore(Context& context, const std::string& backend);

// Lines for the operator: how the key in `clear_file` becomes the unit's credential.
std::string CredentialSteps(const StorePlan& plan, const std::string& clear_file);

}  // namespace leasefs::cli
