// Logins: each method's way from a credential to a token, and what the server says of tokens.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "backend/vault/credential_files.h"
#include "backend/vault/settings.h"
#include "backend/vault/vault_client.h"

namespace leasefs::vault {

class Logins {
 public:
  Logins(VaultClient& client, CredentialFiles& files, const VaultSettings& settings)
      : client_(client), files_(files), settings_(settings) {}

  // `identity` is one of the settings'.
  void Login(const std::string& identity, lease::Reply<lease::Token> done);
  void Renew(const std::string& identity, const SecretBuffer& token, lease::Reply<lease::Renewal> done);
  void Check(const std::string& identity, const SecretBuffer& token, lease::Reply<lease::TokenState> done);
  // Only what was got by a login of ours.
  void Revoke(const std::string& identity, const SecretBuffer& token, lease::Reply<Done> done);

  // The credential of this identity is another now: what was made of the last one is forgotten.
  void Forget(const std::string& identity);

  // Of a request in this identity's name.
  const std::string& NameSpaceOf(const std::string& identity) const;

 private:
  using GotCredential = std::function<void(lease::Answer<SecretBuffer>)>;

  // The file's bytes without the line end behind them, if a request can carry them.
  void ReadFile(const std::string& identity, GotCredential done);
  void LoginByToken(const std::string& identity, SecretBuffer token, lease::Reply<lease::Token> done);
  void LoginBySecretId(const std::string& identity, lease::Reply<lease::Token> done);
  void Unwrap(const std::string& identity, SecretBuffer wrapping_token, GotCredential done);
  void Post(const std::string& identity, const SecretBuffer& credential, lease::Reply<lease::Token> done);
  // 403 of lookup-self tells of a dead token or of a policy; another endpoint, which every live token may ask, knows.
  void TellDeadFromDenied(const std::string& identity, const SecretBuffer& token, lease::Failure denied,
                          lease::Reply<lease::TokenState> done);

  Subject SubjectOf(const std::string& identity, Asked asked) const;
  std::string MountOf(const Identity& identity) const;

  VaultClient& client_;
  CredentialFiles& files_;
  const VaultSettings& settings_;
  // What wrapping tokens held: they are used up, so this is all there is. By identity.
  std::map<std::string, SecretBuffer> unwrapped_;
  std::map<std::string, uint64_t> forgotten_;  // how often, so that what is on its way then is not kept
};

// Of a token, from the `data` of a look at it. Zero: it never ends.
Duration LifeOf(const Members& data);

}  // namespace leasefs::vault
