// `leasefs get`: what a secret holds, for root.
#include <algorithm>

#include "fs/base/strings.h"
#include "fs/cli/client.h"
#include "fs/cli/json_writer.h"
#include "fs/cli/places.h"
#include "fs/cli/replies.h"
#include "fs/cli/table.h"
#include "fs/cli/verbs.h"

namespace leasefs::cli {
namespace {

using store_admin::AdminReply;

// What a terminal would obey instead of showing.
bool HasControls(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\n' && c != '\t' && c != '\r') || byte == 0x7f;
  });
}

Finished ShowValue(Context& context, const protocol::Field& field, bool reveal) {
  Console& console = context.console;
  if (field.too_large) {
    return Failure{Exit::kDaemon, "too_large", StrCat(Printable(field.key), " is larger than limits.value"),
                   "raise limits.value in the configuration"};
  }
  if (!console.out_is_terminal()) {
    console.Data(field.value);
    return Finish();
  }
  if (!reveal) {
    console.Data(StrCat(console.utf8() ? "••••••••" : "********", "  (", ShowBytes(field.value.size()), ")\n"));
    console.Words("--reveal shows it; a pipe or a file gets it as it is");
    return Finish();
  }
  const std::string_view text = field.value.ExposeText();
  if (!IsValidUtf8(text) || HasControls(text)) {
    return UsageFailure(StrCat(Printable(field.key), " holds bytes that a terminal would obey, not show"),
                        "send it to a file or a program, for example | od -c");
  }
  console.Data(field.value);
  if (!text.ends_with('\n')) console.Data("\n");
  return Finish();
}

void ShowJson(Context& context, const Place& place, const AdminReply& reply, bool reveal) {
  JsonWriter writer;
  writer.BeginObject().Text("backend", place.backend).Text("path", place.path);
  writer.Number("version", reply.versions.empty() ? 0 : reply.versions.front()).BeginArray("keys");
  for (const protocol::Field& field : reply.fields) {
    writer.BeginObject().Text("key", field.key).Number("size", field.value.size());
    if (field.too_large) writer.Bool("too_large", true);
    if (reveal && !field.too_large) writer.Value("value", field.value);
    writer.EndObject();
  }
  context.console.Data(std::move(writer.EndArray().EndObject()).Take());
}

void ShowKeys(Context& context, const Place& place, const AdminReply& reply) {
  context.console.Words(
      StrCat(Printable(place.Name(), 4200), "  version ", reply.versions.empty() ? 0 : reply.versions.front()));
  Table table({"KEY", "SIZE"});
  for (const protocol::Field& field : reply.fields) {
    table.Add({field.key, field.too_large ? "too large" : ShowBytes(field.value.size())});
  }
  context.console.Data(table.ToString());
}

// The secret's path and the key are often written as one path, as on the mount.
Failure WithHint(Failure failure, const Place& place, const std::string& key) {
  const size_t slash = place.path.rfind('/');
  if (failure.code != ErrorKindName(ErrorKind::kNotFound) || !key.empty() || slash == std::string::npos) return failure;
  const Place secret{place.backend, place.socket, place.path.substr(0, slash)};
  failure.hint =
      StrCat("if ", Printable(place.path.substr(slash + 1)), " is a key: `leasefs get ", Printable(secret.Name()), " ",
             Printable(place.path.substr(slash + 1)), "`; `leasefs ls` shows what there is");
  return failure;
}

Finished RunGet(Context& context, const Arguments& arguments) {
  const std::string key = arguments.Value("--field").value_or(arguments.Positional(1));
  if (arguments.Has("--field") && !arguments.Positional(1).empty()) {
    return UsageFailure("the key is given twice", "as KEY or with --field, not both");
  }
  store_admin::AdminRequest request;
  request.verb = store_admin::Verb::kGet;
  if (const auto text = arguments.Value("--version")) {
    LEASEFS_ASSIGN_OR_RETURN(version, ParseVersion(*text));
    request.version = version;
  }
  LEASEFS_ASSIGN_OR_RETURN(place, FindPlace(context, arguments.Positional(0), Root::kRefused));
  request.path = place.path;
  if (!key.empty()) request.keys.push_back(key);
  auto asked = AskStore(place.socket, request);
  if (!asked.ok()) return WithHint(std::move(asked).error(), place, key);
  const AdminReply& reply = *asked;

  const bool reveal = arguments.Has("--reveal");
  if (context.settings.json) {
    ShowJson(context, place, reply, reveal);
    return Finish();
  }
  if (key.empty()) {
    ShowKeys(context, place, reply);
    return Finish();
  }
  if (reply.fields.size() != 1 || reply.fields[0].key != key) {
    return Failure{Exit::kDaemon, "not_found",
                   StrCat("there is no key ", Printable(key), " in ", Printable(place.Name())),
                   StrCat("`leasefs get ", Printable(place.Name()), "` lists its keys")};
  }
  return ShowValue(context, reply.fields[0], reveal);
}

constexpr PositionalSpec kPositionals[] = {{.name = "[BACKEND:]PATH", .offer = Offer::kSecret},
                                           {.name = "KEY", .required = false}};
constexpr OptionSpec kOptions[] = {
    {.name = "--version", .argument = "N", .help = "this version, not the current one"},
    {.name = "--field", .argument = "KEY", .help = "the same as KEY"},
    {.name = "--reveal", .help = "show values on a terminal, and put them into JSON"},
};

}  // namespace

const VerbSpec kGet = {
    .group = "",
    .name = "get",
    .summary = "show the keys of a secret, or one value (root only, recorded)",
    .details =
        "With KEY: the value on standard output, byte for byte, nothing added. On a terminal it is masked unless "
        "--reveal is given. "
        "Without KEY: the names and sizes of the keys.\n"
        "\n"
        "With -o json values are there only with --reveal: as strings, or in base64 with \"encoding\":\"base64\" where "
        "they are not UTF-8.",
    .positionals = kPositionals,
    .options = kOptions,
    .touches_values = true,
    .run = RunGet,
};

}  // namespace leasefs::cli
