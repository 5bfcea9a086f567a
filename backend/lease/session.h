// Session: one identity's tokens. Logs in when somebody asks and there is none, renews, logs in anew before the end of
// a token that cannot be renewed (S16), and finds out what a refusal means: that the token is dead, or a policy.
//
// A new login does not end the token before: that one is retired, its leases live on with it and are replaced in time
// by who holds them. A token's generation names it.
//
//   session.cc        asking, and what is held
//   session_login.cc  logins, renewal, the timer
//   session_check.cc  kForbidden: dead, or denied?
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "backend/lease/backoff.h"
#include "backend/lease/context.h"
#include "backend/lease/lifetime.h"
#include "backend/lease/machine.h"

namespace leasefs::lease {

class Session {
 public:
  struct Key {
    uint64_t generation = 0;
    std::shared_ptr<const SecretBuffer> value;  // null: there is none
    bool can_hold_leases = true;
  };
  struct Need {
    bool lease = false;       // the answer will be bound to the token: not one that is about to be replaced
    Duration left{};          // which has that long to live, if such a one can be had
    uint64_t generation = 0;  // that token and no other; 0: the current one
  };
  template <class T>
  using Question = std::function<void(const Key& key, Reply<T> reply)>;

  // `changed`: the end of a token moved, or a token is not there any more. May be called within any call.
  Session(Context& context, std::string identity, std::function<void()> changed);
  void Load();  // what a predecessor recorded

  // Asks with a token, logging in first if there is none. kForbidden never comes back: the question is asked again if
  // the token was dead, and else the failure is a denial (kRefused, kDenied). With a generation: kGone if that token
  // is not there or the server does not know it. `done` may be called within the call.
  template <class T>
  void Ask(Need need, Question<T> question, Reply<T> done);

  Key KeyOf(uint64_t generation) const;
  bool WasDead(uint64_t generation) const { return dead_generation_ == generation; }  // within `changed`
  BootTime EndOf(uint64_t generation) const;        // the epoch: it is not there (any more)
  BootTime LastEndOf(uint64_t generation) const;    // the same, however often it is renewed; kNever: not known
  BootTime ReplaceFrom(uint64_t generation) const;  // kNever: no need

  void SetLogin(const std::string& login);  // as MachineOptions has it
  // The least time that leases under the current token should have left (S19).
  void SetReserve(Duration reserve);
  void CredentialChanged();
  void TryAtOnce();               // the operator did something: a refusal of before does not count
  void SetRetired(bool retired);  // the identity is not in the settings any more: its tokens run out
  bool IsForgotten() const { return retired_ && tokens_.empty(); }
  bool IsLoggingIn() const { return logging_in_; }
  // Every token, once; waits for the answers.
  void RevokeAll(std::function<void(std::vector<std::string> problems)> done);
  protocol::ReportIdentity Report() const;

 private:
  struct Tries {
    bool again = false, grace = false;  // asked with another token; asked again after a moment
  };
  enum class Verdict { kAskAgain, kAskWithAnother, kDenied, kFailed };
  using Judged = std::function<void(Verdict verdict, const Failure& why)>;
  enum class Finding { kAlive, kDead, kReplaced, kUnknown };
  using Found = std::function<void(Finding finding, const Failure& why)>;
  struct CheckUnderWay {
    bool by_other_means = false;  // when the server does not let the token be looked up
    std::vector<Found> waiting;
  };
  using Acquired = std::function<void(Answer<Key> key)>;
  using Then = std::function<void()>;

  template <class T>
  void Send(const Key& key, Need need, Question<T> question, Reply<T> done, Tries tries);
  void Acquire(Need need, const Acquired& acquired);
  void AnswerAcquire(const Acquired& acquired);
  void Judge(const Key& key, const Need& need, std::shared_ptr<Tries> tries, const Judged& judged);
  void MarkUsed(uint64_t generation);
  static Failure Denied(Failure failure);

  // session_login.cc
  void Login(Then then);
  void OnLoggedIn(Answer<Token> answer);
  std::optional<Failure> Adopt(Token token);
  void LoginFailed(Failure failure);
  bool MayLogIn() const;
  void Renew(Then then);
  void OnRenewed(const HeldToken& asked, Answer<Renewal> answer);
  void RenewalFailed(uint64_t generation, const Failure& failure);
  bool IsBoundToAnother() const;  // the current token, or it may be
  void ApplyRenewal(HeldToken& token, const Renewal& renewal);
  void Cap(uint64_t generation);
  bool CanRenew(const HeldToken& token) const;
  bool IsOutdated() const;
  Duration ReserveOf(const HeldToken& token) const;
  bool MustBeReplaced(const HeldToken& token) const;
  bool IsShort(const HeldToken& token, const Need& need) const;
  void SetDues();
  BootTime NextEvent() const;
  void Plan();
  void OnTimer();
  void DropEnded();

