// `leasefs rollback`: an old version becomes the newest.
#include "fs/base/strings.h"
#include "fs/cli/client.h"
#include "fs/cli/places.h"
#include "fs/cli/replies.h"
#include "fs/cli/verbs.h"

namespace leasefs::cli {
namespace {

Finished RunRollback(Context& context, const Arguments& arguments) {
  LEASEFS_ASSIGN_OR_RETURN(version, ParseVersion(arguments.Positional(1)));
  LEASEFS_ASSIGN_OR_RETURN(place, FindPlace(context, arguments.Positional(0), Root::kRefused));
  store_admin::AdminRequest request;
  request.verb = store_admin::Verb::kRollback;
  request.path = place.path;
  request.version = version;
  auto asked = AskStore(place.socket, request);
  if (!asked.ok()) {
    Failure failure = std::move(asked).error();
    if (failure.code == ErrorKindName(ErrorKind::kNotFound))
      failure.hint = StrCat("`leasefs history ", Printable(place.Name()), "` shows which versions there are");
    return failure;
  }
  const store_admin::AdminReply& reply = *asked;
  ShowNewVersion(context, place, reply);
  return Finish();
}

constexpr PositionalSpec kPositionals[] = {{.name = "[BACKEND:]PATH", .offer = Offer::kSecret}, {.name = "VERSION"}};

}  // namespace

const VerbSpec kRollback = {
    .group = "",
    .name = "rollback",
    .summary = "make the bytes of an old version a new one",
    .details =
        "Versions never change: rolling back puts the keys and values of VERSION once more, as the newest version. "
        "`leasefs history` lists what is there.",
    .positionals = kPositionals,
    .options = {},
    .run = RunRollback,
};

}  // namespace leasefs::cli
