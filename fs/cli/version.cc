// `leasefs version`: of this program, and of the daemon if one answers.
#include "fs/base/strings.h"
#include "fs/cli/ask_daemon.h"
#include "fs/cli/json_writer.h"
#include "fs/cli/verbs.h"

namespace leasefs::cli {
namespace {

Finished RunVersion(Context& context, const Arguments&) {
  auto answer = AskDaemon(context, "version", {});
  const std::string daemon = answer.ok() ? answer->view["version"].Text() : "";
  if (context.settings.json) {
    JsonWriter writer;
    writer.BeginObject().Text("version", LEASEFS_VERSION);
    if (!daemon.empty()) writer.Text("daemon", daemon);
    context.console.Data(std::move(writer.EndObject()).Take());
    return Finish();
  }
  context.console.Data(StrCat("leasefs ", LEASEFS_VERSION, '\n'));
  if (!daemon.empty()) {
    context.console.Data(StrCat("leasefsd ", Printable(daemon, 60), '\n'));
    if (daemon != LEASEFS_VERSION)
      context.console.Warning("they are not of one version: restart the daemon after an upgrade");
  } else {
    context.console.Words(
        StrCat("leasefsd cannot be asked: ", answer.ok() ? "it does not say its version" : answer.error().message));
  }
  return Finish();
}

}  // namespace

const VerbSpec kVersion = {
    .group = "",
    .name = "version",
    .summary = "show the version of leasefs, and of the daemon if it runs",
    .details = "",
    .positionals = {},
    .options = {},
    .run = RunVersion,
};

}  // namespace leasefs::cli
