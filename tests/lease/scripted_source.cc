#include "tests/lease/scripted_source.h"

#include <memory>
#include <utility>

#include "fs/base/strings.h"

namespace leasefs::lease {

Failure Outage(ErrorKind kind) {
  return {Error(kind, "no answer"), Cause::kOutage};
}
Failure InDoubt() {
  return {Error(ErrorKind::kUnreachable, "the answer was lost"), Cause::kOutage, true};
}
Failure Forbidden() {
  return {Error(ErrorKind::kDenied, "permission denied"), Cause::kForbidden};
}
Failure Refused(ErrorKind kind) {
  return {Error(kind, "refused"), Cause::kRefused};
}
Failure Gone() {
  return {Error(ErrorKind::kRevoked, "it is gone"), Cause::kGone};
}

ScriptedSource::ScriptedSource(Loop& loop) : loop_(loop) {
  on_login = [this](const std::string&) { return NewToken(); };
  on_renew_token = [this](const std::string&) { return Renewal{Now(), token_life}; };
  on_check = [this](const std::string&) { return TokenState{token_life, true}; };
  on_revoke_token = [](const std::string&) { return Done{}; };
  on_find = [](const Tree& tree) {
    bool is_static = tree.engine == Engine::kKv1 || tree.engine == Engine::kKv2 || tree.engine == Engine::kStatic;
    return Place{is_static ? Nature::kStatic : Nature::kMinted, {"username", "password"}};
  };
  on_list = [](const Tree&, protocol::Purpose) {
    return std::vector<protocol::Entry>{{protocol::EntryKind::kKey, "key"}};
  };
  on_get = [this](const Tree&, const std::string&, const std::string&) { return NewGrant(); };
  on_renew = [this](const std::string&, const std::string&) { return Renewal{Now(), lease_life}; };
  on_revoke = [](const std::string&) { return Done{}; };
}

Token ScriptedSource::NewToken() {
  return {SecretBuffer::CopyOf(StrCat("token-", ++tokens_)), Now(), token_life, true};
}

Grant ScriptedSource::NewGrant() {
  Grant grant;
  grant.lease_id = StrCat("lease-", ++leases_);
  protocol::Field field;
  field.key = "password";
  field.value = SecretBuffer::CopyOf(StrCat("password-", leases_));
  grant.fields.push_back(std::move(field));
  grant.asked_at = Now();
  grant.life = lease_life;
  grant.renewable = true;
  return grant;
}

template <class T>
void ScriptedSource::AnswerLater(Answer<T> answer, Reply<T> done) {
  auto kept = std::make_shared<Answer<T>>(std::move(answer));
  loop_.After(latency, [kept, done = std::move(done)] { done(std::move(*kept)); });
}

void ScriptedSource::Login(const std::string& identity, Reply<Token> done) {
  ++figures.logins;
  AnswerLater(on_login(identity), std::move(done));
}
void ScriptedSource::RenewToken(const std::string&, const SecretBuffer& token, Reply<Renewal> done) {
  ++figures.token_renewals;
  AnswerLater(on_renew_token(std::string(token.ExposeText())), std::move(done));
}
void ScriptedSource::CheckToken(const std::string&, const SecretBuffer& token, Reply<TokenState> done) {
  ++figures.checks;
  AnswerLater(on_check(std::string(token.ExposeText())), std::move(done));
}
void ScriptedSource::RevokeToken(const std::string&, const SecretBuffer& token, Reply<Done> done) {
  ++figures.token_revocations;
  AnswerLater(on_revoke_token(std::string(token.ExposeText())), std::move(done));
}
void ScriptedSource::OnCredentialChanged(std::function<void(const std::string& identity)> changed) {
  credential_changed = std::move(changed);
}
void ScriptedSource::Find(const Tree& tree, const std::string&, const SecretBuffer&, Reply<Place> done) {
  ++figures.finds;
  AnswerLater(on_find(tree), std::move(done));
}
void ScriptedSource::List(const Tree& tree, const std::string&, protocol::Purpose purpose, const SecretBuffer&,
                          Reply<Names> done) {
  ++figures.lists;
  AnswerLater(on_list(tree, purpose), std::move(done));
}
void ScriptedSource::Get(const Tree& tree, const std::string& below, const SecretBuffer& token, Reply<Grant> done) {
  ++figures.gets;
  AnswerLater(on_get(tree, below, std::string(token.ExposeText())), std::move(done));
}
void ScriptedSource::Renew(const Tree&, const std::string& lease_id, const SecretBuffer& token, Duration,
                           Reply<Renewal> done) {
  ++figures.renewals;
  AnswerLater(on_renew(lease_id, std::string(token.ExposeText())), std::move(done));
}
void ScriptedSource::Revoke(const std::string&, const std::string& lease_id, const SecretBuffer&, Reply<Done> done) {
  ++figures.revocations;
  AnswerLater(on_revoke(lease_id), std::move(done));
}

}  // namespace leasefs::lease
