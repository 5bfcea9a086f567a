// The rules, evaluated in the plainest way that can be thought of; shares nothing with fs/policy. An oracle for tests
// and fuzzing.
#pragma once

#include <string>
#include <vector>

#include "fs/caller/caller.h"
#include "fs/config/options.h"

namespace leasefs::naive {

bool Matches(const std::string& pattern, const std::string& path);

// May the caller, with all its groups known, open the path? The rule that says so, or -1.
int FirstAllowing(const std::vector<AllowRule>& rules, const std::string& path, const Caller& caller,
                  const std::vector<gid_t>& groups);

}  // namespace leasefs::naive
