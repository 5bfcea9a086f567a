// Asks for a secret on a terminal without showing it. The terminal is restored whatever happens: also when a signal
// ends or stops the program.
#pragma once

#include <string>

#include "fs/base/secret_buffer.h"
#include "fs/cli/console.h"

namespace leasefs::cli {

// One line, without its newline. A line longer than a terminal can hand over is refused, since the kernel cuts it
// silently.
Outcome<SecretBuffer> AskHidden(Console& console, const std::string& prompt);
// Asks twice; both must be the same.
Outcome<SecretBuffer> AskHiddenTwice(Console& console, const std::string& prompt);
// A passphrase: asked for on a terminal (twice if it is new), else read from standard input, without one newline at its
// end.
enum class Passphrase { kExisting, kNew };
Outcome<SecretBuffer> ReadPassphrase(Console& console, Passphrase passphrase);
// "… [y/N] " answered with y or yes. False where standard input is no terminal.
bool Confirm(Console& console, const std::string& question);

}  // namespace leasefs::cli
