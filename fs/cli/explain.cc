// `leasefs explain`: who may open what, and by which rule, as the enforcing code decides.
#include <grp.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "fs/base/strings.h"
#include "fs/cli/ask_daemon.h"
#include "fs/cli/table.h"
#include "fs/cli/verbs.h"
#include "fs/config/config_reader.h"

namespace leasefs::cli {
namespace {

struct Who {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
};

std::optional<uint32_t> AsNumber(const std::string& text) {
  uint32_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc() || end != text.data() + text.size() || number == UINT32_MAX) return std::nullopt;
  return number;
}

std::vector<gid_t> GroupsOf(const std::string& user, gid_t primary) {
  std::vector<gid_t> groups(64);
  int count = static_cast<int>(groups.size());
  while (getgrouplist(user.c_str(), primary, groups.data(), &count) < 0 && groups.size() < 65'536) {
    groups.resize(std::max(static_cast<size_t>(count), groups.size() * 2));
    count = static_cast<int>(groups.size());
  }
  groups.resize(static_cast<size_t>(std::max(count, 0)));
  return groups;
}

Outcome<Who> FindWho(const Arguments& arguments) {
  const std::string name = arguments.Value("--user").value_or("");
  if (name.empty()) return UsageFailure("whose access shall be explained?", "say --user USER, by name or number");
  const AccountDatabase& accounts = SystemAccounts();
  std::optional<RuleUser> user = accounts.User(name);
  if (const auto number = AsNumber(name); !user && number) user = accounts.UserByNumber(*number);
  if (!user)
    return UsageFailure(StrCat("there is no user '", Printable(name, 60), '\''),
                        "give a name that `getent passwd` knows, or a number");
  Who who{user->uid, user->primary_group, {}};
  if (!user->name.empty()) who.groups = GroupsOf(user->name, user->primary_group);
  for (const std::string& text : arguments.Values("--group")) {
    std::optional<RuleGroup> group = accounts.Group(text);
    if (const auto number = AsNumber(text); !group && number) group = accounts.GroupByNumber(*number);
    if (!group)
      return UsageFailure(StrCat("there is no group '", Printable(text, 60), '\''),
                          "give a name that `getent group` knows, or a number");
    who.groups.push_back(group->gid);
  }
  return who;
}

// PATH UID GID [GID,GID,…]…, each argument within the bounds of the control socket.
std::vector<std::string> AsRequest(const std::string& path, const Who& who) {
  constexpr size_t kLongest = 4000;
  std::vector<std::string> words = {path, std::to_string(who.uid), std::to_string(who.gid)};
  std::string list;
  for (const gid_t group : who.groups) {
    if (list.size() > kLongest) words.push_back(std::exchange(list, ""));
    list += StrCat(list.empty() ? "" : ",", group);
  }
  if (!list.empty()) words.push_back(list);
  return words;
}

Finished RunExplain(Context& context, const Arguments& arguments) {
  LEASEFS_ASSIGN_OR_RETURN(who, FindWho(arguments));
  LEASEFS_ASSIGN_OR_RETURN(answer, AskDaemon(context, "explain", AsRequest(arguments.Positional(0), who)));
  if (ShownAsJson(context, answer)) return Finish();
  Console& console = context.console;
  const JsonView& view = answer.view;
  const bool allowed = view["allowed"].Bool();
  console.Data(
      StrCat(console.Toned(allowed ? Console::Tone::kGood : Console::Tone::kBad, allowed ? "allowed" : "denied"), "  ",
             Printable(view["words"].Text(), 5000), '\n'));
  Table table({"", "RULE", "WHERE", "WHY"});
  for (const JsonView& rule : view["rules"].Items()) {
    if (!rule["covers"].Bool() && !rule["covers_directory"].Bool()) continue;
    table.Add({rule["decides"].Bool() ? "=>" : "", rule["text"].Text(), rule["location"].Text(), rule["why"].Text()});
  }
  if (!table.empty()) console.Data(StrCat('\n', table.ToString()));
  if (!view["exists"].Bool()) console.Words("(there is nothing at this path now, as far as the daemon has looked)");
  return Finish();
}

constexpr PositionalSpec kPositionals[] = {{.name = "PATH", .offer = Offer::kFile}};
constexpr OptionSpec kOptions[] = {
    {.name = "--user", .letter = 'u', .argument = "USER", .help = "who: a name or a number", .offer = Offer::kUser},
    {.name = "--group",
     .letter = 'g',
     .argument = "GROUP",
     .help = "a group beside those that the user has",
     .offer = Offer::kGroup,
     .repeats = true},
};

}  // namespace

const VerbSpec kExplain = {
    .group = "",
    .name = "explain",
    .summary = "say whether a user may open a path, and by which rule",
    .details =
        "Asks the code that decides about real opens, with the rules in force, for USER with the groups that the user "
        "database gives, and any "
        "--group besides. Shows the rule that decides with its file and line, and why the others that cover PATH do "
        "not. The exit status is 0 "
        "for both answers.",
    .positionals = kPositionals,
    .options = kOptions,
    .run = RunExplain,
};

}  // namespace leasefs::cli
