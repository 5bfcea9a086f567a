#include "fs/cli/replies.h"

#include <algorithm>
#include <charconv>

#include "fs/base/strings.h"
#include "fs/cli/ask_daemon.h"
#include "fs/cli/json_writer.h"

namespace leasefs::cli {

void WarnIfNotApplied(Context& context, const store_admin::AdminReply& reply) {
  if (reply.applied) return;
  context.console.Warning("it is stored, but the mount has not confirmed that it shows it: `leasefs status` says why");
}

void ShowNewVersion(Context& context, const Place& place, const store_admin::AdminReply& reply) {
  const uint64_t version = reply.versions.empty() ? 0 : reply.versions.front();
  if (context.settings.json) {
    JsonWriter writer;
    writer.BeginObject().Text("backend", place.backend).Text("path", place.path).Number("version", version);
    context.console.Data(std::move(writer.Bool("applied", reply.applied).EndObject()).Take());
  } else if (!context.console.quiet()) {
    context.console.Data(StrCat(Printable(place.Name(), 4200), "  version ", version, '\n'));
  }
  WarnIfNotApplied(context, reply);
}

void WarnIfShownNowhere(Context& context, const std::string& backend, const std::vector<std::string>& secrets) {
  auto answer = AskDaemon(context, "trees", {});
  if (!answer.ok()) return;
  const std::vector<JsonView> trees = answer->view["trees"].Items();
  const auto shown = [&](const std::string& secret) {
    return std::any_of(trees.begin(), trees.end(), [&](const JsonView& tree) {
      const std::string source = tree["source"].Text();
      return tree["backend"].Text() == backend &&
             (source.empty() || secret == source || secret.starts_with(source + "/"));
    });
  };
  const auto missing = std::find_if_not(secrets.begin(), secrets.end(), shown);
  if (missing == secrets.end()) return;
  const std::string top = missing->substr(0, missing->find('/'));
  context.console.Warning(StrCat("no [[tree]] shows ", backend, ":", Printable(*missing, 1000),
                                 ": it is stored, and nobody can open it; a tree with source = \"", backend, ":",
                                 Printable(top), "\" would show it"));
}

Outcome<uint64_t> ParseVersion(const std::string& text) {
  uint64_t version = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), version);
  if (problem != std::errc() || end != text.data() + text.size() || version == 0) {
    return UsageFailure(StrCat("'", Printable(text, 40), "' is not the number of a version"),
                        "`leasefs history PATH` lists them");
  }
  return version;
}

}  // namespace leasefs::cli
