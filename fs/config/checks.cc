#include "fs/config/checks.h"

#include <algorithm>

#include "fs/base/strings.h"
#include "fs/config/path_pattern.h"
#include "fs/config/paths.h"
#include "fs/config/value_text.h"

namespace leasefs {
namespace {

// A file that the daemon itself uses must not lie on the mount that it serves: it would wait for itself.
void CheckOffMount(Draft& draft, const std::string& setting, const std::string& path) {
  if (path.empty() || !IsAtOrBelow(path, draft.config.mount)) return;
  const std::string at = draft.Given(setting) ? setting : "mount";
  draft.problems.Add(draft.Where(at), StrCat(setting, " ", Printable(path), " lies on the mount ", draft.config.mount),
                     "choose a place outside of it");
}

void CheckPlaces(Draft& draft) {
  const Config& config = draft.config;
  if (config.mount == config.run_directory) {
    const std::string at = draft.Given("mount") ? "mount" : "run_directory";
    draft.problems.Add(draft.Where(at), StrCat("mount and run_directory are both ", config.mount),
                       "give each a directory of its own");
  } else {
    CheckOffMount(draft, "run_directory", config.run_directory);
  }
  CheckOffMount(draft, "audit.file", config.audit.file);
  CheckOffMount(draft, "audit.syslog_socket", config.audit.syslog_socket);
}

void CheckLimits(Draft& draft) {
  const LimitOptions& limits = draft.config.limits;
  if (limits.memory_bytes >= limits.value_bytes) return;
  const std::string at = draft.Given("limits.memory") ? "limits.memory" : "limits.value";
  draft.problems.Add(draft.Where(at), "limits.memory is smaller than limits.value",
                     StrCat("give at least ", SizeText(limits.value_bytes)));
}

void CheckBackendIsWhole(Draft& draft, const BackendOptions& backend, const std::string& prefix) {
  auto require = [&](std::string_view key, std::string_view remedy) {
    const std::string setting = StrCat(prefix, key);
    if (!draft.Given(setting)) draft.problems.Add(backend.where, StrCat(setting, " is missing"), remedy);
  };
  require("type", "write type = \"store\" or type = \"vault\"");
  if (backend.type == BackendType::kVault) {
    require("address", "say where the server is, such as address = \"https://vault:8200\"");
    require("auth", "say how to log in, such as auth = { method = \"token\", token = { file = \"/path\" } }");
    return;
  }
  require("path", "say where the store's file is, such as path = \"/var/lib/leasefs/store.db\"");
  require("key", "write key = { file = \"/path\" }, { credential = \"name\" } or { passphrase = true }");
}

void CheckVault(Draft& draft, const VaultOptions& vault, const std::string& prefix) {
  const std::pair<const char*, const std::string&> files[] = {{"ca_file", vault.ca_file},
                                                              {"ca_directory", vault.ca_directory},
                                                              {"client_certificate", vault.client_certificate},
                                                              {"client_key", vault.client_key},
                                                              {"state_file", vault.state_file}};
  for (const auto& [key, path] : files) CheckOffMount(draft, prefix + key, path);
  for (const IdentityOptions& identity : vault.identities) {
    const auto& credential = identity.auth.credential;
    const std::string of = identity.name.empty() ? "" : StrCat("identity.", identity.name, ".");
    const std::string auth = StrCat(prefix, of, "auth");
    if (credential && credential->kind == KeySource::Kind::kFile) CheckOffMount(draft, auth, credential->name);
    if (identity.auth.method == AuthOptions::Method::kCert && vault.client_certificate.empty()) {
      draft.problems.Add(draft.Where(auth), StrCat(auth, " is by certificate, and there is none"),
                         "add client_certificate and client_key to the backend");
    }
  }
  auto either = [&](std::string_view one, bool has_one, std::string_view other, bool has_other, std::string_view what) {
    if (has_one)
      draft.problems.Add(draft.Where(StrCat(prefix, one)), StrCat(prefix, one, what, other),
                         has_other ? "keep one of them" : StrCat("add ", other));
  };
  if (vault.client_certificate.empty() != vault.client_key.empty()) {
    either("client_certificate", !vault.client_certificate.empty(), "client_key", false, " needs ");
    either("client_key", !vault.client_key.empty(), "client_certificate", false, " needs ");
  }
  either("ca_file", !vault.ca_file.empty() && !vault.ca_directory.empty(), "ca_directory", true, " stands beside ");
  either("state_file", !vault.state_file.empty() && !vault.state_key, "state_key", false, " needs ");
}

void CheckBackends(Draft& draft) {
  std::map<std::string, std::string> setting_of_path;
  for (const BackendOptions& backend : draft.config.backends) {
    if (draft.unread_backends.contains(backend.name)) continue;
    const std::string prefix = StrCat("backend.", backend.name, ".");
    if (draft.complete) CheckBackendIsWhole(draft, backend, prefix);
    if (backend.type == BackendType::kVault) {
      CheckVault(draft, backend.vault, prefix);
      continue;
    }
    const std::string setting = prefix + "path";
    CheckOffMount(draft, setting, backend.store.path);
    if (backend.store.key.kind == KeySource::Kind::kFile) CheckOffMount(draft, prefix + "key", backend.store.key.name);
    if (backend.store.path.empty()) continue;
    auto [first, added] = setting_of_path.try_emplace(backend.store.path, setting);
    if (added) continue;
    draft.problems.Add(draft.Where(setting),
                       StrCat(setting, " is that of ", first->second, " (", ToString(draft.Where(first->second)), ")"),
                       "give each store a file of its own");
  }
}

// What a tree says must be something that its backend can do.
void CheckSource(Draft& draft, TreeOptions& tree, const BackendOptions& backend, const SourceLocation& where) {
  tree.by_name = backend.type == BackendType::kVault;
  if (!tree.by_name) {
    if (tree.vault == VaultTreeOptions{} && tree.idle.count() == 0 && tree.lease_scope == LeaseScope::kShared) return;
    draft.problems.Add(
        where,
        StrCat("tree \"", Printable(tree.path, 64),
               "\" has settings of a vault (identity, engine, version, "
               "method, params, keys, min_ttl, mint_interval, idle or lease_scope), but its backend is a store"),
        "remove them, or name a backend of type \"vault\"");
    return;
  }
  const auto& identities = backend.vault.identities;
  const bool known = std::any_of(identities.begin(), identities.end(),
                                 [&](const IdentityOptions& identity) { return identity.name == tree.vault.identity; });
  if (!known) {
    draft.problems.Add(where,
                       StrCat("tree.identity names the unknown identity \"", Printable(tree.vault.identity, 64), "\""),
                       StrCat("add [backend.", backend.name, ".identity.NAME] with that name, or correct it"));
  }
  if (tree.source.empty()) {
    draft.problems.Add(where, "tree.source names no path of the server",
                       StrCat("write \"", backend.name, ":MOUNT/PATH\", such as \"", backend.name, ":secret/web\""));
  }
}

void CheckSources(Draft& draft) {
  if (!draft.complete) return;
  std::vector<std::string> names;
  for (const BackendOptions& backend : draft.config.backends) names.push_back(backend.name);
  for (size_t i = 0; i < draft.config.trees.size(); ++i) {
    const std::string& backend = draft.config.trees[i].backend;
    auto named = std::find_if(draft.config.backends.begin(), draft.config.backends.end(),
                              [&](const BackendOptions& candidate) { return candidate.name == backend; });
    if (named != draft.config.backends.end()) {
      CheckSource(draft, draft.config.trees[i], *named, draft.tree_places[i].source);
      continue;
    }
    if (backend.empty()) continue;
    std::string nearest = backend.size() <= 64 ? NearestWord(backend, names) : "";
    draft.problems.Add(draft.tree_places[i].source,
                       StrCat("tree.source names the unknown backend \"", Printable(backend, 64), "\""),
                       nearest.empty() ? StrCat("add [backend.NAME] with that name, or correct it")
                                       : StrCat("did you mean \"", nearest, "\"?"));
  }
}

// Two trees overlap when one's path is the other's or lies below it. Reported at the inner one, or the second of two
// equal ones.
void CheckOverlaps(Draft& draft) {
  std::map<std::string_view, size_t> tree_at;
  const auto& trees = draft.config.trees;
  auto other = [&](size_t index) {
    return StrCat("\"", Printable(trees[index].path, 64), "\" (", ToString(draft.tree_places[index].path), ")");
  };
  for (size_t i = 0; i < trees.size(); ++i) {
    if (trees[i].path.empty()) continue;
    auto [first, added] = tree_at.try_emplace(trees[i].path, i);
    if (added) continue;
    draft.problems.Add(draft.tree_places[i].path, StrCat("tree.path is that of tree ", other(first->second)),
                       "keep one of them");
  }
  for (size_t i = 0; i < trees.size(); ++i) {
    std::string_view path = trees[i].path;
    for (size_t slash = path.find('/'); slash != std::string_view::npos; slash = path.find('/', slash + 1)) {
      auto outer = tree_at.find(path.substr(0, slash));
      if (outer == tree_at.end()) continue;
      draft.problems.Add(draft.tree_places[i].path, StrCat("tree.path lies inside tree ", other(outer->second)),
                         "give it a path beside that tree");
      break;
    }
  }
}

void WarnOfRules(Draft& draft, const std::vector<PathPattern>& patterns) {
  const Config& config = draft.config;
  for (size_t i = 0; i < patterns.size(); ++i) {
    const std::string rule = StrCat("allow \"", Printable(config.rules[i].path, 64), "\"");
    if (patterns[i].MatchesEveryFile()) {
      draft.problems.Warn(draft.rule_places[i], rule + " opens every tree, also those added later",
                          "name the trees if that is not meant");
    }
    bool useful = std::any_of(config.trees.begin(), config.trees.end(),
                              [&](const TreeOptions& tree) { return patterns[i].CanMatchBelow(tree.path); });
    useful = useful || std::any_of(config.files.begin(), config.files.end(),
                                   [&](const FileOptions& file) { return patterns[i].Matches(file.path); });
    if (useful) continue;
    auto is_tree = std::find_if(config.trees.begin(), config.trees.end(),
                                [&](const TreeOptions& tree) { return patterns[i].Matches(tree.path); });
    draft.problems.Warn(draft.rule_places[i], rule + " can match no file of any tree",
                        is_tree != config.trees.end()
                            ? StrCat("a tree's files lie below it; write \"", Printable(is_tree->path, 64), "/**\"")
                            : "correct the path or remove the rule");
  }
}

// "web/tls" for the secret web/tls: nobody who writes that means a file of this name.
void WarnOfSecrets(Draft& draft) {
  for (size_t i = 0; i < draft.config.rules.size(); ++i) {
    const std::string& path = draft.config.rules[i].path;
    const size_t slash = path.rfind('/');
    // A name with a dot is that of a file, as a rule.
    if (slash == std::string::npos || path.find('*') != std::string::npos || path.find('.', slash) != std::string::npos)
      continue;
    const bool in_tree = std::any_of(draft.config.trees.begin(), draft.config.trees.end(),
                                     [&](const TreeOptions& tree) { return path.compare(0, slash, tree.path) == 0; });
    const bool is_file = std::any_of(draft.config.files.begin(), draft.config.files.end(),
                                     [&](const FileOptions& file) { return file.path == path; });
    if (!in_tree || is_file) continue;
    draft.problems.Warn(draft.rule_places[i],
                        StrCat("allow \"", Printable(path, 64), "\" opens a key of that name, and no secret"),
                        StrCat("if it is a secret, write \"", Printable(path, 64), "/*\" (or \"/**\")"));
  }
}

void WarnOfTrees(Draft& draft, const std::vector<PathPattern>& patterns) {
  for (size_t i = 0; i < draft.config.trees.size(); ++i) {
    const std::string& path = draft.config.trees[i].path;
    bool reachable = std::any_of(patterns.begin(), patterns.end(),
                                 [&](const PathPattern& pattern) { return pattern.CanMatchBelow(path); });
    if (reachable) continue;
    draft.problems.Warn(draft.tree_places[i].path,
                        StrCat("no rule opens anything in tree \"", Printable(path, 64), "\""),
                        StrCat("add an [[allow]] with path = \"", Printable(path, 64), "/**\""));
  }
}

void WarnOfFiles(Draft& draft, const std::vector<PathPattern>& patterns) {
  for (size_t i = 0; i < draft.config.files.size(); ++i) {
    const std::string& path = draft.config.files[i].path;
    bool reachable = std::any_of(patterns.begin(), patterns.end(),
                                 [&](const PathPattern& pattern) { return pattern.Matches(path); });
    if (reachable) continue;
    draft.problems.Warn(draft.file_places[i].path, StrCat("no rule opens the file \"", Printable(path, 64), "\""),
                        StrCat("add an [[allow]] with path = \"", Printable(path, 64), "\""));
  }
}

void WarnOfIdentity(Draft& draft) {
  const Config& config = draft.config;
  for (const auto& [setting, name] : {std::pair{"user", config.user}, std::pair{"backend_user", config.backend_user}}) {
    auto user = draft.Given(setting) ? draft.accounts.User(name) : std::nullopt;
    if (!user || user->uid != 0) continue;
    draft.problems.Warn(draft.Where(setting), StrCat(setting, " is root"), "give the process a user of its own");
  }
  if (config.user != config.backend_user) return;
  const std::string at = draft.Given("backend_user") ? "backend_user" : "user";
  draft.problems.Warn(draft.Where(at), "user and backend_user are the same",
                      "give each a user of its own, so that neither can look into the other");
}

}  // namespace

void CheckWhole(Draft& draft) {
  CheckPlaces(draft);
  CheckLimits(draft);
  CheckBackends(draft);
  CheckSources(draft);
  CheckOverlaps(draft);
  CheckFiles(draft);
  if (!draft.problems.empty()) return;
  std::vector<PathPattern> patterns;
  for (const AllowRule& rule : draft.config.rules) patterns.emplace_back(rule.path);
  WarnOfRules(draft, patterns);
  WarnOfSecrets(draft);
  WarnOfTrees(draft, patterns);
  WarnOfFiles(draft, patterns);
  WarnOfIdentity(draft);
}

}  // namespace leasefs
