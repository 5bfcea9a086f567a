// Files of the store by name: a new one appears whole or not at all, and never in the place of another. A crash in
// between leaves a file with ".unfinished-" in its name, which is of no use to anyone.
#pragma once

#include <functional>
#include <string>

#include "fs/base/result.h"

namespace leasefs::store {

// Has `fill` write an empty file of mode 0600 beside `path`, then gives it the name. kInvalid: there is something at
// `path` already.
Status MakeWhole(const std::string& path, const std::function<Status(const std::string& unfinished)>& fill);

// A regular file that is not empty. kNotFound, kInvalid.
Status CheckFile(const std::string& path);

}  // namespace leasefs::store
