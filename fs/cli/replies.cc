#include "fs/cli/replies.h"

#include <charconv>

#include "fs/base/strings.h"
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
