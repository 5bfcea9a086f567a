// `leasefs ls`: the names in a store.
#include <algorithm>

#include "fs/base/limits.h"
#include "fs/base/strings.h"
#include "fs/cli/client.h"
#include "fs/cli/json_writer.h"
#include "fs/cli/places.h"
#include "fs/cli/verbs.h"

namespace leasefs::cli {
namespace {

using protocol::EntryKind;

void ShowJson(Context& context, const Place& place, const store_admin::AdminReply& reply, bool recursive) {
  JsonWriter writer;
  writer.BeginObject().Text("backend", place.backend).Text("path", place.path);
  if (recursive) {
    writer.BeginArray("secrets");
    for (const std::string& path : reply.paths) writer.Text("", path);
  } else {
    writer.BeginArray("entries");
    for (const protocol::Entry& entry : reply.entries) {
      writer.BeginObject()
          .Text("name", entry.name)
          .Text("kind", entry.kind == EntryKind::kKey ? "key" : "folder")
          .EndObject();
    }
  }
  context.console.Data(std::move(writer.EndArray().EndObject()).Take());
}

Finished RunLs(Context& context, const Arguments& arguments) {
  LEASEFS_ASSIGN_OR_RETURN(place, FindPlace(context, arguments.Positional(0), Root::kAllowed));
  store_admin::AdminRequest request;
  request.verb = store_admin::Verb::kList;
  request.path = place.path;
  request.recursive = arguments.Has("--recursive");
  LEASEFS_ASSIGN_OR_RETURN(reply, AskStore(place.socket, request));
  std::sort(reply.entries.begin(), reply.entries.end(),
            [](const protocol::Entry& a, const protocol::Entry& b) { return a.name < b.name; });
  if (context.settings.json) {
    ShowJson(context, place, reply, request.recursive);
    return Finish();
  }
  std::string text;
  for (const std::string& path : reply.paths) text += StrCat(Printable(path, kMaxPathBytes * 4), '\n');
  for (const protocol::Entry& entry : reply.entries) {
    text += StrCat(Printable(entry.name, kMaxPathBytes * 4), entry.kind == EntryKind::kFolder ? "/" : "", '\n');
  }
  context.console.Data(text);
  if (text.empty()) context.console.Words(StrCat("nothing is stored in ", Printable(place.Name(), kMaxPathBytes)));
  return Finish();
}

constexpr PositionalSpec kPositionals[] = {{.name = "[BACKEND:]PATH", .required = false, .offer = Offer::kSecret}};
constexpr OptionSpec kOptions[] = {
    {.name = "--recursive", .letter = 'r', .help = "all secrets below, one path a line"}};

}  // namespace

const VerbSpec kLs = {
    .group = "",
    .name = "ls",
    .summary = "list what a store has at a path",
    .details = "Names, one a line: keys as they are, folders and secrets with a '/' behind. Values are not touched.",
    .positionals = kPositionals,
    .options = kOptions,
    .run = RunLs,
};

}  // namespace leasefs::cli
