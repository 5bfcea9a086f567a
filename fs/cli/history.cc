// `leasefs history`: the versions of a secret.
#include "fs/base/strings.h"
#include "fs/cli/client.h"
#include "fs/cli/json_writer.h"
#include "fs/cli/places.h"
#include "fs/cli/table.h"
#include "fs/cli/verbs.h"

namespace leasefs::cli {
namespace {

void ShowJson(Context& context, const Place& place, const std::vector<VersionInfo>& history) {
  JsonWriter writer;
  writer.BeginObject().Text("backend", place.backend).Text("path", place.path).BeginArray("versions");
  for (const VersionInfo& info : history) {
    writer.BeginObject().Number("version", info.version).Text("created", ShowTime(info.created));
    writer.Number("author", info.author).Text("note", info.note).BeginArray("keys");
    for (const auto& [key, size] : info.keys) writer.BeginObject().Text("key", key).Number("size", size).EndObject();
    writer.EndArray().EndObject();
  }
  context.console.Data(std::move(writer.EndArray().EndObject()).Take());
}

std::string ShowKeys(const VersionInfo& info) {
  static constexpr size_t kShown = 8;
  std::string text;
  for (size_t i = 0; i < info.keys.size() && i < kShown; ++i) {
    text +=
        StrCat(text.empty() ? "" : ", ", Printable(info.keys[i].first, 40), " (", ShowBytes(info.keys[i].second), ')');
  }
  return info.keys.size() <= kShown ? text : StrCat(text, ", ", info.keys.size() - kShown, " more");
}

Finished RunHistory(Context& context, const Arguments& arguments) {
  LEASEFS_ASSIGN_OR_RETURN(place, FindPlace(context, arguments.Positional(0), Root::kRefused));
  store_admin::AdminRequest request;
  request.verb = store_admin::Verb::kHistory;
  request.path = place.path;
  LEASEFS_ASSIGN_OR_RETURN(reply, AskStore(place.socket, request));
  if (context.settings.json) {
    ShowJson(context, place, reply.history);
    return Finish();
  }
  Table table({"VERSION", "CREATED", "BY", "HOW", "KEYS"});
  for (const VersionInfo& info : reply.history) {
    table.Add({std::to_string(info.version), ShowTime(info.created), ShowUser(info.author), info.note, ShowKeys(info)});
  }
  context.console.Data(table.ToString());
  return Finish();
}

constexpr PositionalSpec kPositionals[] = {{.name = "[BACKEND:]PATH", .offer = Offer::kSecret}};

}  // namespace

const VerbSpec kHistory = {
    .group = "",
    .name = "history",
    .summary = "list the versions of a secret",
    .details =
        "Newest first: number, time (UTC), who put it and how, the keys with their sizes. How many versions are kept "
        "is keep_versions of the "
        "backend's configuration.",
    .positionals = kPositionals,
    .options = {},
    .run = RunHistory,
};

}  // namespace leasefs::cli
