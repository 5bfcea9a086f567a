// `leasefs stop`: the daemon ends, with its leases or without.
#include "fs/cli/ask_daemon.h"
#include "fs/cli/verbs.h"

namespace leasefs::cli {
namespace {

Finished RunStop(Context& context, const Arguments& arguments) {
  const bool revoke = arguments.Has("--revoke");
  std::vector<std::string> words;
  if (revoke) words.emplace_back("revoke");
  LEASEFS_ASSIGN_OR_RETURN(answer, AskDaemon(context, "stop", words));
  if (ShownAsJson(context, answer)) return Finish();
  context.console.Words(revoke ? "stopping; leases are revoked: the journal says which could not be"
                               : "stopping; leases stay as they are");
  return Finish();
}

constexpr OptionSpec kOptions[] = {{.name = "--revoke", .help = "revoke all leases before"}};

}  // namespace

const VerbSpec kStop = {
    .group = "",
    .name = "stop",
    .summary = "end the daemon, and with --revoke its leases",
    .details =
        "As SIGTERM and `systemctl stop` do: readers that wait are answered, and the mount goes. Leases stay valid, "
        "but with on_stop = \"revoke\"; nobody renews them any more, they end by themselves, and the next start logs "
        "in and mints anew. With --revoke the backends revoke every lease and every token that they "
        "hold first, for at most 30 seconds; what could not be revoked is in the journal and ends by itself. Returns "
        "when the daemon has begun to stop.",
    .positionals = {},
    .options = kOptions,
    .run = RunStop,
};

}  // namespace leasefs::cli
