// A Source whose answers the test decides: each kind of question has a function that is called when the question comes
// and whose answer arrives a millisecond later. By default everything goes well: tokens and leases of an hour.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "backend/lease/source.h"
#include "fs/base/loop.h"

namespace leasefs::lease {

class ScriptedSource : public Source {
 public:
  explicit ScriptedSource(Loop& loop);

  struct Figures {
    int logins = 0, token_renewals = 0, checks = 0, token_revocations = 0;
    int finds = 0, lists = 0, gets = 0, renewals = 0, revocations = 0;
    int all() const {
      return logins + token_renewals + checks + token_revocations + finds + lists + gets + renewals + revocations;
    }
  };
  Figures figures;
  Duration latency = std::chrono::milliseconds(1);

  std::function<Answer<Token>(const std::string& identity)> on_login;
  std::function<Answer<Renewal>(const std::string& token)> on_renew_token;
  std::function<Answer<TokenState>(const std::string& token)> on_check;
  std::function<Answer<Done>(const std::string& token)> on_revoke_token;
  std::function<Answer<Place>(const Tree& tree)> on_find;
  std::function<Answer<Names>(const Tree& tree, protocol::Purpose purpose)> on_list;
  std::function<Answer<Grant>(const Tree& tree, const std::string& below, const std::string& token)> on_get;
  std::function<Answer<Renewal>(const std::string& lease_id, const std::string& token)> on_renew;
  std::function<Answer<Done>(const std::string& lease_id)> on_revoke;
  bool binds_tokens = false;
  std::function<void(const std::string& identity)> credential_changed;  // what the machine set

  // What the defaults give; tests build on them.
  Token NewToken();
  Grant NewGrant();
  Duration token_life = std::chrono::hours(1);
  Duration lease_life = std::chrono::hours(1);
  BootTime Now() const { return loop_.Now(); }

  void Login(const std::string& identity, Reply<Token> done) override;
  void RenewToken(const std::string& identity, const SecretBuffer& token, Reply<Renewal> done) override;
  void CheckToken(const std::string& identity, const SecretBuffer& token, Reply<TokenState> done) override;
  void RevokeToken(const std::string& identity, const SecretBuffer& token, Reply<Done> done) override;
  void OnCredentialChanged(std::function<void(const std::string& identity)> changed) override;
  bool BindsTokens(const std::string&) const override { return binds_tokens; }
  void Find(const Tree& tree, const std::string& below, const SecretBuffer& token, Reply<Place> done) override;
  void List(const Tree& tree, const std::string& below, protocol::Purpose purpose, const SecretBuffer& token,
            Reply<Names> done) override;
  void Get(const Tree& tree, const std::string& below, const SecretBuffer& token, Reply<Grant> done) override;
  void Renew(const Tree& tree, const std::string& lease_id, const SecretBuffer& token, Duration wanted,
             Reply<Renewal> done) override;
  void Revoke(const std::string& identity, const std::string& lease_id, const SecretBuffer& token,
              Reply<Done> done) override;

 private:
  template <class T>
  void AnswerLater(Answer<T> answer, Reply<T> done);
  Loop& loop_;
  int tokens_ = 0;
  int leases_ = 0;
};

Failure Outage(ErrorKind kind = ErrorKind::kUnreachable);
Failure InDoubt();
Failure Forbidden();
Failure Refused(ErrorKind kind = ErrorKind::kNotFound);
Failure Gone();

}  // namespace leasefs::lease
