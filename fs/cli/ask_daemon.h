// One verb of the daemon's control socket, for the verbs that show its answer.
#pragma once

#include <string>
#include <vector>

#include "fs/cli/json_view.h"
#include "fs/cli/verb.h"

namespace leasefs::cli {

struct DaemonAnswer {
  std::string json;  // as it came
  JsonView view;
};
Outcome<DaemonAnswer> AskDaemon(Context& context, const std::string& verb, std::vector<std::string> arguments);
// With -o json: the document, as the daemon gave it, and true.
bool ShownAsJson(Context& context, const DaemonAnswer& answer);

}  // namespace leasefs::cli
