// A backend of type "vault", and what [[tree]] says of such a backend.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "fs/base/address.h"
#include "fs/base/strings.h"
#include "fs/config/bounds.h"
#include "fs/config/sections.h"

namespace leasefs {
namespace {

using Type = TomlValue::Type;

constexpr std::string_view kMethods = "write \"token\", \"approle\", \"cert\", \"kubernetes\", \"jwt\" or \"userpass\"";
constexpr char kServiceAccountToken[] = "/var/run/secrets/kubernetes.io/serviceaccount/token";

struct MethodWords {
  std::string_view name;
  AuthOptions::Method method;
  std::string_view credential;  // the key that names it; "": none
};
constexpr MethodWords kMethodWords[] = {
    {"token", AuthOptions::Method::kToken, "token"}, {"approle", AuthOptions::Method::kApprole, "secret_id"},
    {"cert", AuthOptions::Method::kCert, ""},        {"kubernetes", AuthOptions::Method::kKubernetes, "jwt"},
    {"jwt", AuthOptions::Method::kJwt, "jwt"},       {"userpass", AuthOptions::Method::kUserpass, "password"},
};

std::optional<Fault> AddressFault(std::string_view text) {
  const auto address = ParseAddress(text, PlainHttp::kToLoopback);
  if (address.ok()) return std::nullopt;
  return Fault{"is no address of a server", address.error().message()};
}

std::optional<Fault> NameFault(std::string_view name) {
  if (!name.empty() && name.size() <= bounds::kNameBytes) return std::nullopt;
  return Fault{name.empty() ? "is empty" : "is too long", StrCat("give 1 to ", bounds::kNameBytes, " bytes")};
}

// Components between '/', none of them empty, "." or "..": "approle", "team-a/approle", "a/b".
std::optional<Fault> ServerPathFault(std::string_view path) {
  if (path.empty()) return Fault{"is empty", "name it or remove the key"};
  return BackendPathFault(path);
}

std::optional<Fault> VerbFault(std::string_view method) {
  if (method == "GET" || method == "POST" || method == "PUT") return std::nullopt;
  return Fault{"is no method that reads or writes a path", "write \"GET\", \"POST\" or \"PUT\""};
}

// One string, or an array of them.
void ReadStrings(TableReader& table, const std::string& key, size_t max, const TableReader::Check& check,
                 std::vector<std::string>& out) {
  const TomlEntry* entry = table.Take(key);
  if (entry == nullptr) return;
  const bool array = entry->value.type == Type::kArray;
  const std::vector<TomlValue> one = array ? std::vector<TomlValue>() : std::vector<TomlValue>{entry->value};
  const std::vector<TomlValue>& values = array ? entry->value.items : one;
  if (values.empty() || values.size() > max) {
    return table.Complain(table.Place(entry->value.where), key, StrCat("has ", values.size(), " entries"),
                          StrCat("give 1 to ", max));
  }
  for (const TomlValue& value : values) {
    if (!table.IsText(value, key, "write it in double quotes, or an array of such")) return;
    if (auto fault = check(value.text)) {
      return table.Complain(table.Place(value.where), key, fault->what, fault->remedy);
    }
    if (std::find(out.begin(), out.end(), value.text) != out.end()) {
      return table.Complain(table.Place(value.where), key, "is there twice", "keep one");
    }
    out.push_back(value.text);
  }
}

const MethodWords* FindMethod(std::string_view name) {
  auto found = std::find_if(std::begin(kMethodWords), std::end(kMethodWords),
                            [&](const MethodWords& words) { return words.name == name; });
  return found == std::end(kMethodWords) ? nullptr : found;
}

void ReadCredential(TableReader& table, const MethodWords& words, AuthOptions& auth) {
  if (words.credential.empty()) return;
  const std::string key(words.credential);
  KeySource source;
  if (ReadKeySource(table, key, false, source)) auth.credential = source;
  if (table.Has(key)) return;
  if (auth.method == AuthOptions::Method::kKubernetes) {
    auth.credential = KeySource{KeySource::Kind::kFile, kServiceAccountToken};
  } else if (auth.method != AuthOptions::Method::kApprole) {  // it may be bound to networks alone
    table.Missing(key, StrCat("write ", key, " = { file = \"/path\" } or { credential = \"name\" }"));
  }
}

// auth = { method = …, … }
void ReadAuth(TableReader& table, AuthOptions& auth) {
  const TomlEntry* entry = table.Take("auth");
  const std::string remedy = "write auth = { method = \"approle\", role_id = \"…\", secret_id = { file = \"/path\" } }";
  if (entry == nullptr || !table.IsType(entry->value, Type::kTable, "auth", remedy)) return;
  TableReader reader(entry->value, table.file(), table.FullName("auth"), TableReader::Kind::kElement, table.draft());
  std::string name;
  auto known = [](std::string_view method) -> std::optional<Fault> {
    if (FindMethod(method) != nullptr) return std::nullopt;
    return Fault{StrCat("is the unknown method \"", Printable(method, 64), "\""), std::string(kMethods)};
  };
  if (!reader.ReadString("method", name, known)) {
    if (!reader.Has("method")) reader.Missing("method", kMethods);
    return;  // what the other keys mean depends on it
  }
  const MethodWords& words = *FindMethod(name);
  auth.method = words.method;
  if (auth.method != AuthOptions::Method::kToken) {
    auth.mount = name;
    reader.ReadString("mount", auth.mount, ServerPathFault);
  }
  if (auth.method == AuthOptions::Method::kApprole) {
    if (!reader.ReadString("role_id", auth.role, NameFault) && !reader.Has("role_id"))
      reader.Missing("role_id", "give the role's id: `vault read auth/approle/role/NAME/role-id` shows it");
    reader.ReadString("wrapped", auth.wrapped, ServerPathFault);
  } else if (auth.method == AuthOptions::Method::kUserpass) {
    if (!reader.ReadString("username", auth.username, NameFault) && !reader.Has("username"))
      reader.Missing("username", "name the user");
  } else if (auth.method != AuthOptions::Method::kToken) {
    reader.ReadString("role", auth.role, NameFault);
    if (auth.method == AuthOptions::Method::kKubernetes && !reader.Has("role")) reader.Missing("role", "name the role");
  }
  ReadCredential(reader, words, auth);
  reader.Finish();
  if (!auth.wrapped.empty() && !auth.credential) {
    reader.Missing("secret_id", "say where the wrapping token is: secret_id = { file = \"/path\" }");
  }
}

void ReadIdentities(TableReader& backend, VaultOptions& vault) {
  auto identities = backend.ReadTable("identity");
  if (!identities) return;
  for (const TomlEntry& entry : identities->table().entries) {
    if (vault.identities.size() >= bounds::kIdentities) {
      return identities->Complain(identities->Place(entry.where), entry.key, "is one identity too many",
                                  StrCat("there may be ", bounds::kIdentities));
    }
    auto table = identities->ReadTable(entry.key);
    if (!table) continue;
    IdentityOptions identity;
    identity.name = entry.key;
    identity.where = table->place();
    if (auto fault = NameFault(entry.key)) identities->Complain(identity.where, entry.key, fault->what, fault->remedy);
    ReadAuth(*table, identity.auth);
    if (!table->Has("auth")) table->Missing("auth", kMethods);
    table->Finish();
    vault.identities.push_back(std::move(identity));
  }
}

// A parameter of a write as JSON text; nothing when it is not one.
std::optional<nlohmann::json> ParamValue(const TomlValue& value) {
  switch (value.type) {
    case Type::kString:
      return nlohmann::json(value.text);
    case Type::kInteger:
      return nlohmann::json(value.integer);
    case Type::kBoolean:
      return nlohmann::json(value.boolean);
    case Type::kArray: {
      auto list = nlohmann::json::array();
      for (const TomlValue& item : value.items) {
        auto element = ParamValue(item);
        if (!element) return std::nullopt;
        list.push_back(std::move(*element));
      }
      return list;
    }
    case Type::kTable: {
      auto object = nlohmann::json::object();
      for (const TomlEntry& entry : value.entries) {
        auto member = ParamValue(entry.value);
        if (!member) return std::nullopt;
        object[entry.key] = std::move(*member);
      }
      return object;
    }
    case Type::kFloat:
    case Type::kTime:
      break;
  }
  return std::nullopt;
}

void ReadParams(TableReader& tree, VaultTreeOptions& options) {
  const TomlEntry* entry = tree.Take("params");
  if (entry == nullptr || !tree.IsType(entry->value, Type::kTable, "params", "write { name = \"value\" }")) return;
  if (entry->value.entries.size() > bounds::kParams) {
    return tree.Complain(tree.Place(entry->value.where), "params", "has too many entries",
                         StrCat("give at most ", bounds::kParams));
  }
  for (const TomlEntry& param : entry->value.entries) {
    auto value = ParamValue(param.value);
    std::string text = value ? value->dump() : "";
    if (!value || param.key.empty() || param.key.size() > bounds::kNameBytes || text.size() > bounds::kParamBytes) {
      tree.Complain(tree.Place(param.where), "params." + Printable(param.key, 64), "cannot be sent as JSON",
                    "give a string, a whole number, true, false, an array or a table");
      continue;
    }
    options.params.emplace_back(param.key, std::move(text));
  }
}

void ReadEngine(TableReader& tree, VaultEngine& engine) {
  static constexpr std::pair<std::string_view, VaultEngine> kEngines[] = {{"kv1", VaultEngine::kKv1},
                                                                          {"kv2", VaultEngine::kKv2},
                                                                          {"static", VaultEngine::kStatic},
                                                                          {"dynamic", VaultEngine::kDynamic}};
  auto find = [](std::string_view name) {
    return std::find_if(std::begin(kEngines), std::end(kEngines), [&](const auto& item) { return item.first == name; });
  };
  auto fault = [&](std::string_view name) -> std::optional<Fault> {
    if (find(name) != std::end(kEngines)) return std::nullopt;
    return Fault{StrCat("is the unknown engine \"", Printable(name, 64), "\""),
                 "write \"kv1\", \"kv2\", \"static\" or \"dynamic\", or nothing: it is found out"};
  };
  std::string name;
  if (tree.ReadString("engine", name, fault)) engine = find(name)->second;
}

}  // namespace

void ReadVault(TableReader& backend, VaultOptions& vault) {
  ReadStrings(backend, "address", bounds::kAddresses, AddressFault, vault.addresses);
  backend.ReadString("ca_file", vault.ca_file, AbsolutePathFault);
  backend.ReadString("ca_directory", vault.ca_directory, AbsolutePathFault);
  backend.ReadString("server_name", vault.server_name, NameFault);
  backend.ReadString("client_certificate", vault.client_certificate, AbsolutePathFault);
  backend.ReadString("client_key", vault.client_key, AbsolutePathFault);
  backend.ReadString("namespace", vault.name_space, ServerPathFault);
  backend.ReadBool("http2", vault.http2);
  backend.ReadInteger("concurrency", bounds::kConcurrencyMin, bounds::kConcurrencyMax, vault.concurrency);
  auto stop_fault = [](std::string_view word) -> std::optional<Fault> {
    if (word == "keep" || word == "revoke") return std::nullopt;
    return Fault{"is neither \"keep\" nor \"revoke\"", "say what becomes of leases when leasefs stops"};
  };
  std::string on_stop;
  if (backend.ReadString("on_stop", on_stop, stop_fault)) {
    vault.on_stop = on_stop == "revoke" ? VaultOptions::OnStop::kRevoke : VaultOptions::OnStop::kKeep;
  }
  KeySource state_key;
  if (ReadKeySource(backend, "state_key", false, state_key)) vault.state_key = state_key;
  backend.ReadString("state_file", vault.state_file, AbsolutePathFault);
  if (vault.identities.empty()) vault.identities.push_back({"", {}, backend.place()});
  ReadAuth(backend, vault.identities.front().auth);
  ReadIdentities(backend, vault);
}

void ReadVaultTree(TableReader& tree, VaultTreeOptions& options) {
  tree.ReadString("identity", options.identity, NameFault);
  ReadEngine(tree, options.engine);
  tree.ReadInteger("version", 1, UINT32_MAX, options.version);
  tree.ReadString("method", options.method, VerbFault);
  ReadParams(tree, options);
  ReadStrings(tree, "keys", bounds::kTreeKeys, NameFault, options.keys);
  tree.ReadDuration("min_ttl", bounds::kMinTtlMin, bounds::kMinTtlMax, options.min_ttl);
  tree.ReadDuration("mint_interval", bounds::kMintIntervalMin, bounds::kMintIntervalMax, options.mint_interval);
}

}  // namespace leasefs
