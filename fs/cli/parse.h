// The command line, read by the verb table.
//
// Written here and not with an option library: such a library quotes the command line in its errors, and a word behind
// a '=' may be a secret; and CLI11 gives "[a,b]" and "++" meanings of its own, which are fine names for keys.
// `--name=value`, `--name value`, `-x value`, `-xvalue`, `-abc` for flags, and `--`, after which nothing is an option.
// Global options may stand anywhere, those of a verb behind it.
#pragma once

#include <string>
#include <vector>

#include "fs/cli/verb.h"

namespace leasefs::cli {

struct CommandLine {
  const VerbSpec* verb = nullptr;  // null: none was given
  bool help = false;
  Arguments arguments;  // global options too
};

// `words`: argv without the program's name.
Outcome<CommandLine> ParseCommandLine(const std::vector<std::string>& words);

}  // namespace leasefs::cli
