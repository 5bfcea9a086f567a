// `leasefs vault-policy`: the least that the server's policy must allow for what the configuration shows.
#include <algorithm>
#include <map>
#include <set>

#include "fs/base/strings.h"
#include "fs/cli/double_quoted.h"
#include "fs/cli/json_writer.h"
#include "fs/cli/verbs.h"
#include "fs/config/config_reader.h"

namespace leasefs::cli {
namespace {

struct Policy {
  std::map<std::string, std::set<std::string>> paths;  // path to its capabilities
  std::vector<std::string> remarks;

  void Allow(const std::string& path, std::initializer_list<const char*> capabilities) {
    paths[path].insert(capabilities.begin(), capabilities.end());
  }
};

// '*' at the end and a component "+" have a meaning in policies, and none of them can be escaped.
bool CanBeNamed(const std::string& path) {
  if (path.find('*') != std::string::npos) return false;
  for (const std::string& component : Split(path, '/')) {
    if (component == "+") return false;
  }
  return true;
}

bool IsKnownAsMinting(const TreeOptions& tree) {
  if (tree.vault.engine == VaultEngine::kDynamic) return true;
  if (tree.vault.engine != VaultEngine::kDetect) return false;
  if (!tree.vault.method.empty() || !tree.vault.params.empty()) return true;
  for (const std::string word : {"/creds/", "/issue/", "/sign/", "/sts/", "/code/"}) {
    if (tree.source.find(word) != std::string::npos) return true;
  }
  return false;
}

void AllowKv2(const TreeOptions& tree, Policy& policy) {
  const size_t slash = tree.source.find('/');
  const std::string mount = tree.source.substr(0, slash);
  const std::string below = slash == std::string::npos ? "" : tree.source.substr(slash + 1);
  for (const std::string part : {"data", "subkeys"}) {
    const std::string base = StrCat(mount, "/", part, "/", below);
    if (!below.empty()) policy.Allow(base, {"read"});
    policy.Allow(StrCat(base, below.empty() ? "*" : "/*"), {"read"});
  }
  const std::string names = StrCat(mount, "/metadata/", below, below.empty() ? "" : "/");
  policy.Allow(names, {"list"});
  policy.Allow(names + "*", {"list"});
}

void AllowKv1(const TreeOptions& tree, Policy& policy) {
  if (tree.source.find('/') != std::string::npos) policy.Allow(tree.source, {"read"});
  policy.Allow(tree.source + "/", {"list"});
  policy.Allow(tree.source + "/*", {"read", "list"});
}

void AllowTree(const TreeOptions& tree, Policy& policy) {
  if (!CanBeNamed(tree.source)) {
    policy.remarks.push_back(StrCat("tree ", tree.path, ": its source ", Printable(tree.source, 200),
                                    " cannot be named in a policy, which gives * and + a meaning: write that part "
                                    "by hand"));
    return;
  }
  const bool writes = tree.vault.method == "POST" || tree.vault.method == "PUT" || !tree.vault.params.empty() ||
                      tree.source.find("/issue/") != std::string::npos ||
                      tree.source.find("/sign/") != std::string::npos;
  if (IsKnownAsMinting(tree)) {
    if (writes && tree.vault.method != "GET") {
      policy.Allow(tree.source, {"create", "update"});
    } else {
      policy.Allow(tree.source, {"read"});
    }
    policy.Allow("sys/leases/renew", {"update"});
    policy.Allow("sys/leases/revoke", {"update"});
    return;
  }
  switch (tree.vault.engine) {
    case VaultEngine::kKv1:
      return AllowKv1(tree, policy);
    case VaultEngine::kKv2:
      return AllowKv2(tree, policy);
    case VaultEngine::kStatic:
      return policy.Allow(tree.source, {"read"});
    case VaultEngine::kDynamic:
    case VaultEngine::kDetect:
      break;
  }
  if (tree.source.find("/static-creds/") != std::string::npos) return policy.Allow(tree.source, {"read"});
  policy.remarks.push_back(StrCat("tree ", tree.path,
                                  ": taken for KV version 2, mounted at the first component of its source. If it is "
                                  "something else, say so by engine = \"kv1\", \"static\" or \"dynamic\" in the tree"));
  AllowKv2(tree, policy);
}

Policy PolicyFor(const Config& config, const BackendOptions& backend, const std::string& identity) {
  Policy policy;
  for (const char* self : {"auth/token/lookup-self", "auth/token/renew-self", "auth/token/revoke-self"}) {
    const bool reads = std::string_view(self).ends_with("lookup-self");
    policy.Allow(self, {reads ? "read" : "update"});
  }
  for (const TreeOptions& tree : config.trees) {
    if (tree.backend == backend.name && tree.vault.identity == identity) AllowTree(tree, policy);
  }
  return policy;
}

std::string Text(const std::string& title, const Policy& policy) {
  std::string text = StrCat("# ", title, "\n");
  for (const std::string& remark : policy.remarks) text += StrCat("# ", remark, "\n");
  for (const auto& [path, capabilities] : policy.paths) {
    std::string list;
    for (const std::string& capability : capabilities)
      list += StrCat(list.empty() ? "" : ", ", DoubleQuoted(capability));
    text += StrCat("path ", DoubleQuoted(path), " {\n  capabilities = [", list, "]\n}\n");
  }
  return text;
}

Finished RunVaultPolicy(Context& context, const Arguments& arguments) {
  const Result<Config> config = LoadConfig(context.settings.config_path, SystemAccounts());
  if (!config.ok()) {
    return Failure{Exit::kConfiguration, "configuration", config.error().message(),
                   "correct it; `leasefs check-config` shows it"};
  }
  const std::string wanted = arguments.Positional(0);
  JsonWriter writer;
  writer.BeginObject().BeginArray("policies");
  std::string text;
  for (const BackendOptions& backend : config.value().backends) {
    if (backend.type != BackendType::kVault || (!wanted.empty() && backend.name != wanted)) continue;
    for (const IdentityOptions& identity : backend.vault.identities) {
      const Policy policy = PolicyFor(config.value(), backend, identity.name);
      const std::string whose = identity.name.empty() ? "its own login" : StrCat("identity ", identity.name);
      const std::string policy_text = Text(StrCat("backend ", backend.name, ", ", whose), policy);
      text += StrCat(text.empty() ? "" : "\n", policy_text);
      writer.BeginObject().Text("backend", backend.name).Text("identity", identity.name).Text("policy", policy_text);
      writer.EndObject();
    }
  }
  if (text.empty()) {
    return Failure{Exit::kLocal, "not_found",
                   wanted.empty()
                       ? "the configuration has no backend of type \"vault\""
                       : StrCat("the configuration has no backend ", Printable(wanted, 60), " of type \"vault\""),
                   "name one that `leasefs check-config` accepts"};
  }
  if (context.settings.json) {
    context.console.Data(std::move(writer.EndArray().EndObject()).Take());
  } else {
    context.console.Data(text);
  }
  return Finish();
}

constexpr PositionalSpec kPositionals[] = {{.name = "BACKEND", .required = false, .offer = Offer::kBackend}};

}  // namespace

const VerbSpec kVaultPolicy = {
    .group = "",
    .name = "vault-policy",
    .summary = "print the least that a Vault or OpenBao policy must allow",
    .details =
        "One policy for each identity of each backend of type \"vault\" (or of BACKEND): what its trees read, list and "
        "mint, and what keeps its token and leases alive. Give it to the server with `bao policy write NAME -`. "
        "Reads the configuration only; neither the daemon nor the server is asked.",
    .positionals = kPositionals,
    .options = {},
    .run = RunVaultPolicy,
};

}  // namespace leasefs::cli
