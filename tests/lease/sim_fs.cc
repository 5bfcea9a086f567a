#include "tests/lease/sim_fs.h"

#include <algorithm>
#include <utility>

namespace leasefs::lease {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr Duration kLongestAnswer = minutes(1);
constexpr Duration kRecovery = minutes(11);  // a Retry-After, the longest back-off of a login

}  // namespace

const Tree& SimFs::TreeOf(const std::string& secret) const {
  auto tree = trees_.find(secret);
  return tree != trees_.end() ? tree->second : trees_.at(secret.substr(0, secret.find('/')));
}

void SimFs::Connect(LeaseMachine* machine) {
  machine_ = machine;
  ++connection_;
  server_.waiting.clear();
  for (auto& [name, secret] : secrets_) {
    secret.asked = false;
    if (secret.held)
      secret.held->freshness.fresh_until = std::min(secret.held->freshness.fresh_until, world_.loop.Now());
    secret.not_before = {};
  }
  if (machine_ == nullptr) return;
  Backend::Events events;
  events.on_changed = [this](const std::string& secret) { secrets_[secret].held.reset(); };
  events.on_published = [this](const std::string& secret, SecretVersion version) {
    if (InUse(secret)) Take(secret, std::move(version));
  };
  events.on_extended = [this](const std::string& secret, uint64_t number, const protocol::Freshness& freshness) {
    std::optional<Held>& held = secrets_[secret].held;
    if (held && held->number == number) held->freshness = freshness;
  };
  machine_->SetEvents(std::move(events));
}

void SimFs::Open(const std::string& name) {
  ++figures_.opens;
  Secret& secret = secrets_[name];
  BootTime now = world_.loop.Now();
  if (secret.held && now < secret.held->freshness.fresh_until) return Serve(name, false);
  if (secret.asked) {
    if (now - secret.asked_at > kLongestAnswer) world_.Violate(StrCat("a Read of ", name, " was not answered"));
    return;
  }
  if (now < secret.not_before || machine_ == nullptr) {
    if (secret.held && now < secret.held->freshness.stale_until) Serve(name, true);
    return;
  }
  secret.asked = true;
  secret.asked_at = now;
  world_.Trace(StrCat("read ", name));
  server_.waiting.insert(name);
  if (server_.in_use.insert(name).second) secret.in_use_since = now;
  JudgeWait(name);
  machine_->Read(name, [this, name, connection = connection_](Result<SecretVersion> answer) {
    if (connection == connection_) OnAnswer(name, std::move(answer));
  });
}

void SimFs::OnAnswer(const std::string& name, Result<SecretVersion> answer) {
  Secret& secret = secrets_[name];
  if (!secret.asked) return world_.Violate(StrCat("a Read of ", name, " was answered twice"));
  secret.asked = false;
  server_.waiting.erase(name);
  BootTime now = world_.loop.Now();
  if (answer.ok()) {
    secret.problem.clear();
    Take(name, std::move(*answer));
    if (now < secret.held->freshness.fresh_until) Serve(name, false);  // else a suspend was longer than its time
    return;
  }
  JudgeFailure(name, answer.error());
  secret.problem = answer.error().message();
  ErrorKind kind = answer.error().kind();
  bool outage = kind == ErrorKind::kUnreachable || kind == ErrorKind::kRemote;
  secret.not_before = now + world_.Between(outage ? std::chrono::milliseconds(1) : seconds(3), seconds(8));
  if (!outage) return secret.held.reset();
  if (secret.held && now < secret.held->freshness.stale_until) Serve(name, true);
}

// Numbers: never again for other bytes; another one only when the bytes differ (S9).
void SimFs::Take(const std::string& name, SecretVersion version) {
  Secret& secret = secrets_[name];
  std::string text(version.fields.at(0).value.ExposeText());
  auto [known, fresh] = secret.numbers.try_emplace(version.version, text);
  if (!fresh && known->second != text) world_.Violate(StrCat("a number of ", name, " stands for two values"));
  if (version.version < secret.last_number) world_.Violate(StrCat("the number of ", name, " went back"));
  if (secret.last_number != 0 && secret.numbers[secret.last_number] == text && version.version != secret.last_number)
    world_.Violate(StrCat("equal bytes of ", name, " have another number"));
  secret.last_number = version.version;
  if (!version.freshness) return world_.Violate("a version without its freshness");
  secret.held = Held{std::move(text), version.version, *version.freshness};
}

void SimFs::Serve(const std::string& name, bool stale) {
  ++figures_.served;
  Secret& secret = secrets_[name];
  BootTime now = world_.loop.Now();
  secret.served_at = now;
  if (now >= secret.held->freshness.lease_end) world_.Violate(StrCat(name, " was told to be good after its end"));
  if (world_.roles.count(TreeOf(name).source) != 0) return JudgeMinted(name, *secret.held);
  JudgeStatic(name, *secret.held, stale);
}