  // session_check.cc
  void Check(uint64_t generation, bool by_other_means, Found found);
  void AskAbout(uint64_t generation);
  void OnChecked(uint64_t generation, Answer<TokenState> answer);
  void CheckByRenewal(uint64_t generation, const Failure& why);
  void CheckByLogin(uint64_t generation, const Failure& why);
  void FinishCheck(uint64_t generation, Finding finding, const Failure& why);
  void Drop(uint64_t generation);

  HeldToken* Find(uint64_t generation);
  const HeldToken* Find(uint64_t generation) const { return const_cast<Session*>(this)->Find(generation); }
  HeldToken* current();
  const HeldToken* current() const { return const_cast<Session*>(this)->current(); }
  void Record();

  Context& context_;
  const std::string identity_;
  const std::function<void()> changed_;
  std::string login_, token_login_;  // as it is configured; as the current token was got
  bool retired_ = false;
  Duration reserve_{};

  std::vector<HeldToken> tokens_;  // at most one is not retired
  uint64_t last_generation_ = 0, dead_generation_ = 0, last_dropped_ = 0;

  bool logging_in_ = false, renewing_ = false;
  std::vector<Then> after_login_;
  Backoff login_outages_, renewal_outages_;
  Backoff login_refusals_ = Backoff::ForRefusedLogins();
  BootTime login_not_before_{};
  std::optional<Failure> login_failure_;                        // of the last one
  bool credential_changed_ = false, may_have_changed_ = false;  // since the last login; while nobody looked
  bool another_lent_ = false;  // in place of the current token, which is lent
  std::vector<Then> after_renewal_;
  BootTime renew_not_before_{};
  bool refused_while_well_ = false;  // the last one failed, and the server was found well
  BootTime renew_at_ = kNever, login_at_ = kNever;  // of the current token; the latter if it cannot be renewed

  std::map<uint64_t, CheckUnderWay> checks_;
  uint64_t checked_generation_ = 0;  // the token that the server was asked about last,
  BootTime checked_at_{};            // and when
  std::optional<Failure> check_failure_;
  Backoff blind_logins_ = Backoff::ForRefusedLogins();
  BootTime blind_login_not_before_{};
  Loop::TimerId timer_ = Loop::kNoTimer;
  uint64_t logins_ = 0;
  std::string problem_;
  Lifetime lifetime_;
};

template <class T>
void Session::Ask(Need need, Question<T> question, Reply<T> done) {
  Acquire(need, [this, need, question = std::move(question), done = std::move(done)](Answer<Key> key) mutable {
    if (auto* failure = std::get_if<Failure>(&key)) return done(std::move(*failure));
    Send<T>(std::get<Key>(key), need, std::move(question), std::move(done), Tries{});
  });
}

template <class T>
void Session::Send(const Key& key, Need need, Question<T> question, Reply<T> done, Tries tries) {
  MarkUsed(key.generation);
  Reply<T> reply = lifetime_.Guard([this, key, need, question, done, tries](Answer<T> answer) mutable {
    auto* failure = std::get_if<Failure>(&answer);
    if (failure == nullptr || failure->cause != Cause::kForbidden) return done(std::move(answer));
    auto kept = std::make_shared<Tries>(tries);
    auto ask = [this, need, question, done, kept](Answer<Key> other) {
      if (auto* none = std::get_if<Failure>(&other)) return done(std::move(*none));
      Send<T>(std::get<Key>(other), need, question, done, *kept);
    };
    Judge(key, need, kept, [this, key, need, done, ask, refused = *failure](Verdict verdict, const Failure& why) {
      if (verdict == Verdict::kDenied) return done(Denied(refused));
      if (verdict == Verdict::kFailed) {
        Failure failed = why;
        failed.in_doubt = false;  // the question itself was refused
        return done(std::move(failed));
      }
      if (verdict == Verdict::kAskAgain) return ask(key);
      Acquire(need, ask);
    });
  });
  question(key, std::move(reply));
}

}  // namespace leasefs::lease
