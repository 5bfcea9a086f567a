// `leasefs status`: how the daemon is, on one screen.
#include "fs/base/strings.h"
#include "fs/cli/ask_daemon.h"
#include "fs/cli/table.h"
#include "fs/cli/verbs.h"

namespace leasefs::cli {
namespace {

using Tone = Console::Tone;

constexpr size_t kMaxRows = 5;  // of backends, trees: at most 20 lines in all

std::string Line(std::string_view label, std::string_view text) {
  return StrCat(label, std::string(10 - label.size(), ' '), Printable(text, 400), '\n');
}

std::string More(size_t count, std::string_view label) {
  return count <= kMaxRows ? "" : Line(label, StrCat("and ", count - kMaxRows, " more: -o json shows all"));
}

std::string ShowLogins(const JsonView& told) {
  std::string text;
  for (const JsonView& identity : told["identities"].Items()) {
    const bool fails = !identity["problem"].Text().empty();  // else nobody has asked for anything yet
    std::string words = identity["logged_in"].Bool() ? "logged in" : fails ? "NOT LOGGED IN" : "not logged in";
    if (!identity["name"].Text().empty()) words = StrCat(identity["name"].Text(), ": ", words);
    if (identity["token_ends"].present()) words += StrCat(", token until ", identity["token_ends"].Text());
    text += Line("", words);
  }
  return text;
}

std::string ShowLeases(const JsonView& told) {
  const auto leases = told["leases"].Items();
  std::string text =
      Line("", StrCat(Count(leases.size() + told["more_leases"].Number(), "lease"), "; ", told["mints"].Number(),
                      " minted, ", told["renewals"].Number(), " renewed, ", told["revocations"].Number(), " revoked, ",
                      told["orphans"].Number(), " orphaned"));
  if (!told["note"].Text().empty()) text += Line("", told["note"].Text());
  for (size_t i = 0; i < leases.size() && i < kMaxRows; ++i) {
    std::string words = leases[i]["path"].Text();
    if (leases[i]["ends"].present()) words += StrCat("  until ", leases[i]["ends"].Text());
    if (!leases[i]["renewable"].Bool()) words += "  not renewable";
    if (!leases[i]["current"].Bool()) words += "  superseded";
    text += Line("  lease", words);
  }
  return text + More(leases.size(), "");
}

std::string ShowBackends(const JsonView& status) {
  std::string text;
  const auto backends = status["backends"].Items();
  for (size_t i = 0; i < backends.size() && i < kMaxRows; ++i) {
    const JsonView& backend = backends[i];
    std::string words = StrCat(backend["name"].Text(), "  ", backend["kind"].Text(), "  ", backend["state"].Text());
    if (backend["since"].present()) words += StrCat(" since ", backend["since"].Text());
    words += StrCat("  ", Count(backend["held"].Number(), "value"), " held");
    if (!backend["message"].Text().empty()) words += StrCat("  ", backend["message"].Text());
    text += Line("backend", words);
    if (backend["report"].present()) text += ShowLogins(backend["report"]) + ShowLeases(backend["report"]);
  }
  return text + More(backends.size(), "");
}

std::string ShowTrees(const JsonView& status) {
  std::string text;
  const auto trees = status["trees"].Items();
  for (size_t i = 0; i < trees.size() && i < kMaxRows; ++i) {
    const JsonView& tree = trees[i];
    std::string words = StrCat(tree["path"].Text(), "  from ", tree["backend"].Text(), ':', tree["source"].Text(), "  ",
                               Count(tree["files"].Number(), "file"), " seen, ", tree["held"].Number(), " held");
    for (const char* figure : {"stale", "failed", "leases"}) {
      if (tree[figure].Number() > 0) words += StrCat(", ", tree[figure].Number(), ' ', figure);
    }
    if (tree["next_lease_end"].present()) words += StrCat(", the next ends ", tree["next_lease_end"].Text());
    text += Line("tree", words);
  }
  return text + More(trees.size(), "");
}

std::string ShowAudit(const JsonView& audit) {
  std::string words = Count(audit["recorded"].Number(), "record");
  for (const JsonView& sink : audit["sinks"].Items()) {
    words += StrCat("  ", sink["name"].Text(), ' ', sink["target"].Text(), ' ', sink["up"].Bool() ? "up" : "DOWN");
    if (sink["behind"].Number() > 0) words += StrCat(" (", sink["behind"].Number(), " behind)");
  }
  if (audit["refused"].Number() > 0) words += StrCat("  ", Count(audit["refused"].Number(), "open"), " refused");
  return Line("audit", words);
}

std::string ShowMemory(const JsonView& memory) {
  return Line(
      "memory",
      StrCat(ShowBytes(memory["arena_used"].Number()), " in use, ", memory["locked"].Bool() ? "locked" : "NOT LOCKED",
             "; values ", ShowBytes(memory["sealed_bytes"].Number()), " sealed of at most ",
             ShowBytes(memory["values_limit"].Number()), "; state ", ShowBytes(memory["state_bytes"].Number())));
}

std::string ShowCounters(const JsonView& status) {
  const JsonView counters = status["counters"];
  return Line("opens", StrCat(counters["opens"].Number(), " allowed, ", counters["denied"].Number(), " denied, ",
                              counters["failed"].Number(), " failed; ", counters["waiting"].Number(), " waiting, ",
                              Count(counters["handles"].Number(), "handle"), " open")) +
         Line("asked", StrCat(counters["fetches"].Number(), " fetches", ", ",
                              Count(counters["publications"].Number(), "new version"), "; ",
                              Count(counters["names"].Number(), "name")));
}

Finished RunStatus(Context& context, const Arguments&) {
  LEASEFS_ASSIGN_OR_RETURN(answer, AskDaemon(context, "status", {}));
  if (ShownAsJson(context, answer)) return Finish();
  Console& console = context.console;
  const JsonView& status = answer.view;
  const bool good = status["state"].Text() == "ok";
  std::string text = StrCat("leasefsd ", Printable(status["version"].Text(), 40), "  ",
                            console.Toned(good ? Tone::kGood : Tone::kUneasy, Printable(status["state"].Text(), 40)),
                            "  pid ", status["pid"].Number(), "  up ", ShowDuration(status["uptime_s"].Number()), '\n');
  text += Line("mount", status["mount"].Text());
  text +=
      Line("rules", StrCat(status["rules"]["count"].Number(), ", generation ", status["rules"]["generation"].Number()));
  text += ShowBackends(status) + ShowTrees(status) + ShowCounters(status) + ShowAudit(status["audit"]) +
          ShowMemory(status["memory"]);
  const auto problems = status["problems"].Items();
  if (!problems.empty()) text += StrCat(console.Toned(Tone::kStrong, "problems"), '\n');
  for (const JsonView& problem : problems)
    text += StrCat("  ", console.Toned(Tone::kUneasy, "!"), ' ', Printable(problem.Text(), 1000), '\n');
  for (const JsonView& warning : status["warnings"].Items())
    text += StrCat("  configuration: ", Printable(warning.Text(), 1000), '\n');
  console.Data(text);
  return Finish();
}

}  // namespace

const VerbSpec kStatus = {
    .group = "",
    .name = "status",
    .summary = "show the state of the daemon, and what is wrong",
    .details =
        "State, backends, trees, opens, audit and memory on one screen, then each problem with what to do about it. -o "
        "json gives all of it. "
        "Exit status 0 when the daemon answers, degraded or not; 2 when it does not.",
    .positionals = {},
    .options = {},
    .run = RunStatus,
};

}  // namespace leasefs::cli
