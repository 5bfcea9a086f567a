// LeasedSecret: one minted secret (or one instance of a scoped tree): its current version, the lease of that and of
// those before, and when each is renewed, replaced or revoked (S14, S15, S16, S19).
//
//   leased_secret.cc         reading, what is held, ends, records
//   leased_secret_mint.cc    minting: for a reader, or in time before an end
//   leased_secret_renew.cc   the timer, renewals, revocations
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/lease/backoff.h"
#include "backend/lease/context.h"
#include "backend/lease/lifetime.h"
#include "backend/lease/machine.h"
#include "backend/lease/session.h"

namespace leasefs::lease {

class LeasedSecret {
 public:
  // Where it is asked for. The session outlives the secret.
  struct Origin {
    std::shared_ptr<const Tree> tree;
    std::string below;
    Session* session = nullptr;
  };

  LeasedSecret(Context& context, std::string name, Origin origin);
  ~LeasedSecret();
  LeasedSecret(const LeasedSecret&) = delete;
  LeasedSecret& operator=(const LeasedSecret&) = delete;
  void Load(SecretRecord record);  // what a predecessor recorded
  // A mint that a predecessor sent. False: its outcome is known, else it counts as one.
  bool TakeOrphan(const MintIntent& intent);

  void Read(Backend::ReadReply done);
  // fs holds it no more. Where the tree says so its leases are revoked at once.
  void Forget();
  void TokensChanged();  // ends may have moved; leases may be gone with their token
  void TellAgain();
  // Takes over another tree. One that asks for something else leaves what is held to those who have it.
  void SetOrigin(Origin origin);
  // The tree is gone: as SetOrigin with one that asks for something else, and nothing is minted until SetOrigin.
  void Abandon();
  bool abandoned() const { return abandoned_; }
  bool IsMinting() const { return minting_; }
  // Everything that has not ended; `done` when each was answered or failed for good.
  void RevokeAll(std::function<void()> done);

  std::vector<std::string> keys() const { return record_.keys; }  // of the last version
  const Origin& origin() const { return origin_; }
  bool Answers(const Tree& tree) const;  // what it holds is what the tree asks for
  // Nothing is held or under way, and nothing is lost when it is made anew at the next Read.
  bool Disposable() const;
  void Report(protocol::Report& out) const;

 private:
  static constexpr size_t kMostPast = 256;  // leases that are left to their end, or to be revoked

  BootTime EndOf(const Lease& lease) const;
  BootTime LastEndOf(const Lease& lease) const;  // should its token be renewed as often as it can
  bool Usable() const;                           // a reader may have the current version
  protocol::Freshness FreshnessNow() const;
  SecretVersion CurrentVersion() const;
  void ServeOrMint();
  void AnswerAll();
  void FailAll(const Error& error);
  void Settle();  // after anything has changed: ends, timer, what fs was told
  void ExpireEnded();
  void Withdraw(Error reason);  // the current version is gone from the server
  void Supersede();             // the current version is left to those who hold it
  void Save();
  void List();
  bool RevokesOnForget() const;
  Duration min_ttl() const { return origin_.tree->min_ttl; }

  // leased_secret_mint.cc
  enum class Why : uint8_t { kAsked, kScheduled, kAtItsEnd };
  void MintForReaders();
  void Mint(Why why);
  void Send(const Session::Key& key, Reply<Grant> reply);
  bool IsCalledOff() const;
  bool WouldEndTooSoon(const Session::Key& key) const;
  void OnMinted(Answer<Grant> answer);
  void OnGranted(Grant grant);
  void Adopt(Lease lease, std::vector<protocol::Field> fields);
  void PutOff(Lease lease);
  void LeaveToItsEnd(Lease lease);
  void Discard(Lease lease);  // nobody was given it: it is revoked
  std::optional<Failure> UnfitForUse(const Lease& lease) const;
  Failure EndsTooSoon(BootTime end) const;
  Error WhyNotMinted() const;  // before mint_not_before
  void MintFailed(const Failure& failure);
  BootTime AskedMintAllowedAt() const;

  // leased_secret_renew.cc
  bool CanRenew() const;
  BootTime RenewalDueAt() const;
  BootTime ReplacementDueAt() const;
  BootTime NextEvent() const;
  void SetDues();
  void Plan();
  void OnTimer();
  bool WantsRevoking() const;
  bool HasTooManyToRevoke() const;
  void Renew();
  void OnRenewed(const Lease& asked, const Answer<Renewal>& answer);
  void Extend(const Renewal& renewal);
  void ExtendPast(const Lease& asked, const Renewal& renewal);
  void RenewalFailed(const Failure& failure);
  void RevokeDue();
  void OnRevoked(uint64_t sequence, Answer<Done> answer);
  void FinishRevokeAll();

  Context& context_;
  const std::string name_;
  Origin origin_;
  SecretRecord record_;
  bool abandoned_ = false;
  uint64_t abandonments_ = 0;
  std::string problem_;

  std::vector<Backend::ReadReply> waiting_;
  bool renewed_for_readers_ = false;  // those that wait: not twice
  protocol::Freshness told_;          // of the current version
  std::optional<Error> lost_;         // why there is no version

  bool minting_ = false;
  Why minting_why_ = Why::kAsked;
  Origin mint_origin_;              // what it was begun for, whatever is configured meanwhile
  uint64_t mint_abandonments_ = 0;  // as they were then: with more of them, nobody wants it
  bool mint_called_off_ = false;
  uint64_t mint_sequence_ = 0;  // of what is under way; 0: not sent yet
  BootTime mint_sent_at_{};
  Session::Key mint_key_;
  Backoff mint_backoff_;
  std::optional<Failure> mint_failure_;  // of the last one, until it may be tried again
  bool no_overlap_ = false;     // a replacement does not outlive what it replaces: it comes at the end
  Duration no_overlap_life_{};  // of what was not outlived: with a longer one it is tried again
  BootTime replace_not_before_{};  // a lease as long as the last one would end before the current one
  Loop::TimerId mint_timer_ = Loop::kNoTimer;

  bool renewing_ = false;
  Backoff renew_backoff_;
  BootTime renewed_at_{};  // asked for last
  BootTime renew_not_before_{};
  BootTime renew_at_ = kNever;
  BootTime replace_at_ = kNever;
  uint64_t spread_ = 0;  // 0..1023: its place among those that are replaced since their token ends

  bool revoking_ = false;
  Backoff revoke_backoff_;
  BootTime revoke_not_before_{};
  bool revoke_everything_ = false;
  std::function<void()> all_revoked_;

  Loop::TimerId timer_ = Loop::kNoTimer;
  Lifetime lifetime_;
};

}  // namespace leasefs::lease
