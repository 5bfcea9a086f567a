// The part of the model server that gives out values and leases.
#include <algorithm>
#include <memory>
#include <utility>

#include "tests/lease/scripted_source.h"
#include "tests/lease/sim_server.h"

namespace leasefs::lease {
namespace {

using std::chrono::seconds;

Duration WholeSeconds(Duration time) {
  return std::chrono::floor<seconds>(std::max(time, Duration::zero()));
}

}  // namespace

bool SimServer::IsForbidden(const std::string& source, const std::string& token) {
  return world_.Noticed(world_.denied[source], Trouble::kDenied) || !world_.TokenAlive(token);
}

void SimServer::Find(const Tree& tree, const std::string& /*below*/, const SecretBuffer& value, Reply<Place> done) {
  std::string token(value.ExposeText());
  auto serve = [this, source = tree.source, token]() -> Answer<Place> {
    if (IsForbidden(source, token)) return Forbidden();
    return Place{world_.roles.count(source) != 0 ? Nature::kMinted : Nature::kStatic, {"value"}};
  };
  Handle<Place>(StrCat("find ", tree.name), std::move(done), std::move(serve), [](const Answer<Place>&) {});
}

void SimServer::List(const Tree& tree, const std::string& /*below*/, protocol::Purpose /*purpose*/,
                     const SecretBuffer& value, Reply<Names> done) {
  std::string token(value.ExposeText());
  auto serve = [this, source = tree.source, token]() -> Answer<Names> {
    if (IsForbidden(source, token)) return Forbidden();
    return Names({{protocol::EntryKind::kKey, "value"}});
  };
  Handle<Names>(StrCat("list ", tree.name), std::move(done), std::move(serve), [](const Answer<Names>&) {});
}

void SimServer::Get(const Tree& tree, const std::string& /*below*/, const SecretBuffer& value, Reply<Grant> done) {
  std::string token(value.ExposeText());
  BootTime asked_at = world_.loop.Now();
  if (world_.roles.count(tree.source) == 0) {
    auto read = [this, tree, token, asked_at]() -> Answer<Grant> {
      if (IsForbidden(tree.source, token)) return Forbidden();
      return ReadValue(tree, asked_at);
    };
    return Handle<Grant>(StrCat("read ", tree.name), std::move(done), std::move(read), [](const Answer<Grant>&) {});
  }
  bool scoped = tree.scope != Scope::kShared;  // whose instance it is cannot be seen here
  if (scoped) ++scoped_mints_under_way_;
  if (!scoped) JudgeMint(tree.name);
  if (auto sent = std::exchange(on_mint_sent, nullptr)) sent();
  auto serve = [this, tree, token, asked_at]() -> Answer<Grant> {
    if (IsForbidden(tree.source, token)) return Forbidden();
    ++mints;
    return Mint(tree, token, asked_at);
  };
  auto told = [this, tree, scoped, asked_at](const Answer<Grant>& answer) {
    if (scoped) --scoped_mints_under_way_;
    if (!scoped) mint_under_way_[tree.name] = false;
    auto* failure = std::get_if<Failure>(&answer);
    if (failure == nullptr || failure->in_doubt) {
      orphans += failure == nullptr ? 0 : 1;
      if (!scoped && asked_under_way_[tree.name]) last_asked_mint_[tree.name] = asked_at;
    }
    if (failure != nullptr && failure->cause == Cause::kForbidden)
      asked_again_until_[tree.name] = world_.loop.Now() + seconds(20);
    if (failure != nullptr) return;
    asked_again_until_.erase(tree.name);
    const Grant& grant = std::get<Grant>(answer);
    std::string text(grant.fields[0].value.ExposeText());
    SimLease& lease = world_.leases.at(text);
    Duration life = grant.ends == kNever ? grant.life : grant.ends - grant.asked_at;
    lease.told.Grant(grant.asked_at, life, grant.renewable);
    lease.told_at = world_.loop.Now();
    if (!scoped) newest_[tree.name] = text;
  };
  Handle<Grant>(StrCat("mint ", scoped ? StrCat(tree.name, questions % 8) : tree.name), std::move(done),
                std::move(serve), std::move(told));
}

Answer<Grant> SimServer::Mint(const Tree& tree, const std::string& token, BootTime asked_at) {
  const SimRole& role = world_.roles.at(tree.source);
  BootTime now = world_.loop.Now();
  std::string text = StrCat(tree.name, "#", ++leases_made_);
  SimLease& lease = world_.leases[text];
  lease.secret = tree.name;
  lease.value = text;
  lease.minted = now;
  lease.computed = role.computed || role.endless;
  Grant grant;
  protocol::Field field;
  field.key = "value";
  field.value = SecretBuffer::CopyOf(text);
  grant.fields.push_back(std::move(field));
  grant.asked_at = asked_at;
  if (role.computed) return grant;
  if (!role.endless) lease.ends = now + role.life;
  if (role.certificate) {
    grant.ends = lease.ends;
    return grant;
  }
  lease.token = token;
  lease.max_end = now + role.max_life;
  lease.renewable = role.renewable;
  grant.lease_id = StrCat("lease-", leases_made_);
  grant.life = role.life;
  grant.renewable = role.renewable;
  world_.lease_ids[grant.lease_id] = text;
  return grant;
}

Answer<Grant> SimServer::ReadValue(const Tree& tree, BootTime asked_at) {
  const SimValue& value = world_.values.at(tree.source);
  if (!value.there) return Refused();
  Grant grant;
  protocol::Field field;
  field.key = "value";
  field.value = SecretBuffer::CopyOf(value.text);
  grant.fields.push_back(std::move(field));
  grant.number = value.number;
  grant.asked_at = asked_at;
  if (value.period > Duration::zero()) {
    grant.number = 0;
    grant.changes_in = WholeSeconds(value.next_change - world_.loop.Now());
  }
  return grant;
}

void SimServer::Renew(const Tree& /*tree*/, const std::string& lease_id, const SecretBuffer& value, Duration wanted,
                      Reply<Renewal> done) {
  ++renewals;
  std::string token(value.ExposeText());
  std::string text = world_.lease_ids.at(lease_id);
  if (world_.leases.at(text).token != token) world_.Violate("a lease was renewed with another token than its own");
  BootTime asked_at = world_.loop.Now();
  auto serve = [this, text, token, wanted, asked_at]() -> Answer<Renewal> {
    SimLease& lease = world_.leases.at(text);
    if (world_.Noticed(world_.renew_denied, Trouble::kRenewDenied) || !world_.TokenAlive(token)) return Forbidden();
    if (!world_.LeaseAlive(lease)) return Gone();
    if (!lease.renewable) return Refused(ErrorKind::kRemote);
    BootTime now = world_.loop.Now();
    Duration left = WholeSeconds(std::min(wanted, lease.max_end - now));
    if (left <= Duration::zero()) return Refused(ErrorKind::kRemote);
    lease.ends = std::max(lease.ends, now + left);
    return Renewal{asked_at, left};
  };
  auto told = [this, text](const Answer<Renewal>& answer) {
    SimLease& lease = world_.leases.at(text);
    Told& told_of_it = lease.told;
    if (auto* renewal = std::get_if<Renewal>(&answer)) {
      if (!IsKnown(lease)) {  // the answer crossed its end
        lease.told_at = world_.loop.Now();
        lease.lapsed = true;
      }
      return told_of_it.Grant(renewal->asked_at, renewal->life, true);
    }
    Cause cause = std::get<Failure>(answer).cause;
    if (cause == Cause::kGone) told_of_it.gone = true;
    if (cause != Cause::kOutage) told_of_it.capped = true;
  };
  Handle<Renewal>(StrCat("renew ", lease_id), std::move(done), std::move(serve), std::move(told));
}

void SimServer::Revoke(const std::string& /*identity*/, const std::string& lease_id, const SecretBuffer& value,
                       Reply<Done> done) {
  std::string token(value.ExposeText());
  std::string text = world_.lease_ids.at(lease_id);
  SimLease& of = world_.leases.at(text);
  bool justified = stopping || of.before_power_cut || may_revoke(of);
  if (!justified) world_.Violate(StrCat("a lease of ", of.secret, " was revoked without a cause"));
  auto serve = [this, text, token]() -> Answer<Done> {
    if (!world_.TokenAlive(token)) return Forbidden();
    SimLease& lease = world_.leases.at(text);
    if (world_.Noticed(world_.revoke_denied, Trouble::kRevokeDenied)) {
      lease.may_not_be_revoked = true;
      return Forbidden();
    }
    if (!world_.LeaseAlive(lease)) return Gone();
    lease.revoked = true;
    return Done{};
  };
  auto told = [this, text](const Answer<Done>& answer) {
    if (std::holds_alternative<Done>(answer)) world_.leases.at(text).told.gone = true;
  };
  Handle<Done>(StrCat("revoke ", lease_id), std::move(done), std::move(serve), std::move(told));
}

}  // namespace leasefs::lease
