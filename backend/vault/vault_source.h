// VaultSource: HashiCorp Vault and OpenBao, as the lease machine asks them.
//
// It speaks over an HttpClient, whose connections several sources could share, and asks for credentials by
// CredentialFiles. Of what it was told it keeps what is mounted where, when static roles rotated, and what a wrapping
// token held: the only secret, since nobody can ask for it again.
//
// HTTP/2 is spoken where the server does, over which requests share a connection. While that lives, its header table
// holds the token (backend/http/curl_library.h), in the memory of a process that holds the token anyway; `http2 =
// false` keeps it out of there.
#pragma once

#include <memory>

#include "backend/http/http_client.h"
#include "backend/lease/source.h"
#include "backend/vault/credential_files.h"
#include "backend/vault/settings.h"
#include "fs/base/loop.h"

namespace leasefs::vault {

class VaultSource final : public lease::Source {
 public:
  // All that is referred to outlives the source. `settings` have been checked.
  VaultSource(Loop& loop, http::HttpClient& http, CredentialFiles& files, VaultSettings settings);
  ~VaultSource() override;
  VaultSource(const VaultSource&) = delete;
  VaultSource& operator=(const VaultSource&) = delete;

  void Login(const std::string& identity, lease::Reply<lease::Token> done) override;
  void RenewToken(const std::string& identity, const SecretBuffer& token, lease::Reply<lease::Renewal> done) override;
  void CheckToken(const std::string& identity, const SecretBuffer& token,
                  lease::Reply<lease::TokenState> done) override;
  void RevokeToken(const std::string& identity, const SecretBuffer& token, lease::Reply<Done> done) override;
  void OnCredentialChanged(std::function<void(const std::string& identity)> changed) override;

  void Find(const lease::Tree& tree, const std::string& below, const SecretBuffer& token,
            lease::Reply<lease::Place> done) override;
  void List(const lease::Tree& tree, const std::string& below, const SecretBuffer& token,
            lease::Reply<std::vector<protocol::Entry>> done) override;
  void Get(const lease::Tree& tree, const std::string& below, const SecretBuffer& token,
           lease::Reply<lease::Grant> done) override;
  void Renew(const lease::Tree& tree, const std::string& lease_id, const SecretBuffer& token, Duration wanted,
             lease::Reply<lease::Renewal> done) override;
  void Revoke(const std::string& identity, const std::string& lease_id, const SecretBuffer& token,
              lease::Reply<Done> done) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace leasefs::vault
