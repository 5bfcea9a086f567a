// Any text as /proc/TID/status: denied, or a sorted list of groups that all stand in the text.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "fs/caller/caller.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace leasefs;  // NOLINT(google-build-using-namespace)
  std::string text(reinterpret_cast<const char*>(data), size);
  Result<std::vector<gid_t>> groups = ParseStatusGroups(text, {1000, 100, 7});
  if (!groups.ok()) {
    if (groups.error().kind() != ErrorKind::kDenied) std::abort();
    return 0;
  }
  if (std::adjacent_find(groups->begin(), groups->end(), std::greater_equal<>()) != groups->end()) std::abort();
  for (gid_t gid : *groups) {
    if (text.find(std::to_string(gid)) == std::string::npos) std::abort();
  }
  return 0;
}
