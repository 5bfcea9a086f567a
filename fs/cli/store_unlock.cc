// `leasefs store unlock`: gives a store its key.
#include "fs/base/strings.h"
#include "fs/cli/client.h"
#include "fs/cli/json_writer.h"
#include "fs/cli/key_file.h"
#include "fs/cli/places.h"
#include "fs/cli/prompt.h"
#include "fs/cli/verbs.h"

namespace leasefs::cli {
namespace {

Finished RunUnlock(Context& context, const Arguments& arguments) {
  LEASEFS_ASSIGN_OR_RETURN(backend, NamedBackend(arguments, 0));
  LEASEFS_ASSIGN_OR_RETURN(place, FindStore(context, backend));
  store_admin::AdminRequest request;
  request.verb = store_admin::Verb::kUnlock;
  if (const auto file = arguments.Value("--key-file")) {
    LEASEFS_ASSIGN_OR_RETURN(key, ReadKeyFile(*file));
    request.key = {StoreKey::Kind::kRaw, std::move(key)};
  } else {
    LEASEFS_ASSIGN_OR_RETURN(passphrase, ReadPassphrase(context.console, Passphrase::kExisting));
    request.key = {StoreKey::Kind::kPassphrase, std::move(passphrase)};
  }
  auto reply = AskStore(place.socket, request);
  if (!reply.ok()) {
    Failure failure = std::move(reply).error();
    if (failure.code == ErrorKindName(ErrorKind::kLocked))
      failure.hint = "try again; `leasefs store status` shows the state of the store";
    return failure;
  }
  if (context.settings.json) {
    JsonWriter writer;
    writer.BeginObject().Text("backend", place.backend).Bool("unlocked", true);
    context.console.Data(std::move(writer.EndObject()).Take());
  }
  context.console.Words(StrCat("the store ", place.backend, " is open"));
  return Finish();
}

constexpr PositionalSpec kPositionals[] = {{.name = "BACKEND", .required = false, .offer = Offer::kBackend}};
constexpr OptionSpec kOptions[] = {
    {.name = "--backend", .letter = 'b', .argument = "NAME", .help = "this store", .offer = Offer::kBackend},
    {.name = "--key-file", .argument = "FILE", .help = "with this key file, not a passphrase", .offer = Offer::kFile},
};

}  // namespace

const VerbSpec kStoreUnlock = {
    .group = "store",
    .name = "unlock",
    .summary = "open a locked store with its passphrase (root only)",
    .details =
        "The passphrase is asked for without showing it, or read from standard input (one newline at its end is "
        "dropped). The key stays in the "
        "memory of the store's process until that stops.",
    .positionals = kPositionals,
    .options = kOptions,
    .touches_values = true,
    .run = RunUnlock,
};

}  // namespace leasefs::cli
