// `leasefs vault-config`: the configuration of a backend from the environment that `vault` and `bao` use. The daemon
// itself never looks at the environment.
#include <cstdlib>

#include "fs/base/strings.h"
#include "fs/cli/double_quoted.h"
#include "fs/cli/verbs.h"

namespace leasefs::cli {
namespace {

// As OpenBao's client has it: BAO_X wins when it is set, else VAULT_X; empty is not set.
std::string Variable(const std::string& name) {
  for (const std::string prefix : {"BAO_", "VAULT_"}) {
    const char* value = std::getenv((prefix + name).c_str());
    if (value != nullptr) return value;
  }
  return "";
}

std::string Quoted(const std::string& text) {
  return DoubleQuoted(Printable(text, 1000));
}

Finished RunVaultConfig(Context& context, const Arguments& arguments) {
  const std::string name = arguments.positionals.empty() ? "vault" : arguments.Positional(0);
  const std::string address = Variable("ADDR");
  std::string text = StrCat("[backend.", Printable(name, 60), "]\ntype = \"vault\"\n");
  text += StrCat("address = ", Quoted(address.empty() ? "https://127.0.0.1:8200" : address), "\n");
  static constexpr std::pair<const char*, const char*> kSettings[] = {
      {"CACERT", "ca_file"},        {"CAPATH", "ca_directory"},         {"CLIENT_CERT", "client_certificate"},
      {"CLIENT_KEY", "client_key"}, {"TLS_SERVER_NAME", "server_name"}, {"NAMESPACE", "namespace"}};
  for (const auto& [variable, key] : kSettings) {
    std::string value = Variable(variable);
    const bool both = std::string_view(variable) == "CAPATH" && !Variable("CACERT").empty();  // the file wins there
    if (std::string_view(variable) == "NAMESPACE" && value.ends_with('/')) value.pop_back();
    if (!value.empty() && !both) text += StrCat(key, " = ", Quoted(value), "\n");
  }
  text += "auth = { method = \"token\", token = { file = \"/etc/leasefs/vault-token\" } }\n";
  context.console.Data(text);
  if (address.empty())
    context.console.Warning("neither BAO_ADDR nor VAULT_ADDR is set: the address is the default one");
  if (!Variable("SKIP_VERIFY").empty()) {
    context.console.Warning("*_SKIP_VERIFY has no counterpart: give ca_file the server's certificate instead");
  }
  context.console.Words(
      "Put it into the configuration, and a token into the file named there; better, log in by approle or the like "
      "(leasefs.toml(5)). Then `leasefs login-check`.");
  return Finish();
}

constexpr PositionalSpec kPositionals[] = {{.name = "BACKEND", .required = false, .offer = Offer::kNothing}};

}  // namespace

const VerbSpec kVaultConfig = {
    .group = "",
    .name = "vault-config",
    .summary = "print a backend's configuration from VAULT_ADDR, BAO_ADDR and the like",
    .details =
        "Takes over the address, certificates, server name and namespace that the commands `vault` and `bao` would "
        "use. "
        "A token in the environment is not printed: it belongs into a file that only root can read.",
    .positionals = kPositionals,
    .options = {},
    .run = RunVaultConfig,
};

}  // namespace leasefs::cli
