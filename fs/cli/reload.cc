// `leasefs reload`: the daemon reads its configuration again.
#include "fs/base/strings.h"
#include "fs/cli/ask_daemon.h"
#include "fs/cli/verbs.h"

namespace leasefs::cli {
namespace {

Finished RunReload(Context& context, const Arguments&) {
  LEASEFS_ASSIGN_OR_RETURN(answer, AskDaemon(context, "reload", {}));
  if (ShownAsJson(context, answer)) return Finish();
  for (const JsonView& warning : answer.view["warnings"].Items())
    context.console.Warning(Printable(warning.Text(), 1000));
  context.console.Words(StrCat("reloaded: the rules are generation ", answer.view["generation"].Number(),
                               " and hold from the next open on"));
  return Finish();
}

}  // namespace

const VerbSpec kReload = {
    .group = "",
    .name = "reload",
    .summary = "make the daemon take over its configuration",
    .details =
        "All or nothing: when the file has an error, or changes what cannot change while the daemon runs (mount, "
        "run_directory, the users, the path of a store), nothing changes, the error is shown and the exit status "
        "is 2. The same as SIGHUP, but you hear the result.",
    .positionals = {},
    .options = {},
    .run = RunReload,
};

}  // namespace leasefs::cli
