// `leasefs rm`: removes a secret, or some of its keys.
#include "fs/base/strings.h"
#include "fs/cli/client.h"
#include "fs/cli/json_writer.h"
#include "fs/cli/places.h"
#include "fs/cli/prompt.h"
#include "fs/cli/replies.h"
#include "fs/cli/table.h"
#include "fs/cli/verbs.h"

namespace leasefs::cli {
namespace {

Finished RunRm(Context& context, const Arguments& arguments) {
  LEASEFS_ASSIGN_OR_RETURN(place, FindPlace(context, arguments.Positional(0), Root::kRefused));
  store_admin::AdminRequest request;
  request.verb = store_admin::Verb::kRemove;
  request.path = place.path;
  request.keys.assign(arguments.positionals.begin() + 1, arguments.positionals.end());

  const std::string name = Printable(place.Name(), 1000);
  const std::string what = request.keys.empty() ? StrCat(name, " with all its versions")
                                                : StrCat(Count(request.keys.size(), "key"), " of ", name);
  if (context.console.in_is_terminal() && !arguments.Has("--yes") &&
      !Confirm(context.console, StrCat("remove ", what, '?'))) {
    return UsageFailure("nothing was removed", "answer y, or give --yes");
  }
  LEASEFS_ASSIGN_OR_RETURN(reply, AskStore(place.socket, request));
  if (context.settings.json) {
    JsonWriter writer;
    writer.BeginObject().Text("backend", place.backend).Text("path", place.path).Bool("removed", true);
    context.console.Data(std::move(writer.Bool("applied", reply.applied).EndObject()).Take());
  }
  context.console.Words(StrCat("removed ", what));
  WarnIfNotApplied(context, reply);
  return Finish();
}

constexpr PositionalSpec kPositionals[] = {{.name = "[BACKEND:]PATH", .offer = Offer::kSecret},
                                           {.name = "KEY", .required = false, .repeats = true}};
constexpr OptionSpec kOptions[] = {{.name = "--yes", .letter = 'y', .help = "do not ask"}};

}  // namespace

const VerbSpec kRm = {
    .group = "",
    .name = "rm",
    .summary = "remove a secret, or keys of it",
    .details =
        "Without KEY the secret goes with all its versions: that cannot be undone. With KEY a new version without "
        "these keys is made, "
        "and `leasefs rollback` brings them back; when no key is left the secret goes. Asks first, if there is a "
        "terminal.",
    .positionals = kPositionals,
    .options = kOptions,
    .run = RunRm,
};

}  // namespace leasefs::cli
