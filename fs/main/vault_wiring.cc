#include "fs/main/vault_wiring.h"

#include <utility>

#include "fs/base/strings.h"

namespace leasefs {
namespace {

vault::LoginMethod MethodOf(AuthOptions::Method method) {
  switch (method) {
    case AuthOptions::Method::kToken:
      return vault::LoginMethod::kToken;
    case AuthOptions::Method::kApprole:
      return vault::LoginMethod::kAppRole;
    case AuthOptions::Method::kCert:
      return vault::LoginMethod::kCert;
    case AuthOptions::Method::kKubernetes:
      return vault::LoginMethod::kKubernetes;
    case AuthOptions::Method::kJwt:
      return vault::LoginMethod::kJwt;
    case AuthOptions::Method::kUserpass:
      return vault::LoginMethod::kUserpass;
  }
  return vault::LoginMethod::kToken;
}

vault::Identity IdentityOf(const AuthOptions& auth) {
  vault::Identity identity;
  identity.method = MethodOf(auth.method);
  identity.mount = auth.mount;
  identity.role = auth.method == AuthOptions::Method::kUserpass ? auth.username : auth.role;
  if (auth.credential) identity.file = auth.credential->name;
  identity.wrapped = auth.wrapped;
  return identity;
}

// Equal if and only if it is the same login. No credential: where it is.
std::string WordsOf(const IdentityOptions& options, const VaultOptions& connection) {
  const vault::Identity identity = IdentityOf(options.auth);
  const bool cert = identity.method == vault::LoginMethod::kCert;
  const bool in_file = options.auth.credential && options.auth.credential->kind == KeySource::Kind::kFile;
  std::string words;
  auto add = [&words](std::string_view part) { words += StrCat(part.size(), ":", part, " "); };
  add(vault::LoginMethodName(identity.method));
  for (const std::string* part : {&identity.mount, &identity.role, &identity.file, &identity.wrapped}) add(*part);
  add(in_file ? "file" : "");
  add(cert ? std::string_view(connection.client_certificate) : "");
  add(cert ? std::string_view(connection.client_key) : "");
  return words;
}

lease::Engine EngineOf(VaultEngine engine) {
  switch (engine) {
    case VaultEngine::kDetect:
      return lease::Engine::kDetect;
    case VaultEngine::kKv1:
      return lease::Engine::kKv1;
    case VaultEngine::kKv2:
      return lease::Engine::kKv2;
    case VaultEngine::kStatic:
      return lease::Engine::kStatic;
    case VaultEngine::kDynamic:
      return lease::Engine::kDynamic;
  }
  return lease::Engine::kDetect;
}

lease::Scope ScopeOf(LeaseScope scope) {
  switch (scope) {
    case LeaseScope::kShared:
      return lease::Scope::kShared;
    case LeaseScope::kUid:
      return lease::Scope::kUid;
    case LeaseScope::kProcess:
      return lease::Scope::kProcess;
    case LeaseScope::kOpen:
      return lease::Scope::kOpen;
  }
  return lease::Scope::kShared;
}

lease::Tree TreeOf(const TreeOptions& options) {
  lease::Tree tree;
  tree.name = options.path;
  tree.source = options.source;
  tree.identity = options.vault.identity;
  tree.engine = EngineOf(options.vault.engine);
  tree.version = options.vault.version;
  tree.method = options.vault.method;
  for (const auto& [name, json] : options.vault.params) tree.params[name] = json;
  tree.keys = options.vault.keys;
  tree.ttl = options.ttl;
  tree.max_stale = options.max_stale;
  tree.min_ttl = options.vault.min_ttl;
  tree.mint_interval = options.vault.mint_interval;
  tree.idle = options.idle;
  tree.scope = ScopeOf(options.lease_scope);
  return tree;
}

}  // namespace

Result<vault::VaultSettings> VaultSettingsOf(const VaultPart& part) {
  const VaultOptions& options = part.vault;
  vault::VaultSettings settings;
  http::ClientOptions& client = settings.connection.client;
  for (const std::string& text : options.addresses) {
    LEASEFS_ASSIGN_OR_RETURN(address, ParseAddress(text, PlainHttp::kToLoopback));
    client.addresses.push_back(std::move(address));
  }
  client.max_in_flight = options.concurrency;
  http::TransportOptions& transport = settings.connection.transport;
  transport.http2 = options.http2;
  transport.tls.ca_directory = options.ca_directory;
  transport.tls.server_name = options.server_name;
  settings.ca_file = options.ca_file;
  settings.client_certificate_file = options.client_certificate;
  settings.client_key_file = options.client_key;
  settings.name_space = options.name_space;
  // No reader waits longer, and only a failure that is known can be told at once.
  settings.read_timeout = part.deadline;
  for (const IdentityOptions& identity : options.identities) {
    settings.identities[identity.name] = IdentityOf(identity.auth);
  }
  return settings;
}

lease::MachineOptions MachineOptionsOf(const VaultPart& part) {
  lease::MachineOptions options;
  for (const IdentityOptions& identity : part.vault.identities)
    options.identities[identity.name] = WordsOf(identity, part.vault);
  for (const TreeOptions& tree : part.trees) options.trees.push_back(TreeOf(tree));
  options.on_stop = part.vault.on_stop == VaultOptions::OnStop::kRevoke ? lease::OnStop::kRevoke : lease::OnStop::kKeep;
  return options;
}

}  // namespace leasefs
