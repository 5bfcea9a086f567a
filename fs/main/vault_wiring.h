// From what the configuration says to what a backend of type "vault" is made of.
#pragma once

#include "backend/http/options.h"
#include "backend/lease/machine.h"
#include "backend/vault/settings.h"
#include "fs/config/vault_part.h"

namespace leasefs {

// kInvalid: an address that cannot be one.
Result<vault::VaultSettings> VaultSettingsOf(const VaultPart& part);
lease::MachineOptions MachineOptionsOf(const VaultPart& part);

}  // namespace leasefs
