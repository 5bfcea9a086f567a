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
  std::string words = StrCat("asked for ", Count(answer.view["asked"].Number(), "secret"), " again");
  const uint64_t minted = answer.view["minted"].Number();
  if (minted != 0) words += StrCat(", left ", minted, minted == 1 ? " lease as it is" : " leases as they are");
  context.console.Words(words);
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
        "what nobody has opened is fetched when somebody does. Leases are left as they are: to ask would mint a new "
        "one for nobody.",
    .positionals = kPositionals,
    .options = {},
    .run = RunRefresh,
};

}  // namespace leasefs::cli
