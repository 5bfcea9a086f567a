// `leasefs stat`: what the daemon knows of one path on the mount.
#include "fs/base/strings.h"
#include "fs/cli/ask_daemon.h"
#include "fs/cli/table.h"
#include "fs/cli/verbs.h"

namespace leasefs::cli {
namespace {

std::string Line(std::string_view label, const std::string& text) {
  return text.empty() ? "" : StrCat(label, std::string(12 - label.size(), ' '), Printable(text, 5000), '\n');
}

std::string ShowVersion(const JsonView& stat) {
  if (stat["secret_version"].Number() == 0) return "not fetched yet";
  std::string text = StrCat(stat["secret_version"].Number(), " of the secret");
  if (stat["version"].Number() != 0) text = StrCat(stat["version"].Number(), " of the file, ", text);
  return text;
}

std::string ShowSize(const JsonView& stat) {
  if (stat["too_large"].Bool()) return "larger than limits.value: opens fail with EFBIG";
  if (stat["known"].Bool()) return ShowBytes(stat["size"].Number());
  return stat["minted"].Bool() ? "not known before an open: nothing is held" : "not known yet: nobody has opened it";
}

std::string ShowFreshness(const JsonView& stat) {
  std::string text = stat["freshness"].Text();
  for (const auto& [member, words] :
       {std::pair("fresh_until", "fresh until"), {"stale_until", "served until"}, {"lease_end", "lease until"}}) {
    if (stat[member].present()) text += StrCat(", ", words, ' ', stat[member].Text());
  }
  return text;
}

std::string ShowLease(const JsonView& lease) {
  std::string text = StrCat(lease["current"].Bool() ? "current" : "superseded", ", minted ", lease["minted"].Text());
  if (lease["ends"].present()) text += StrCat(", until ", lease["ends"].Text());
  text += lease["renewable"].Bool() ? ", renewable" : ", not renewable";
  return lease["problem"].Text().empty() ? text : StrCat(text, ": ", lease["problem"].Text());
}

Finished RunStat(Context& context, const Arguments& arguments) {
  LEASEFS_ASSIGN_OR_RETURN(answer, AskDaemon(context, "stat", arguments.positionals));
  if (ShownAsJson(context, answer)) return Finish();
  const JsonView& stat = answer.view;
  const bool file = stat["kind"].Text() == "file";
  const JsonView owner = stat["owner"];
  std::string text = Line("path", stat["path"].Text().empty() ? "(the mount)" : stat["path"].Text());
  text += Line("kind", stat["kind"].Text());
  if (stat["backend"].present() && !stat["backend"].Text().empty()) {
    text += Line("source", StrCat(stat["backend"].Text(), ':', stat["source"].Text()));
    text += Line("version", ShowVersion(stat));
  }
  if (file) text += Line("size", ShowSize(stat));
  if (owner.present())
    text += Line("owner", StrCat(owner["uid"].Text(), ':', owner["gid"].Text(), "  mode ", owner["mode"].Text()));
  if (stat["secret_version"].Number() != 0) {
    text += Line("fetched", stat["fetched"].Text());
    text += Line("freshness", ShowFreshness(stat));
  } else if (stat["lease_end"].present()) {
    text += Line("lease", StrCat("ended ", stat["lease_end"].Text()));
  }
  text += Line("status", stat["status"].Text());
  for (const JsonView& lease : stat["leases"].Items()) text += Line("lease", ShowLease(lease));
  if (file) text += Line("open", Count(stat["open_handles"].Number(), "handle"));
  context.console.Data(text);
  return Finish();
}

constexpr PositionalSpec kPositionals[] = {{.name = "PATH", .offer = Offer::kFile}};

}  // namespace

const VerbSpec kStat = {
    .group = "",
    .name = "stat",
    .summary = "show what is known of a path on the mount",
    .details =
        "PATH is on the mount: absolute, or relative to it. Shows where it comes from, its version, size, owner and "
        "mode, how "
        "fresh it is and who holds it open. Nothing is fetched for it.",
    .positionals = kPositionals,
    .options = {},
    .run = RunStat,
};

}  // namespace leasefs::cli
