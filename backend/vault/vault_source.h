// VaultSource: HashiCorp Vault and OpenBao, as the lease machine asks them.
//
// It speaks over an HttpClient, whose connections several sources could share, and asks for credentials by
// CredentialFiles. Of what it was told it keeps what is mounted where and when static roles rotated; and, sealed in
// SurvivingRecords, what a wrapping token held: nobody can ask for that again, so it must outlive the process.
//
// Of a token, a credential or an answer nothing is left in this process once its callback has run, if the HttpClient
// speaks HTTP/1.1, as it does by default: a connection of HTTP/2 keeps the token in its header table and the last
// answers in its buffers for as long as it lives, which may be longer than the token and the lease
// (backend/http/curl_library.h).
#pragma once

#include <memory>

#include "backend/http/http_client.h"
#include "backend/lease/source.h"
#include "backend/lease/surviving_records.h"
#include "backend/vault/credential_files.h"
#include "backend/vault/settings.h"
#include "fs/base/loop.h"

namespace leasefs::vault {

class VaultSource final : public lease::Source {
 public:
  // All that is referred to outlives the source. `settings` have been checked. Without `records`, each login unwraps
  // anew, which works once.
  VaultSource(Loop& loop, http::HttpClient& http, CredentialFiles& files, VaultSettings settings,
              lease::SurvivingRecords* records);
  ~VaultSource() override;
  VaultSource(const VaultSource&) = delete;
  VaultSource& operator=(const VaultSource&) = delete;

  void Login(const std::string& identity, lease::Reply<lease::Token> done) override;
  void RenewToken(const std::string& identity, const SecretBuffer& token, lease::Reply<lease::Renewal> done) override;
  void CheckToken(const std::string& identity, const SecretBuffer& token,
                  lease::Reply<lease::TokenState> done) override;
  void RevokeToken(const std::string& identity, const SecretBuffer& token, lease::Reply<Done> done) override;
  void OnCredentialChanged(std::function<void(const std::string& identity)> changed) override;
  bool BindsTokens(const std::string& identity) const override;

  void Find(const lease::Tree& tree, const std::string& below, const SecretBuffer& token,
            lease::Reply<lease::Place> done) override;
  void List(const lease::Tree& tree, const std::string& below, protocol::Purpose purpose, const SecretBuffer& token,
            lease::Reply<lease::Names> done) override;
  void Get(const lease::Tree& tree, const std::string& below, const SecretBuffer& token,
           lease::Reply<lease::Grant> done) override;
  void Renew(const lease::Tree& tree, const std::string& lease_id, const SecretBuffer& token, Duration wanted,
             lease::Reply<lease::Renewal> done) override;
  void Revoke(const std::string& identity, const std::string& lease_id, const SecretBuffer& token,
              lease::Reply<Done> done) override;

  struct MintRight {
    bool allowed = false;
    std::string wanted;  // "update on pki/issue/web"
    bool may_renew = false, may_revoke = false;  // the leases
  };
  // Whether the token's policy lets the tree's own place be minted, and leases be renewed and revoked; mints nothing.
  // Asks sys/capabilities-self, which the policy `default` allows.
  void FindMintRight(const lease::Tree& tree, const SecretBuffer& token, lease::Reply<MintRight> done);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace leasefs::vault
