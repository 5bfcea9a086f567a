// What a simulated operator has configured, and what the server has for it: one tree of each kind.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "backend/lease/machine.h"
#include "tests/lease/sim_world.h"

namespace leasefs::lease {

// And the secrets that readers open.
std::pair<MachineOptions, std::vector<std::string>> MakeSettings(SimWorld& world);

}  // namespace leasefs::lease
