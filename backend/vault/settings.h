// What a VaultSource is told. Values only; constant once the source is made.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "backend/http/options.h"
#include "fs/base/time.h"

namespace leasefs::vault {

enum class LoginMethod : uint8_t { kToken, kAppRole, kCert, kKubernetes, kJwt, kUserpass };
std::string_view LoginMethodName(LoginMethod method);  // "token", "approle", …: also where it is mounted by default

// How to log in. The fields that are files name them for CredentialFiles.
struct Identity {
  LoginMethod method = LoginMethod::kToken;
  std::string mount = {};  // below auth/, "team/approle"; "": the method's name. Not for kToken
  // kAppRole: the role_id. kCert, kKubernetes, kJwt: the role; "" only for kCert and kJwt. kUserpass: the user.
  std::string role = {};
  // kToken: the token. kAppRole: the secret-id; "": the role wants none. kKubernetes, kJwt: the JWT. kUserpass: the
  // password. kCert: none, the certificate is the connection's. One line end behind it is not part of it.
  std::string file = {};
  // kAppRole: the file holds a response-wrapping token that was made by this request and no other, as in
  // "auth/approle/role/web/secret-id". "": it holds the secret-id itself.
  std::string wrapped = {};
};

struct VaultSettings {
  // TLS files lie here as paths only where the process may open them; else in the names below (tls_files.h).
  http::Options connection;
  std::string ca_file;  // names for CredentialFiles, PEM; "": none
  std::string client_certificate_file;
  std::string client_key_file;

  std::string name_space;  // of the logins and of all that their tokens read, "team/a"; "": the root
  std::map<std::string, Identity> identities;

  // Of one request with all its attempts. Nobody waits for a reading longer than S25 lets a reader wait; but what was
  // given up while it was being minted is a lease that nobody knows.
  Duration read_timeout = std::chrono::seconds(15);
  Duration change_timeout = std::chrono::seconds(60);
};

}  // namespace leasefs::vault
