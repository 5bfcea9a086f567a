// What can only be judged when every file is read: settings that depend on each other.
#pragma once

#include "fs/config/draft.h"

namespace leasefs {

// Adds what is wrong to the draft's problems and, when nothing is wrong at all, what is odd to its warnings.
void CheckWhole(Draft& draft);

}  // namespace leasefs
