// What is on the mount and who may open it: [[tree]] and [[allow]].
#include <algorithm>
#include <limits>
#include <utility>

#include "fs/base/strings.h"
#include "fs/config/bounds.h"
#include "fs/config/sections.h"
#include "fs/config/value_text.h"

namespace leasefs {
namespace {

using Type = TomlValue::Type;

// A user or a group, as a name or a number. Number: a uid_t or gid_t but -1, which the kernel gives to nobody.
template <class Account>
struct AccountKind {
  std::string_view word;  // "user"
  std::function<std::optional<Account>(const std::string&)> by_name;
  std::function<Account(uint32_t)> by_number;
};

AccountKind<RuleUser> Users(const AccountDatabase& accounts) {
  return {"user", [&accounts](const std::string& name) { return accounts.User(name); },
          [&accounts](uint32_t number) { return accounts.UserByNumber(number); }};
}

AccountKind<RuleGroup> Groups(const AccountDatabase& accounts) {
  return {"group", [&accounts](const std::string& name) { return accounts.Group(name); },
          [&accounts](uint32_t number) { return accounts.GroupByNumber(number); }};
}

template <class Account>
std::optional<Account> ReadAccount(TableReader& table, const std::string& key, const TomlValue& value,
                                   const AccountKind<Account>& kind) {
  const std::string remedy = StrCat("write a ", kind.word, "'s name in quotes, or a number");
  if (value.type == Type::kInteger) {
    if (value.integer >= 0 && value.integer < int64_t{std::numeric_limits<uint32_t>::max()}) {
      return kind.by_number(static_cast<uint32_t>(value.integer));
    }
    table.Complain(table.Place(value.where), key, "is out of range", "give a number from 0 to 4294967294");
    return std::nullopt;
  }
  if (!table.IsText(value, key, remedy)) return std::nullopt;
  if (value.text.size() <= bounds::kAccountNameBytes) {
    if (auto account = kind.by_name(value.text)) return account;
  }
  bool digits = !value.text.empty() && value.text.find_first_not_of("0123456789") == std::string::npos;
  table.Complain(table.Place(value.where), key,
                 StrCat("names the unknown ", kind.word, " \"", Printable(value.text, 64), "\""),
                 digits ? "write a number without quotes" : "create it or correct the name");
  return std::nullopt;
}

// One account, or an array of them.
template <class Account>
void ReadAccounts(TableReader& table, const std::string& key, const AccountKind<Account>& kind,
                  std::vector<Account>& out) {
  const TomlEntry* entry = table.Take(key);
  if (entry == nullptr) return;
  const TomlValue& value = entry->value;
  SourceLocation where = table.Place(value.where);
  if (value.type != Type::kArray) {
    if (auto account = ReadAccount(table, key, value, kind)) out.push_back(std::move(*account));
    return;
  }
  if (value.items.empty()) {
    table.Complain(where, key, "is empty and would match nobody", StrCat("name a ", kind.word, " or remove the key"));
  }
  if (value.items.size() > bounds::kAccountsPerRule) {
    table.Complain(where, key, StrCat("has ", value.items.size(), " entries"),
                   StrCat("name at most ", bounds::kAccountsPerRule, "; a group holds more"));
    return;
  }
  for (const TomlValue& item : value.items) {
    if (auto account = ReadAccount(table, key, item, kind)) out.push_back(std::move(*account));
  }
}

void ReadMode(TableReader& table, std::optional<mode_t>& out) {
  constexpr std::string_view kRemedy = "write it as \"0400\", \"0440\" or \"0444\"";
  std::string text;
  auto where = table.ReadString("mode", text);
  if (!where) return;
  std::optional<mode_t> mode = ParseMode(text);
  if (!mode) {
    table.Complain(*where, "mode", "is no octal mode", kRemedy);
  } else if ((*mode & ~mode_t{0444}) != 0) {
    table.Complain(*where, "mode", "has bits other than read; the mount is read-only", kRemedy);
  } else if ((*mode & 0400) == 0) {
    table.Complain(*where, "mode", "does not let the owner read", kRemedy);
  } else {
    out = mode;
  }
}

void ReadSource(TableReader& table, TreeOptions& tree, Draft::TreePlaces& places) {
  auto fault = [](std::string_view source) -> std::optional<Fault> {
    size_t colon = source.find(':');
    if (colon == std::string_view::npos || colon == 0) {
      return Fault{"names no backend", "write \"BACKEND:PATH\", such as \"local:web\""};
    }
    return BackendPathFault(source.substr(colon + 1));
  };
  std::string source;
  auto where = table.ReadString("source", source, fault);
  if (!where) return;
  places.source = *where;
  size_t colon = source.find(':');
  tree.backend = source.substr(0, colon);
  tree.source = source.substr(colon + 1);
}

void ReadOwnership(TableReader& table, ShownOptions& shown) {
  const AccountDatabase& accounts = table.draft().accounts;
  if (const TomlEntry* entry = table.Take("owner")) {
    if (auto user = ReadAccount(table, "owner", entry->value, Users(accounts))) shown.owner = user->uid;
  }
  if (const TomlEntry* entry = table.Take("group")) {
    if (auto group = ReadAccount(table, "group", entry->value, Groups(accounts))) shown.group = group->gid;
  }
  ReadMode(table, shown.mode);
}

std::optional<Fault> ErrorStyleFault(std::string_view style) {
  if (style == "precise" || style == "posix") return std::nullopt;
  return Fault{StrCat("is the unknown style \"", Printable(style, 64), "\""), "write \"precise\" or \"posix\""};
}

void ReadLeaseScope(TableReader& table, LeaseScope& scope) {
  auto find = [](std::string_view word) { return std::ranges::find(kLeaseScopeWords, word); };
  auto fault = [&](std::string_view word) -> std::optional<Fault> {
    if (find(word) != std::end(kLeaseScopeWords)) return std::nullopt;
    return Fault{StrCat("is the unknown scope \"", Printable(word, 64), "\""),
                 "write \"shared\", \"uid\", \"process\" or \"open\""};
  };
  std::string word;
  if (!table.ReadString("lease_scope", word, fault)) return;
  scope = static_cast<LeaseScope>(find(word) - std::begin(kLeaseScopeWords));
}

void ReadForms(TableReader& table, FormOptions& forms) {
  constexpr std::string_view kRemedy = "write some of \"keys\", \"json\" and \"env\"";
  const TomlEntry* entry = table.Take("forms");
  if (entry == nullptr || !table.IsType(entry->value, Type::kArray, "forms", kRemedy)) return;
  FormOptions read{false, false, false};
  for (const TomlValue& item : entry->value.items) {
    if (!table.IsText(item, "forms", kRemedy)) continue;
    bool* form = item.text == "keys"   ? &read.keys
                 : item.text == "json" ? &read.json
                 : item.text == "env"  ? &read.env
                                       : nullptr;
    if (form == nullptr) {
      table.Complain(table.Place(item.where), "forms",
                     StrCat("names the unknown form \"", Printable(item.text, 64), "\""), kRemedy);
    } else if (std::exchange(*form, true)) {
      table.Complain(table.Place(item.where), "forms", StrCat("names \"", item.text, "\" twice"), "remove one");
    }
  }
  if (entry->value.items.empty()) {
    table.Complain(table.Place(entry->value.where), "forms", "is empty and would show nothing", kRemedy);
  }
  forms = read;
}

void ReadTree(TableReader table) {
  TreeOptions tree;
  Draft::TreePlaces places;
  tree.where = table.place();
  places.path = places.source = tree.where;
  if (auto where = table.ReadString("path", tree.path, TreePathFault)) places.path = *where;
  if (!table.Has("path")) table.Missing("path", "say where on the mount the tree is, such as path = \"web\"");
  ReadSource(table, tree, places);
  if (!table.Has("source")) table.Missing("source", "say what it shows, such as source = \"local:web\"");
  table.ReadDuration("ttl", bounds::kTtlMin, bounds::kTtlMax, tree.ttl);
  table.ReadDuration("max_stale", bounds::kMaxStaleMin, bounds::kMaxStaleMax, tree.max_stale);
  table.ReadDuration("keep", bounds::kKeepMin, bounds::kKeepMax, tree.keep);
  ReadForms(table, tree.forms);
  ReadShown(table, tree);
  ReadVaultTree(table, tree.vault);
  table.ReadDuration("idle", bounds::kIdleMin, bounds::kKeepMax, tree.idle);
  ReadLeaseScope(table, tree.lease_scope);
  table.Finish();
  table.draft().config.trees.push_back(std::move(tree));
  table.draft().tree_places.push_back(std::move(places));
}

void ReadRule(TableReader table) {
  AllowRule rule;
  rule.where = table.place();
  SourceLocation path_place = rule.where;
  if (auto where = table.ReadString("path", rule.path, PatternFault)) path_place = *where;
  if (!table.Has("path")) table.Missing("path", "say what may be opened, such as path = \"web/**\"");
  ReadAccounts(table, "user", Users(table.draft().accounts), rule.users);
  ReadAccounts(table, "group", Groups(table.draft().accounts), rule.groups);
  table.Finish();
  if (!table.Has("user") && !table.Has("group")) {
    table.draft().problems.Add(rule.where, "allow names nobody", "add user = \"NAME\" or group = \"NAME\"");
  }
  table.draft().config.rules.push_back(std::move(rule));
  table.draft().rule_places.push_back(std::move(path_place));
}

}  // namespace

void ReadShown(TableReader& table, ShownOptions& shown) {
  table.ReadBool("hidden", shown.hidden);
  table.ReadBool("page_cache", shown.page_cache);
  ReadOwnership(table, shown);
  std::string errors = "precise";
  table.ReadString("errors", errors, ErrorStyleFault);
  shown.errors = errors == "posix" ? ErrnoStyle::kPosix : ErrnoStyle::kPrecise;
}

void ReadBounded(TableReader& document, const std::string& key, size_t count, size_t max,
                 const std::function<void(TableReader)>& read) {
  document.ReadTables(key, [&](TableReader table) {
    if (count++ < max) {
      read(std::move(table));
    } else if (count == max + 1) {
      table.draft().problems.Add(table.place(), StrCat("too many [[", key, "]]"), StrCat("there may be ", max));
    }
  });
}

void ReadTrees(TableReader& document) {
  ReadBounded(document, "tree", document.draft().config.trees.size(), bounds::kTrees, ReadTree);
}

void ReadRules(TableReader& document) {
  ReadBounded(document, "allow", document.draft().config.rules.size(), bounds::kRules, ReadRule);
}

}  // namespace leasefs