// S14: no credential that is dead, unless the server killed it and nobody was told. S19: min_ttl is left.
void SimFs::JudgeMinted(const std::string& name, const Held& held) {
  const SimLease& lease = world_.leases.at(held.text);
  const Tree& tree = TreeOf(name);
  BootTime now = world_.loop.Now();
  if (lease.secret != tree.name) return world_.Violate(StrCat(name, " was given the value of ", lease.secret));
  if (lease.computed) {
    if (now - lease.minted > std::max(tree.ttl, tree.mint_interval) + tree.max_stale + seconds(30))
      world_.Violate(StrCat("a computed value of ", name, " is too old"));
    if (lease.token.empty()) return;
  }
  if (lease.told.gone) return world_.Violate(StrCat(name, " was served after the machine heard that it is gone"));
  bool killed = lease.revoked || (!lease.token.empty() && world_.tokens.at(lease.token).revoked);
  if (killed) return;
  if (!world_.LeaseAlive(lease)) return world_.Violate(StrCat(name, " was served after its end"));
  if (world_.EndOf(lease) - now < tree.min_ttl) world_.Violate(StrCat(name, " was served with less than min_ttl left"));
}

// S17: what is fresh was current within ttl (+10 %), what is stale within max_stale of that. A static role is read
// again a moment after it changed.
void SimFs::JudgeStatic(const std::string& name, const Held& held, bool stale) {
  const Tree& tree = TreeOf(name);
  const SimValue& value = world_.values.at(tree.source);
  if (value.there && held.text == value.text) return;
  auto replaced = value.replaced.find(held.text);
  if (replaced == value.replaced.end()) return world_.Violate(StrCat(name, " has bytes that never were there"));
  Duration age = world_.loop.Now() - replaced->second;
  Duration most = value.period > Duration::zero() ? seconds(12) : tree.ttl / 10 * 11 + seconds(10);
  if (stale) most += tree.max_stale;
  if (age > most)
    world_.Violate(StrCat(name, stale ? " stale" : " fresh", " was replaced ", age.count() / 1'000'000, " ms ago"));
}

// Nothing was wrong since it was granted, or not for long enough before half of its life had passed.
bool SimFs::HadTime(const Told& told) const {
  if (world_.last_trouble == kNever || world_.loop.Now() - world_.last_refused_login < kRecovery) return false;
  if (world_.last_trouble < told.granted) return world_.loop.Now() - world_.last_trouble >= minutes(1);
  return told.end != kNever && world_.last_trouble + minutes(1) < told.granted + (told.end - told.granted) / 2;
}

// S14, S19: what is in use is replaced or renewed in time, so that no reader has to wait, when nothing went wrong
// since it was granted.
void SimFs::JudgeWait(const std::string& name) {
  const Secret& secret = secrets_[name];
  const Tree& tree = TreeOf(name);
  if (!secret.held || world_.roles.count(tree.source) == 0) return;
  const SimLease& lease = world_.leases.at(secret.held->text);
  const SimRole& role = world_.roles.at(tree.source);
  if (lease.computed || role.life <= tree.min_ttl + seconds(10)) return;
  if (lease.revoked || lease.lapsed || secret.in_use_since > lease.minted || !HadTime(lease.told)) return;
  if (!lease.token.empty()) {
    const SimToken& token = world_.tokens.at(lease.token);
    if (token.revoked || !HadTime(token.told)) return;
  }
  world_.Violate(StrCat(name, " is in use and was neither renewed nor replaced in time"));
}

// When all is well, and was for long enough, no question fails.
void SimFs::JudgeFailure(const std::string& name, const Error& error) {
  const Tree& tree = TreeOf(name);
  auto value = world_.values.find(tree.source);
  // Not there as it was asked, and there as the answer came, is as good.
  bool there = value == world_.values.end() ||
               (value->second.there && world_.loop.Now() - value->second.there_since > seconds(2));
  if (!there && error.kind() == ErrorKind::kNotFound) return;
  if (server_.stopping) return;  // what was under way is revoked as it comes
  // It was given back, and is wanted again within mint_interval.
  bool given_back = tree.scope != Scope::kShared || tree.idle > Duration::zero();
  if (given_back && world_.loop.Now() - secrets_[name].forgotten_at < tree.mint_interval) return;
  if (world_.last_trouble == kNever || world_.loop.Now() - world_.last_trouble < kRecovery) return;
  world_.Violate(StrCat("a Read of ", name, " failed though all is well: ", error.message()));
}

void SimFs::Forget(const std::string& name) {
  if (machine_ == nullptr) return;
  Secret& secret = secrets_[name];
  secret.forgotten_at = world_.loop.Now();
  if (secret.asked) return;  // as the backend's server does: not before it is known whether somebody wants the answer
  world_.Trace(StrCat("forget ", name));
  secret.held.reset();
  server_.in_use.erase(name);
  machine_->Forget(name);
}

bool SimFs::Holds(const std::string& text) const {
  return std::any_of(secrets_.begin(), secrets_.end(),
                     [&](const auto& secret) { return secret.second.held && secret.second.held->text == text; });
}

bool SimFs::WasGiven(const std::string& text) const {
  return std::any_of(secrets_.begin(), secrets_.end(), [&](const auto& secret) {
    const auto& numbers = secret.second.numbers;
    return std::any_of(numbers.begin(), numbers.end(), [&](const auto& given) { return given.second == text; });
  });
}

void SimFs::Suspended(Duration by) {
  for (auto& [name, secret] : secrets_) secret.asked_at += by;
}

void SimFs::CheckAllServed() {
  for (auto& [name, secret] : secrets_) {
    const Tree& tree = TreeOf(name);
    if (tree.scope != Scope::kShared) continue;
    auto value = world_.values.find(tree.source);
    if (value != world_.values.end() && value->second.period == Duration::zero()) continue;  // it comes and goes
    if (world_.loop.Now() - secret.served_at > minutes(1))
      world_.Violate(StrCat(name, " is not served though all is well: ", secret.problem));
  }
}

}  // namespace leasefs::lease
