// Shell completions, made from the verb table.
#pragma once

#include <string>

namespace leasefs::cli {

std::string BashCompletion();
std::string ZshCompletion();
std::string FishCompletion();

}  // namespace leasefs::cli
