// One run of the program `leasefs`: reads the command line and the environment, does the verb, reports, and says the
// exit status.
#pragma once

#include <string>
#include <vector>

#include "fs/cli/console.h"

namespace leasefs::cli {

struct Invocation {
  std::vector<std::string> words;  // argv without the program's name
  Console::Descriptors descriptors;
  Environment environment;
};

int Run(const Invocation& invocation);

}  // namespace leasefs::cli
