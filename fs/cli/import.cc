// `leasefs import`: many secrets at once, from a .env, a JSON object or a directory of files.
#include <sys/stat.h>

#include "fs/base/limits.h"
#include "fs/base/strings.h"
#include "fs/cli/client.h"
#include "fs/cli/import_source.h"
#include "fs/cli/json_writer.h"
#include "fs/cli/places.h"
#include "fs/cli/progress.h"
#include "fs/cli/read_file.h"
#include "fs/cli/replies.h"
#include "fs/cli/table.h"
#include "fs/cli/verbs.h"

namespace leasefs::cli {
namespace {

enum class Format { kEnv, kJson, kDirectory };

constexpr std::string_view kUnreadable = "name a file or directory that you can read, at most 64 MiB long";

Outcome<std::optional<Format>> NamedFormat(const Arguments& arguments) {
  const auto name = arguments.Value("--format");
  if (!name) return std::optional<Format>();
  if (*name == "env") return std::optional(Format::kEnv);
  if (*name == "json") return std::optional(Format::kJson);
  if (*name == "dir") return std::optional(Format::kDirectory);
  return UsageFailure(StrCat("--format: there is no format '", Printable(*name, 40), "'"), "say env, json or dir");
}

// By the name, else by the first byte that says something.
Format GuessFormat(std::string_view name, const SecretBuffer& text) {
  if (name.ends_with(".json")) return Format::kJson;
  if (name.ends_with(".env")) return Format::kEnv;
  const size_t first = text.ExposeText().find_first_not_of(" \t\r\n\xEF\xBB\xBF");
  return first != std::string_view::npos && text.ExposeText()[first] == '{' ? Format::kJson : Format::kEnv;
}

Outcome<std::unique_ptr<ImportSource>> OpenSource(Context& context, const Arguments& arguments) {
  const std::string name = arguments.Positional(0);
  LEASEFS_ASSIGN_OR_RETURN(format, NamedFormat(arguments));
  struct stat info {};
  const bool directory = name != "-" && stat(name.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
  if (format && (*format == Format::kDirectory) != directory) {
    return UsageFailure(StrCat(Printable(name), directory ? " is a directory" : " is not a directory"),
                        "leave --format out, or name something else");
  }
  if (directory) return Local(OpenDirectory(name), "nothing was imported; correct it and try again");
  auto text = name == "-"
                  ? Local(ReadToEnd(context.console.in(), "standard input", kMaxImportFile), std::string(kUnreadable))
                  : Local(ReadWholeFile(name, kMaxImportFile, Printable(name)), std::string(kUnreadable));
  if (!text.ok()) return std::move(text).error();
  const std::string shown = name == "-" ? "standard input" : name;
  auto source =
      format.value_or(GuessFormat(name, *text)) == Format::kJson ? OpenJson(shown, *text) : OpenDotenv(shown, *text);
  return Local(std::move(source), "nothing was imported; correct that line and try again");
}

// One request's worth of secrets: indexes [first, last) of the source.
struct Batch {
  size_t first = 0;
  size_t last = 0;
};

struct Plan {
  std::string prefix;
  bool replace = false;
  std::vector<std::string> paths;  // in the store, for each secret of the source
  std::vector<Batch> batches;
  uint64_t keys = 0;
  uint64_t bytes = 0;
};

// What one secret takes in a request, at most.
uint64_t EncodedBytes(const std::string& path, const ImportSource::Secret& secret) {
  uint64_t bytes = path.size() + 64;
  for (const auto& [key, size] : secret.keys) bytes += key.size() + size + 32;
  return bytes;
}

Finished CheckSecret(const std::string& path, const ImportSource::Secret& secret) {
  if (path.empty()) {
    return UsageFailure("some keys would belong to no secret", "say to which with --to [BACKEND:]PATH");
  }
  if (!protocol::IsValidPath(path)) {
    return UsageFailure(StrCat("'", Printable(path), "' is too long for a secret"),
                        StrCat("a path has at most ", kMaxPathBytes, " bytes"));
  }
  uint64_t bytes = 0;
  for (const auto& [key, size] : secret.keys) bytes += size;
  if (bytes <= kMaxSecretBytes) return Finish();
  return Failure{Exit::kLocal, "too_large",
                 StrCat(Printable(path), ": more than ", kMaxSecretBytes, " bytes in one secret"), "divide it"};
}

Outcome<Plan> MakePlan(const ImportSource& source, const std::string& prefix) {
  // A request holds more than that; the rest is for its own fields.
  constexpr uint64_t kBatchBytes = store_admin::kMaxAdminPayload - (size_t{1} << 20);
  Plan plan;
  plan.prefix = prefix;
  uint64_t in_batch = 0;
  for (size_t i = 0; i < source.secrets().size(); ++i) {
    const ImportSource::Secret& secret = source.secrets()[i];
    const std::string path =
        prefix.empty() || secret.path.empty() ? prefix + secret.path : StrCat(prefix, '/', secret.path);
    LEASEFS_RETURN_IF_ERROR(CheckSecret(path, secret));
    const uint64_t bytes = EncodedBytes(path, secret);
    if (plan.batches.empty() || in_batch + bytes > kBatchBytes ||
        i - plan.batches.back().first >= store_admin::kMaxPuts) {
      plan.batches.push_back({i, i});
      in_batch = 0;
    }
    in_batch += bytes;
    plan.batches.back().last = i + 1;
    plan.keys += secret.keys.size();
    for (const auto& [key, size] : secret.keys) plan.bytes += size;
    plan.paths.push_back(path);
  }
  if (plan.paths.empty()) return UsageFailure("there is nothing to import", "the file or directory has no keys");
  return plan;
}

void ShowPlan(Context& context, const ImportSource& source, const Plan& plan, const std::string& backend) {
  if (!context.settings.json) {
    Table table({"SECRET", "KEY", "SIZE"});
    for (size_t i = 0; i < plan.paths.size(); ++i) {
      for (const auto& [key, size] : source.secrets()[i].keys) table.Add({plan.paths[i], key, ShowBytes(size)});
    }
    context.console.Data(table.ToString());
    context.console.Words(StrCat("would import ", Count(plan.keys, "key"), " of ", Count(plan.paths.size(), "secret"),
                                 "; nothing was changed"));
    return;
  }
  JsonWriter writer;
  writer.BeginObject().Bool("dry_run", true);
  if (!backend.empty()) writer.Text("backend", backend);
  writer.BeginArray("secrets");
  for (size_t i = 0; i < plan.paths.size(); ++i) {
    writer.BeginObject().Text("path", plan.paths[i]).BeginArray("keys");
    for (const auto& [key, size] : source.secrets()[i].keys)
      writer.BeginObject().Text("key", key).Number("size", size).EndObject();
    writer.EndArray().EndObject();
  }
  context.console.Data(std::move(writer.EndArray().EndObject()).Take());
}

Finished SendBatch(ImportSource& source, const Plan& plan, const Batch& batch, const Place& place, bool* applied,
                   Progress& progress) {
  store_admin::AdminRequest request;
  request.verb = store_admin::Verb::kImport;
  request.path = plan.prefix;
  for (size_t i = batch.first; i < batch.last; ++i) {
    LEASEFS_ASSIGN_OR_RETURN(fields, Local(source.Take(i), "it changed while it was read: try again"));
    request.puts.push_back({.secret = plan.paths[i], .fields = std::move(fields), .replace = plan.replace});
    progress.Advance(i + 1);
  }
  LEASEFS_ASSIGN_OR_RETURN(reply, AskStore(place.socket, request, kPatient));
  *applied &= reply.applied;
  return Finish();
}

void ShowResult(Context& context, const Plan& plan, const Place& place, bool applied) {
  if (context.settings.json) {
    JsonWriter writer;
    writer.BeginObject().Text("backend", place.backend).Number("secrets", plan.paths.size()).Number("keys", plan.keys);
    writer.Number("bytes", plan.bytes).Number("requests", plan.batches.size()).Bool("applied", applied);
    context.console.Data(std::move(writer.EndObject()).Take());
  }
  context.console.Words(StrCat("imported ", Count(plan.keys, "key"), " of ", Count(plan.paths.size(), "secret"), ", ",
                               ShowBytes(plan.bytes), ", into ", place.backend, plan.prefix.empty() ? "" : ":",
                               Printable(plan.prefix, 1000)));
  store_admin::AdminReply reply;
  reply.applied = applied;
  WarnIfNotApplied(context, reply);
  WarnIfShownNowhere(context, place.backend, plan.paths);
}

Finished RunImport(Context& context, const Arguments& arguments) {
  LEASEFS_ASSIGN_OR_RETURN(to, ParsePlaceText(arguments.Value("--to").value_or("")));
  LEASEFS_ASSIGN_OR_RETURN(source, OpenSource(context, arguments));
  LEASEFS_ASSIGN_OR_RETURN(plan, MakePlan(*source, to.path));
  plan.replace = arguments.Has("--replace");
  if (arguments.Has("--dry-run")) {
    ShowPlan(context, *source, plan, to.backend);
    return Finish();
  }
  LEASEFS_ASSIGN_OR_RETURN(place, FindStore(context, to.backend));
  LEASEFS_ASSIGN_OR_RETURN(clock, Local(FdLoop::Create(), "is the limit of open files reached?"));
  if (plan.batches.size() > 1) {
    context.console.Words(
        StrCat("too much for one request: ", plan.batches.size(), " requests, each of them all or nothing"));
  }
  bool applied = true;
  {
    Progress progress(context.console, *clock, "import", plan.paths.size());
    for (const Batch& batch : plan.batches) {
      Finished sent = SendBatch(*source, plan, batch, place, &applied, progress);
      if (sent.ok()) continue;
      Failure failure = std::move(sent).error();
      failure.message += batch.first == 0
                             ? "; nothing was imported"
                             : StrCat("; of ", plan.paths.size(), " secrets ", batch.first, " were imported");
      return failure;
    }
  }
  ShowResult(context, plan, place, applied);
  return Finish();
}

constexpr PositionalSpec kPositionals[] = {{.name = "FILE|DIRECTORY", .offer = Offer::kFile}};
constexpr OptionSpec kOptions[] = {
    {.name = "--to",
     .argument = "[BACKEND:]PATH",
     .help = "the secret, or the folder of the secrets",
     .offer = Offer::kSecret},
    {.name = "--format", .argument = "FORMAT", .help = "env, json or dir (by name and content)"},
    {.name = "--replace", .help = "the keys imported are the only ones of their secrets from now on"},
    {.name = "--dry-run", .help = "only read, check, and show what would be stored"},
};

}  // namespace

const VerbSpec kImport = {
    .group = "",
    .name = "import",
    .summary = "store a .env, a JSON object or a directory of files",
    .details =
        "env    lines NAME=VALUE: the keys of the secret --to. Quotes, escapes, comments and `export` are understood; "
        "variables are not expanded, "
        "what other readers would expand is an error.\n"
        "json   {\"key\": value}: the keys of the secret --to; {\"secret\": {\"key\": value}}: secrets below --to. "
        "Strings are stored as they are, "
        "anything else as compact JSON, numbers exactly as written.\n"
        "dir    each file one key of the secret --to, each directory a secret below. Links are not followed.\n"
        "\n"
        "FILE may be - (standard input). Each secret gets one new version; keys that it has and the import has not "
        "stay, unless --replace is given. "
        "All is checked first. What fits into one request (31 MiB) is imported all or nothing; more than that goes in "
        "several.",
    .positionals = kPositionals,
    .options = kOptions,
    .touches_values = true,
    .run = RunImport,
};

}  // namespace leasefs::cli
