// What an operator should know first: the problems in a status, each with what to do about it. None: all is well.
#pragma once

#include <string>
#include <vector>

#include "fs/control/reports.h"

namespace leasefs::control {

std::vector<std::string> ProblemsOf(const StatusReport& report);

// "up" | "degraded" | "locked" | "down" | "disconnected"
std::string BackendState(const LinkReport& link);

}  // namespace leasefs::control
