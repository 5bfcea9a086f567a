// `leasefs check-config`: reads the configuration as the daemon does.
#include <unistd.h>

#include "fs/base/strings.h"
#include "fs/cli/json_writer.h"
#include "fs/cli/table.h"
#include "fs/cli/verbs.h"
#include "fs/config/config_reader.h"

namespace leasefs::cli {
namespace {

Finished RunCheckConfig(Context& context, const Arguments& arguments) {
  const std::string path = arguments.positionals.empty() ? context.settings.config_path : arguments.positionals[0];
  ConfigFileRules rules;
  if (geteuid() == 0) rules.key_files = KeyFileCheck::kAll;  // nobody else can look at them
  const Result<Config> config = LoadConfig(path, SystemAccounts(), rules);
  if (!config.ok()) {
    const std::string& text = config.error().message();
    const auto lines = Split(text, '\n').size();
    return Failure{Exit::kConfiguration, "configuration", text,
                   lines > 1 ? StrCat(lines, " errors; correct them: until then a reload changes nothing")
                             : "correct it: until then a reload changes nothing"};
  }
  if (context.settings.json) {
    JsonWriter writer;
    writer.BeginObject().Text("file", path).Bool("ok", true).Number("backends", config.value().backends.size());
    writer.Number("trees", config.value().trees.size())
        .Number("rules", config.value().rules.size())
        .BeginArray("warnings");
    for (const std::string& warning : config.value().warnings) writer.Text("", warning);
    context.console.Data(std::move(writer.EndArray().EndObject()).Take());
    return Finish();
  }
  for (const std::string& warning : config.value().warnings) context.console.Warning(warning);
  if (!context.console.quiet()) {
    context.console.Data(StrCat(Printable(path, 1000), ": good: ", Count(config.value().backends.size(), "backend"),
                                ", ", Count(config.value().trees.size(), "tree"), ", ",
                                Count(config.value().rules.size(), "rule"), ", ",
                                Count(config.value().warnings.size(), "warning"), '\n'));
  }
  return Finish();
}

constexpr PositionalSpec kPositionals[] = {{.name = "FILE", .required = false, .offer = Offer::kFile}};

}  // namespace

const VerbSpec kCheckConfig = {
    .group = "",
    .name = "check-config",
    .summary = "read the configuration and say what is wrong with it",
    .details =
        "Without FILE: the file that --config names. All problems are shown, each with file, line and column. Exit "
        "status 0 or 78. The daemon need "
        "not run; `leasefs reload` makes it take over a good configuration.",
    .positionals = kPositionals,
    .options = {},
    .run = RunCheckConfig,
};

}  // namespace leasefs::cli
