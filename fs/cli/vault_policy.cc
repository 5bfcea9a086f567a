// `leasefs vault-policy`: the least that the server's policy must allow for what the configuration shows.
#include <set>

#include "fs/base/strings.h"
#include "fs/cli/double_quoted.h"
#include "fs/cli/json_writer.h"
#include "fs/cli/vault_rules.h"
#include "fs/cli/verbs.h"
#include "fs/config/config_reader.h"

namespace leasefs::cli {
namespace {

std::string Text(const std::string& title, const PolicyRules& rules) {
  std::string text = StrCat("# ", title, "\n");
  for (const std::string& remark : rules.remarks) text += StrCat("# ", remark, ".\n");
  for (const auto& [path, rule] : rules.paths) {
    if (!rule.always) text += StrCat("# Only if ", Joined(rule.conditions, ", or if "), ":\n");
    std::set<std::string> quoted;
    for (const std::string& capability : rule.capabilities) quoted.insert(DoubleQuoted(capability));
    text += StrCat("path ", DoubleQuoted(path), " {\n  capabilities = [", Joined(quoted, ", "), "]\n}\n");
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
      const std::string name = Printable(identity.name, 200);
      const std::string whose = name.empty() ? "its own login" : StrCat("identity ", name);
      const std::string policy_text =
          Text(StrCat("backend ", backend.name, ", ", whose), RulesFor(config.value(), backend, identity.name));
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
        "mint, and what keeps its token and leases alive. Give it to the server with `bao policy write NAME -`. Where "
        "the configuration does not tell what a tree shows, the policy has the rules for all that it may be, and says "
        "which may be removed. Reads the configuration only; neither the daemon nor the server is asked.",
    .positionals = kPositionals,
    .options = {},
    .run = RunVaultPolicy,
};

}  // namespace leasefs::cli
