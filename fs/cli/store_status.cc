// `leasefs store status`: the stores and their state.
#include "fs/base/strings.h"
#include "fs/cli/client.h"
#include "fs/cli/json_writer.h"
#include "fs/cli/places.h"
#include "fs/cli/table.h"
#include "fs/cli/verbs.h"

namespace leasefs::cli {
namespace {

Finished RunStoreStatus(Context& context, const Arguments& arguments) {
  std::vector<std::string> names;
  LEASEFS_ASSIGN_OR_RETURN(run_directory, RunDirectory(context));
  LEASEFS_ASSIGN_OR_RETURN(backend, NamedBackend(arguments, 0));
  if (!backend.empty()) {
    LEASEFS_ASSIGN_OR_RETURN(place, FindStore(context, backend));
    names.push_back(place.backend);
  } else {
    LEASEFS_ASSIGN_OR_RETURN(found, StoreSockets(run_directory));
    if (found.empty()) LEASEFS_RETURN_IF_ERROR(FindStore(context, ""));
    names = std::move(found);
  }
  JsonWriter writer;
  writer.BeginObject().BeginArray("stores");
  Table table({"STORE", "STATE", "SECRETS", "VERSIONS", "SIZE"});
  for (const std::string& name : names) {
    store_admin::AdminRequest request;
    request.verb = store_admin::Verb::kStatus;
    LEASEFS_ASSIGN_OR_RETURN(reply, AskStore(StoreSocketPath(run_directory, name), request));
    const StoreFigures& figures = reply.figures;
    table.Add({name, reply.state, std::to_string(figures.secrets), std::to_string(figures.versions),
               ShowBytes(figures.file_bytes)});
    writer.BeginObject().Text("name", name).Text("state", reply.state).Number("secrets", figures.secrets);
    writer.Number("versions", figures.versions)
        .Number("generation", figures.generation)
        .Number("file_bytes", figures.file_bytes)
        .EndObject();
  }
  if (context.settings.json) {
    context.console.Data(std::move(writer.EndArray().EndObject()).Take());
  } else {
    context.console.Data(table.ToString());
  }
  return Finish();
}

constexpr PositionalSpec kPositionals[] = {{.name = "BACKEND", .required = false, .offer = Offer::kBackend}};
constexpr OptionSpec kOptions[] = {
    {.name = "--backend", .letter = 'b', .argument = "NAME", .help = "this store only", .offer = Offer::kBackend}};

}  // namespace

const VerbSpec kStoreStatus = {
    .group = "store",
    .name = "status",
    .summary = "show the state of the stores",
    .details =
        "For each: open, locked or damaged with the reason; how many secrets and versions it holds, and its size.",
    .positionals = kPositionals,
    .options = kOptions,
    .run = RunStoreStatus,
};

}  // namespace leasefs::cli
