// `leasefs refresh`: backends are asked again.
#include "fs/base/strings.h"
#include "fs/cli/ask_daemon.h"
#include "fs/cli/table.h"
#include "fs/cli/verbs.h"

namespace leasefs::cli {
namespace {

Finished RunRefresh(Context& context, const Arguments& arguments) {
  LEASEFS_ASSIGN_OR_RETURN(answer, AskDaemon(context, "refresh", arguments.positionals));
  if (ShownAsJson(context, answer)) return Finish();
  context.console.Words(StrCat("asked for ", Count(answer.view["asked"].Number(), "secret"), " again"));
  return Finish();
}

constexpr PositionalSpec kPositionals[] = {{.name = "PATH", .required = false, .offer = Offer::kFile}};

}  // namespace

const VerbSpec kRefresh = {
    .group = "",
    .name = "refresh",
    .summary = "ask the backends again, now",
    .details =
        "PATH is on the mount: absolute, or relative to it; without PATH, everything. Only what is held is asked for: "
        "what nobody has opened is fetched when somebody does.",
    .positionals = kPositionals,
    .options = {},
    .run = RunRefresh,
};

}  // namespace leasefs::cli
