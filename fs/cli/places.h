// Places: which sockets there are, and what "[BACKEND:]PATH" names. Blocks on file I/O only.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "fs/cli/verb.h"

namespace leasefs::cli {

// --socket-dir, else LEASEFS_RUN, else run_directory of the configuration, else /run/leasefsd. A configuration that was
// named and cannot be read is an error, since its daemon is not the default one; the default one may be unreadable (for
// other users) or missing, and when it is wrong that is only warned of, so that the daemon can still be asked.
Outcome<std::string> RunDirectory(Context& context);

// Where the files are, in the same way; /run/leasefs when the configuration cannot be read.
Outcome<std::string> MountPoint(Context& context);

std::string ControlSocketPath(const std::string& run_directory);
std::string StoreSocketPath(const std::string& run_directory, std::string_view backend);
// The backends that have a store socket in `run_directory`, sorted.
Outcome<std::vector<std::string>> StoreSockets(const std::string& run_directory);

// A place in a store: where to ask, and for what.
struct Place {
  std::string backend;
  std::string socket;
  std::string path;  // a valid backend path, or ""
  std::string Name() const { return backend + ":" + path; }
};

// "[BACKEND:]PATH" taken apart; `backend` is "" when it was not said. What stands before the first ':' is a backend if
// it could be the name of one. A slash at the end is dropped, one at the beginning is an error: such a path looks like
// one on the mount.
struct PlaceText {
  std::string backend;
  std::string path;
};
Outcome<PlaceText> ParsePlaceText(std::string_view text);

enum class Root { kAllowed, kRefused };  // whether "" (the whole store) will do
Outcome<Place> FindPlace(Context& context, std::string_view text, Root root);
// The backend that was named by the positional argument `index` or with --backend; "" when none was.
Outcome<std::string> NamedBackend(const Arguments& arguments, size_t index);
// The store named `backend`, or the only one when it is "".
Outcome<Place> FindStore(Context& context, const std::string& backend);

}  // namespace leasefs::cli
