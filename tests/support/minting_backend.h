// MintingBackend: a Backend in memory whose secrets are minted when they are read: each has a lease that ends, and what
// is held is given to whoever asks while it is good. As the lease machine does it, but nothing is replaced or extended
// unless a test says so. Loop's thread only.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "fs/base/loop.h"

namespace leasefs {

class MintingBackend : public Backend {
 public:
  // Every path at or below `place` can be minted; names are known of `place` itself only.
  MintingBackend(Loop& loop, std::string place) : loop_(loop), place_(std::move(place)) {}

  Duration lease = std::chrono::minutes(10);
  Duration min_ttl{};  // S19: with less left than this it is not handed out
  Duration delay{};    // of answers
  bool minted = true;  // what a listing says
  bool revokes_idle = false;
  std::optional<ErrorKind> outage;  // answers everything with it; kInterrupted: there is no answer at all

  // Make before break: a new version, told unasked.
  void Replace(std::string secret);
  void Extend(const std::string& secret, Duration by);

  uint64_t mints() const { return mints_; }
  uint64_t reads() const { return reads_; }
  uint64_t lists() const { return lists_; }
  const std::vector<std::string>& minted_paths() const { return minted_paths_; }  // each mint, in order
  const std::vector<std::string>& forgotten() const { return forgotten_; }        // each Idle, in order
  // Of the secrets whose leases were not revoked and have not ended.
  std::vector<std::string> LiveLeases() const;
  static std::string ValueOf(const std::string& secret, uint64_t version);

  void Tell(const protocol::Report& report) { events_.on_report(report); }
  void TellHealth(protocol::HealthState state, const std::string& message) { events_.on_health(state, message); }

  void SetEvents(Events events) override { events_ = std::move(events); }
  void List(const std::string& directory, protocol::Purpose purpose, ListReply done) override;
  void Read(const std::string& secret, ReadReply done) override;
  void Forget(const std::string& secret) override;
  void TellAgain() override;
  bool PushesChanges() const override { return false; }
  uint64_t Generation() const override { return 0; }
  Result<std::vector<std::string>> ChangedSince(uint64_t) const override { return std::vector<std::string>(); }

 private:
  struct Lease {
    uint64_t version = 0;
    BootTime end{};
  };
  void Mint(const std::string& secret);
  SecretVersion VersionOf(const std::string& secret) const;
  protocol::Freshness FreshnessOf(const Lease& held) const;

  Loop& loop_;
  std::string place_;
  Events events_;
  std::map<std::string, Lease> leases_;
  std::map<std::string, uint64_t> versions_;  // given out
  uint64_t mints_ = 0, reads_ = 0, lists_ = 0;
  std::vector<std::string> minted_paths_, forgotten_;
};

}  // namespace leasefs
