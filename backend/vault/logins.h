// Logins: each method's way from a credential to a token, and what the server says of tokens.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "backend/lease/surviving_records.h"
#include "backend/vault/credential_files.h"
#include "backend/vault/settings.h"
#include "backend/vault/vault_client.h"

namespace leasefs::vault {

class Logins {
 public:
  // `records` keeps what wrapping tokens held, for later logins and successors; null: nothing is kept.
  Logins(VaultClient& client, CredentialFiles& files, const VaultSettings& settings, lease::SurvivingRecords* records);

  // `identity` is one of the settings'.
  void Login(const std::string& identity, lease::Reply<lease::Token> done);
  void Renew(const std::string& identity, const SecretBuffer& token, lease::Reply<lease::Renewal> done);
  void Check(const std::string& identity, const SecretBuffer& token, lease::Reply<lease::TokenState> done);
  // Only what was got by a login of ours.
  void Revoke(const std::string& identity, const SecretBuffer& token, lease::Reply<Done> done);

 private:
  using GotCredential = std::function<void(lease::Answer<SecretBuffer>)>;
  struct Unwrapped {
    SecretBuffer wrapping_token;
    SecretBuffer secret_id;
  };

  // The file's bytes without the line end behind them, if a request can carry them.
  void ReadFile(const std::string& identity, GotCredential done);
  void LoginByToken(const std::string& identity, SecretBuffer token, lease::Reply<lease::Token> done);
  void LoginBySecretId(const std::string& identity, lease::Reply<lease::Token> done);
  void Unwrap(const std::string& identity, SecretBuffer wrapping_token, GotCredential done);
  std::optional<Unwrapped> Recall(const std::string& identity) const;
  void Keep(const std::string& identity, const Unwrapped& unwrapped);
  void ForgetUnused();
  void Post(const std::string& identity, const SecretBuffer& credential, lease::Reply<lease::Token> done);
  // 403 of lookup-self tells of a dead token or of a policy; another endpoint, which every live token may ask, knows.
  void TellDeadFromDenied(const std::string& identity, const SecretBuffer& token, lease::Failure denied,
                          lease::Reply<lease::TokenState> done);

  Subject SubjectOf(const std::string& identity, Asked asked) const;
  std::string MountOf(const Identity& identity) const;

  VaultClient& client_;
  CredentialFiles& files_;
  const VaultSettings& settings_;
  lease::SurvivingRecords* const records_;
};

// Of a token, from the `data` of a look at it. Zero: it never ends.
Duration LifeOf(const Members& data);

}  // namespace leasefs::vault
