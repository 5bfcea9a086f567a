#include "tests/support/minting_backend.h"

#include <memory>

#include "fs/base/strings.h"

namespace leasefs {

std::string MintingBackend::ValueOf(const std::string& secret, uint64_t version) {
  return StrCat(secret, " #", version);
}

void MintingBackend::Mint(const std::string& secret) {
  ++mints_;
  minted_paths_.push_back(secret);
  leases_[secret] = {++versions_[secret], loop_.Now() + lease};
}

protocol::Freshness MintingBackend::FreshnessOf(const Lease& held) const {
  return {held.end - min_ttl, held.end - min_ttl, held.end};
}

SecretVersion MintingBackend::VersionOf(const std::string& secret) const {
  const Lease& held = leases_.at(secret);
  SecretVersion version;
  version.version = held.version;
  version.fields.push_back({"password", false, SecretBuffer::CopyOf(ValueOf(secret, held.version))});
  version.fields.push_back({"username", false, SecretBuffer::CopyOf("app")});
  version.lease_end = held.end;
  version.freshness = FreshnessOf(held);
  version.minted = true;
  return version;
}

// By value: a test may name it by what this makes longer.
void MintingBackend::Replace(std::string secret) {
  Mint(secret);
  events_.on_published(secret, VersionOf(secret));
}

void MintingBackend::Extend(const std::string& secret, Duration by) {
  Lease& held = leases_.at(secret);
  held.end += by;
  events_.on_extended(secret, held.version, FreshnessOf(held));
}

std::vector<std::string> MintingBackend::LiveLeases() const {
  std::vector<std::string> live;
  for (const auto& [secret, held] : leases_) {
    if (held.end > loop_.Now()) live.push_back(secret);
  }
  return live;
}

void MintingBackend::List(const std::string& directory, protocol::Purpose /*purpose*/, ListReply done) {
  ++lists_;
  loop_.After(delay, [this, directory, done = std::move(done)] {
    if (outage) return done(Error(*outage, "outage"));
    if (directory != place_) return done(Error(ErrorKind::kNotFound, "no such place"));
    // The value is said to be at hand, and must not be taken where it would be minted.
    done(Listing{
        {{protocol::EntryKind::kKey, "password"}, {protocol::EntryKind::kKey, "username"}}, minted, kNever, true});
  });
}

void MintingBackend::Read(const std::string& secret, ReadReply done) {
  ++reads_;
  loop_.After(delay, [this, secret, done = std::move(done)] {
    if (outage == ErrorKind::kInterrupted) return;
    if (outage) return done(Error(*outage, "outage"));
    auto held = leases_.find(secret);
    if (held == leases_.end() || held->second.end - min_ttl <= loop_.Now()) Mint(secret);
    done(VersionOf(secret));
  });
}

void MintingBackend::Forget(const std::string& secret) {
  forgotten_.push_back(secret);
  if (revokes_idle) leases_.erase(secret);
}

void MintingBackend::TellAgain() {
  for (const std::string& secret : LiveLeases()) events_.on_published(secret, VersionOf(secret));
}

}  // namespace leasefs
