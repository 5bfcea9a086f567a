#include "fs/cli/run.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#include <algorithm>

#include "fs/base/strings.h"
#include "fs/cli/help.h"
#include "fs/cli/parse.h"

namespace leasefs::cli {
namespace {

std::optional<std::string> OptionOrVariable(const Arguments& arguments, const Environment& environment,
                                            std::string_view option, const std::string& variable) {
  if (auto value = arguments.Value(option)) return value;
  auto value = environment(variable);
  if (value && value->empty()) value.reset();
  return value;
}

Outcome<bool> WantsJson(const Arguments& arguments, const Environment& environment) {
  const auto format = OptionOrVariable(arguments, environment, "--output", "LEASEFS_FORMAT");
  if (!format || *format == "table") return false;
  if (*format == "json") return true;
  const char* where = arguments.Has("--output") ? "--output" : "LEASEFS_FORMAT";
  return UsageFailure(StrCat(where, ": there is no format '", Printable(*format, 40), '\''), "say table or json");
}

// Before the command line is understood: errors of it should have the wished form too.
bool LooksLikeJson(const Invocation& invocation) {
  const auto& words = invocation.words;
  for (size_t i = 0; i < words.size() && words[i] != "--"; ++i) {
    if (words[i] == "-ojson" || words[i] == "--output=json") return true;
    if ((words[i] == "-o" || words[i] == "--output") && i + 1 < words.size()) return words[i + 1] == "json";
  }
  return invocation.environment("LEASEFS_FORMAT").value_or("") == "json";
}

// SECURITY: values are about to come into this process: no core file, no ptrace by others of the same user.
void ForbidDumps() {
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  const rlimit none{};
  setrlimit(RLIMIT_CORE, &none);
}

Finished Perform(Console& console, const CommandLine& line, const Environment& environment, bool* json) {
  Settings settings;
  LEASEFS_ASSIGN_OR_RETURN(wants_json, WantsJson(line.arguments, environment));
  settings.json = *json = wants_json;
  if (auto path = OptionOrVariable(line.arguments, environment, "--config", "LEASEFS_CONFIG")) {
    settings.config_path = *path;
    settings.config_named = true;
  }
  settings.socket_dir = OptionOrVariable(line.arguments, environment, "--socket-dir", "LEASEFS_RUN");
  console.SetQuiet(line.arguments.Has("--quiet"));
  if (line.arguments.Has("--no-color")) console.SetColor(false);

  if (line.help || line.verb == nullptr) {
    if (line.verb == nullptr && !line.help)
      return UsageFailure("what shall be done?", "`leasefs help` lists the verbs");
    console.Data(line.verb == nullptr ? OverviewHelp() : VerbHelp(*line.verb, console.width()));
    return Finish();
  }
  if (line.verb->touches_values) ForbidDumps();
  Context context{console, settings};
  return line.verb->run(context, line.arguments);
}

}  // namespace

int Run(const Invocation& invocation) {
  Console console(invocation.descriptors, invocation.environment);
  bool json = LooksLikeJson(invocation);
  auto line = ParseCommandLine(invocation.words);
  Finished finished =
      line.ok() ? Perform(console, *line, invocation.environment, &json) : Finished(std::move(line).error());
  if (finished.ok() && console.write_failed()) {
    finished = Failure{Exit::kLocal, "output", "standard output did not take everything",
                       "is the disk full, or the reader gone?"};
  }
  if (finished.ok()) return static_cast<int>(Exit::kOk);
  console.Report(finished.error(), json);
  return static_cast<int>(finished.error().exit);
}

}  // namespace leasefs::cli
