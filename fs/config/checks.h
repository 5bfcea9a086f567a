// What can only be judged when every file is read: settings that depend on each other.
#pragma once

#include "fs/config/draft.h"

namespace leasefs {

// Adds what is wrong to the draft's problems and, when nothing is wrong at all, what is odd to its warnings.
void CheckWhole(Draft& draft);
// The part of it that is about [[file]]. Templates that are files have been read.
void CheckFiles(Draft& draft);

}  // namespace leasefs
