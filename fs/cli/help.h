// Help, made from the verb table.
#pragma once

#include <string>

#include "fs/cli/verb.h"

namespace leasefs::cli {

std::string OverviewHelp();
// Lines of at most `width` columns.
std::string VerbHelp(const VerbSpec& verb, size_t width);
// "leasefs put PATH KEY... [--replace] [--note TEXT]"
std::string Usage(const VerbSpec& verb);

}  // namespace leasefs::cli
