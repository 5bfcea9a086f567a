// What the configuration says of a backend of type "vault" (HashiCorp Vault, OpenBao) and of trees that show one.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fs/config/source_location.h"

namespace leasefs {

struct KeySource {                                      // key = { file = … } and the like, one of these
  enum class Kind : uint8_t { kFile, kCredential, kPassphrase };
  Kind kind = Kind::kPassphrase;
  std::string name;                                     // path or credential name

  bool operator==(const KeySource&) const = default;
};

struct AuthOptions {                                    // auth = { method = … }
  enum class Method : uint8_t { kToken, kApprole, kCert, kKubernetes, kJwt, kUserpass };
  Method method = Method::kToken;
  std::string mount;                                    // of the auth method: "approle", "team-a/approle"
  std::string role;                                     // role_id of approle; role of cert, kubernetes, jwt
  std::string username;                                 // userpass
  std::optional<KeySource> credential;                  // token, secret_id, jwt or password; cert has none
  std::string wrapped;                                  // approle: the secret-id is wrapped, and was made at this path

  bool operator==(const AuthOptions&) const = default;
};

struct IdentityOptions {                                // the backend's own (name ""), [backend.NAME.identity.NAME]
  std::string name;
  AuthOptions auth;
  SourceLocation where;

  bool operator==(const IdentityOptions&) const = default;
};

struct VaultOptions {                                   // [backend.NAME] type = "vault"
  enum class OnStop : uint8_t { kKeep, kRevoke };
  std::vector<std::string> addresses;                   // "https://vault-1:8200"
  std::string ca_file, ca_directory;                    // "" = the system's
  std::string server_name;                              // SNI and verification; "" = the address's
  std::string client_certificate, client_key;           // PEM files, both or none
  std::string name_space;                               // "a/b", "" = root
  bool http2 = false;                                   // keeps tokens and answers in memory
  uint32_t concurrency = 16;
  OnStop on_stop = OnStop::kKeep;
  std::optional<KeySource> state_key;                   // none: no list of live leases on disk
  std::string state_file;                               // of that list
  std::vector<IdentityOptions> identities;              // the backend's own first

  bool operator==(const VaultOptions&) const = default;
};

enum class VaultEngine : uint8_t { kDetect, kKv1, kKv2, kStatic, kDynamic };
struct VaultTreeOptions {                               // of [[tree]], beside what all trees have
  std::string identity;                                 // "" = the backend's own
  VaultEngine engine = VaultEngine::kDetect;
  uint32_t version = 0;                                 // KV v2: pinned; 0 = the current one
  std::string method;                                   // "GET", "POST"; "" = what the engine needs
  std::vector<std::pair<std::string, std::string>> params;  // name, JSON text
  std::vector<std::string> keys;                        // names before the first mint
  std::chrono::milliseconds min_ttl{0};                 // S19
  std::chrono::milliseconds mint_interval{10'000};      // S15

  bool operator==(const VaultTreeOptions&) const = default;
};

}  // namespace leasefs
