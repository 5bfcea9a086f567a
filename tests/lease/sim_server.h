// A model of a server of secrets: what it would answer, and what the machine may ask of it. Every question is judged
// when it is sent: one login and one mint at a time, a cause for each login, mint and revocation, and no hurry.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "tests/lease/scripted_source.h"
#include "tests/lease/sim_world.h"

namespace leasefs::lease {

class SimServer : public Source {
 public:
  // `loop`: the machine's, which may be suspended. Its answers come on that.
  SimServer(SimWorld& world, Loop& machine_loop) : world_(world), machine_loop_(machine_loop) {}

  // What fs does, as far as it justifies a question.
  std::set<std::string> waiting;  // somebody waits for a Read of it
  std::set<std::string> in_use;
  std::map<std::string, Duration> min_ttl;  // by tree
  std::map<std::string, Duration> mint_interval;
  std::map<std::string, Duration> reserve;  // the most of min_ttl, by identity
  std::function<bool(const SimLease& lease)> may_revoke;
  std::function<void()> on_mint_sent;  // once; may be empty
  bool stopping = false;
  BootTime credential_changed_at{};

  uint64_t orphans = 0;  // that must be reported
  uint64_t questions = 0, mints = 0, logins = 0, renewals = 0;
  void MachineKilled();  // nobody hears the answers that are under way
  void PowerCut();       // and nobody remembers any
  // What the machine was told of, and has not ended for it.
  bool IsKnown(const SimLease& lease) const;
  void CredentialChanged(const std::string& identity);

  void Login(const std::string& identity, Reply<Token> done) override;
  void RenewToken(const std::string& identity, const SecretBuffer& token, Reply<Renewal> done) override;
  void CheckToken(const std::string& identity, const SecretBuffer& token, Reply<TokenState> done) override;
  void RevokeToken(const std::string& identity, const SecretBuffer& token, Reply<Done> done) override;
  void OnCredentialChanged(std::function<void(const std::string& identity)> changed) override;
  bool BindsTokens(const std::string&) const override { return world_.binds_tokens; }
  void Find(const Tree& tree, const std::string& below, const SecretBuffer& token, Reply<Place> done) override;
  void List(const Tree& tree, const std::string& below, protocol::Purpose purpose, const SecretBuffer& token,
            Reply<Names> done) override;
  void Get(const Tree& tree, const std::string& below, const SecretBuffer& token, Reply<Grant> done) override;
  void Renew(const Tree& tree, const std::string& lease_id, const SecretBuffer& token, Duration wanted,
             Reply<Renewal> done) override;
  void Revoke(const std::string& identity, const std::string& lease_id, const SecretBuffer& token,
              Reply<Done> done) override;

 private:
  static constexpr Duration kTimeout = std::chrono::seconds(2);
  static constexpr Duration kSlow = std::chrono::milliseconds(100);
  enum class Lost { kNothing, kAnswer, kSense };
  // `serve` gives the answer (and has the effect) when the question arrives; `told` is called when the answer does.
  template <class T>
  void Handle(const std::string& what, Reply<T> done, std::function<Answer<T>()> serve,
              std::function<void(const Answer<T>&)> told);
  Failure Garbled();
  void JudgeHurry(const std::string& what);
  void JudgeLogin(const std::string& identity);
  void JudgeMint(const std::string& secret);
  bool MayBeReplaced(const std::string& secret) const;
  const SimToken* NewestToken(const std::string& identity) const;
  bool IsLate(const Told& told, Duration least) const;
  bool IsBoundToAnother(const SimToken& token) const;
  bool IsForbidden(const std::string& source, const std::string& token);
  Answer<Grant> Mint(const Tree& tree, const std::string& token, BootTime asked_at);
  Answer<Grant> ReadValue(const Tree& tree, BootTime asked_at);

  SimWorld& world_;
  Loop& machine_loop_;
  std::function<void(const std::string& identity)> changed_;
  uint64_t life_ = 1;                                  // of the machine
  std::map<std::string, std::deque<BootTime>> asked_;  // what -> when
  std::map<std::string, bool> login_under_way_, mint_under_way_, asked_under_way_;
  uint64_t scoped_mints_under_way_ = 0;
  std::map<std::string, Duration> reserve_at_login_;  // the last one
  std::map<std::string, BootTime> last_asked_mint_, mint_sent_at_, asked_again_until_;
  std::map<std::string, std::string> newest_;  // secret -> value that the machine was given last
  BootTime unverifiable_at_{};                 // a token could not be looked up
  uint64_t tokens_made_ = 0, leases_made_ = 0;
};

template <class T>
void SimServer::Handle(const std::string& what, Reply<T> done, std::function<Answer<T>()> serve,
                       std::function<void(const Answer<T>&)> told) {
  ++questions;
  JudgeHurry(what);
  world_.Trace(what);
  auto answer_after = [this, what, done, told, life = life_](Duration wait, Answer<T> answer) {
    auto kept = std::make_shared<Answer<T>>(std::move(answer));
    machine_loop_.After(wait, [this, what, done, told, life, kept] {
      if (life != life_) return;
      auto* failure = std::get_if<Failure>(kept.get());
      world_.Trace(StrCat("    answer to ", what,
                          failure == nullptr ? std::string(": yes") : StrCat(": ", failure->error.message())));
      told(*kept);
      done(std::move(*kept));
    });
  };
  auto arrive = [this, serve, answer_after](Lost lost) {
    world_.loop.After(world_.latency, [this, serve, answer_after, lost] {
      Answer<T> answer = serve();
      if (lost == Lost::kAnswer) return answer_after(kTimeout, InDoubt());
      if (lost == Lost::kSense) return answer_after(world_.latency, Garbled());
      answer_after(world_.latency, std::move(answer));
    });
  };
  if (world_.net != Net::kUp) world_.Notice(Trouble::kNet);
  world_.Noticed(world_.latency > kSlow, Trouble::kSlow);
  switch (world_.net) {
    case Net::kUp:
      return arrive(Lost::kNothing);
    case Net::kUnreachable: {
      Failure outage = Outage();
      if (world_.Chance(30)) {  // the address rests
        BootTime rest = world_.loop.Now() + world_.Between(Duration::zero(), std::chrono::seconds(30));
        outage.error = std::move(outage.error).RetryAt(rest);
      }
      return answer_after(world_.Chance(50) ? world_.latency : kTimeout, outage);
    }
    case Net::kSealed: {
      Failure sealed = Outage(ErrorKind::kRemote);
      if (world_.Chance(20)) sealed.retry_after = std::chrono::seconds(world_.chance.Below(20));
      return answer_after(world_.latency, sealed);
    }
    case Net::kLossy:
      if (world_.Chance(30)) return answer_after(kTimeout, InDoubt());  // it never arrives, and who knows
      return arrive(world_.Chance(30) ? Lost::kAnswer : Lost::kNothing);
    case Net::kGarbled:
      if (world_.Chance(50)) return answer_after(world_.latency, Garbled());  // by a proxy: it never arrives
      return arrive(world_.Chance(60) ? Lost::kSense : Lost::kNothing);
  }
}

}  // namespace leasefs::lease
