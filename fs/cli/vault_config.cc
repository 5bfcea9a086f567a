// `leasefs vault-config`: the configuration of a backend from the environment that `vault` and `bao` use. The daemon
// itself never looks at the environment.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "fs/base/address.h"
#include "fs/base/strings.h"
#include "fs/cli/double_quoted.h"
#include "fs/cli/verbs.h"
#include "fs/config/config_reader.h"

namespace leasefs::cli {
namespace {

struct Variable {
  std::string name;  // with its prefix; "": not set
  std::string value;
};

// As OpenBao's client has it: BAO_X wins when it is there, also when it is empty, else VAULT_X.
Variable Find(const std::string& name) {
  for (const std::string prefix : {"BAO_", "VAULT_"}) {
    const char* value = std::getenv((prefix + name).c_str());
    if (value != nullptr) return {prefix + name, value};
  }
  return {};
}

// As Go's strconv.ParseBool.
bool IsTrue(const std::string& text) {
  static constexpr std::string_view kTrue[] = {"1", "t", "T", "TRUE", "true", "True"};
  return std::ranges::count(kTrue, text) > 0;
}

Failure Unusable(const Variable& variable, std::string_view what, std::string_view remedy) {
  return {Exit::kLocal, "invalid",
          StrCat(variable.name, " is ", Printable(variable.value), ", which leasefs cannot use: ", what),
          std::string(remedy)};
}

std::optional<Failure> AddressFault(const Variable& address) {
  const auto parsed = ParseAddress(address.value, PlainHttp::kToLoopback);
  if (address.value.empty() || parsed.ok()) return std::nullopt;
  return Unusable(address, parsed.error().message(),
                  "set it to the server's own address: leasefs puts no path before /v1, and speaks no unix sockets");
}

// The client takes it from its working directory, the daemon has none that is known.
std::string AbsolutePath(const std::string& path) {
  std::error_code error;
  const auto absolute = std::filesystem::absolute(path, error);
  return error ? path : absolute.lexically_normal().string();
}

std::string Section(const std::string& name, const std::string& address) {
  static constexpr std::pair<const char*, const char*> kFiles[] = {{"CACERT", "ca_file"},
                                                                   {"CAPATH", "ca_directory"},
                                                                   {"CLIENT_CERT", "client_certificate"},
                                                                   {"CLIENT_KEY", "client_key"}};
  std::string text = StrCat("[backend.", name, "]\ntype = \"vault\"\n");
  const auto add = [&](const char* key, const std::string& value) {
    if (!value.empty()) text += StrCat(key, " = ", DoubleQuoted(value), "\n");
  };
  add("address", address.empty() ? "https://127.0.0.1:8200" : address);
  const bool one_file = !Find("CACERT").value.empty();  // it wins over the directory
  for (const auto& [variable, key] : kFiles) {
    const std::string value = Find(variable).value;
    const bool directory = std::string_view(variable) == "CAPATH";
    if (value.empty() || (directory && one_file)) continue;
    if (directory) text += "# Files are found there by the hashes of their subjects: `openssl rehash` names them so.\n";
    add(key, AbsolutePath(value));
  }
  add("server_name", Find("TLS_SERVER_NAME").value);
  std::string name_space = Find("NAMESPACE").value;
  while (name_space.ends_with('/')) name_space.pop_back();
  while (name_space.starts_with('/')) name_space.erase(0, 1);
  add("namespace", name_space);
  return text + "auth = { method = \"token\", token = { file = \"/etc/leasefs/vault-token\" } }\n";
}

Finished RunVaultConfig(Context& context, const Arguments& arguments) {
  const std::string name = arguments.positionals.empty() ? "vault" : arguments.Positional(0);
  const Variable address = Find("ADDR");
  if (auto fault = AddressFault(address)) return *fault;
  const std::string text = Section(name, address.value);
  // What is printed is what `check-config` takes.
  if (const auto read = ParseConfig(text, "the environment", SystemAccounts()); !read.ok()) {
    return Failure{Exit::kLocal, "invalid", read.error().message(), "correct the variable or the name"};
  }
  context.console.Data(text);
  if (address.value.empty())
    context.console.Warning("neither BAO_ADDR nor VAULT_ADDR is set: the address is the default one");
  for (const char* ignored : {"CACERT_BYTES", "AGENT_ADDR", "PROXY_ADDR", "HTTP_PROXY"}) {
    if (Find(ignored).value.empty()) continue;
    context.console.Warning(StrCat("*_", ignored, " changes what the commands do and has no counterpart: left out"));
  }
  if (IsTrue(Find("SKIP_VERIFY").value)) {
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
