// Paths as an operator writes them.
#pragma once

#include <string>
#include <string_view>

#include "fs/base/result.h"

namespace leasefs::control {

// "/run/leasefs/web/tls" or "web/tls" -> "web/tls"; the mount itself -> "". kInvalid, with what to write instead, for a
// path elsewhere or with "." or "..".
Result<std::string> BelowMount(std::string_view mount, std::string_view path);

}  // namespace leasefs::control
