// `leasefs put`: a new version of a secret.
#include "fs/base/strings.h"
#include "fs/cli/client.h"
#include "fs/cli/key_values.h"
#include "fs/cli/places.h"
#include "fs/cli/replies.h"
#include "fs/cli/verbs.h"

namespace leasefs::cli {
namespace {

Finished RunPut(Context& context, const Arguments& arguments) {
  const std::vector<std::string>& words = arguments.positionals;
  LEASEFS_ASSIGN_OR_RETURN(values, ParseKeyValues({words.begin() + 1, words.end()}));
  LEASEFS_ASSIGN_OR_RETURN(place, FindPlace(context, words[0], Root::kRefused));
  LEASEFS_ASSIGN_OR_RETURN(fields, ReadKeyValues(context.console, values));

  store_admin::AdminRequest request;
  request.verb = store_admin::Verb::kPut;
  request.path = place.path;
  request.puts.push_back({.secret = place.path, .fields = std::move(fields), .replace = arguments.Has("--replace")});
  LEASEFS_ASSIGN_OR_RETURN(reply, AskStore(place.socket, request));
  ShowNewVersion(context, place, reply);
  WarnIfShownNowhere(context, place.backend, {place.path});
  return Finish();
}

constexpr PositionalSpec kPositionals[] = {{.name = "[BACKEND:]PATH", .offer = Offer::kSecret},
                                           {.name = "KEY", .repeats = true, .offer = Offer::kValue}};
constexpr OptionSpec kOptions[] = {{.name = "--replace", .help = "the keys given are the only ones from now on"}};

}  // namespace

const VerbSpec kPut = {
    .group = "",
    .name = "put",
    .summary = "store keys of a secret, as one new version",
    .details =
        "Each KEY is one of\n"
        "  KEY=@FILE   the bytes of FILE, exactly (also of a pipe: KEY=@<(command))\n"
        "  KEY=-       the bytes of standard input, exactly; for one key\n"
        "  KEY         asked for on the terminal, twice, without showing it\n"
        "KEY=VALUE is refused: other users see the command line, and the shell keeps it.\n"
        "\n"
        "All keys change together, in one version. Keys that are not named keep their values, unless --replace is "
        "given. "
        "When the verb returns, the value is on the disk and the next open on the mount sees it.",
    .positionals = kPositionals,
    .options = kOptions,
    .touches_values = true,
    .run = RunPut,
};

}  // namespace leasefs::cli
