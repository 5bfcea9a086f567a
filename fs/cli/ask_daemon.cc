#include "fs/cli/ask_daemon.h"

#include "fs/base/strings.h"
#include "fs/cli/client.h"
#include "fs/cli/places.h"

namespace leasefs::cli {

Outcome<DaemonAnswer> AskDaemon(Context& context, const std::string& verb, std::vector<std::string> arguments) {
  LEASEFS_ASSIGN_OR_RETURN(run_directory, RunDirectory(context));
  control::ControlRequest request;
  request.verb = verb;
  request.arguments = std::move(arguments);
  LEASEFS_ASSIGN_OR_RETURN(json, AskControl(ControlSocketPath(run_directory), request));
  auto view = JsonView::Parse(json);
  if (!view) {
    return Failure{Exit::kDaemon, "remote", "the daemon's answer is not JSON",
                   "are leasefs and leasefsd of one version? `leasefs version` tells"};
  }
  return DaemonAnswer{std::move(json), std::move(*view)};
}

bool ShownAsJson(Context& context, const DaemonAnswer& answer) {
  if (!context.settings.json) return false;
  context.console.Data(StrCat(answer.json, answer.json.ends_with('\n') ? "" : "\n"));
  return true;
}

}  // namespace leasefs::cli
