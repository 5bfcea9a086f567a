#include "tests/lease/sim_server.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "tests/lease/scripted_source.h"

namespace leasefs::lease {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// The server counts whole seconds.
Duration WholeSeconds(Duration time) {
  return std::chrono::floor<seconds>(std::max(time, Duration::zero()));
}

}  // namespace

void SimServer::MachineKilled() {
  ++life_;
  for (const auto& [secret, under_way] : mint_under_way_) orphans += under_way ? 1 : 0;
  orphans += scoped_mints_under_way_;
  scoped_mints_under_way_ = 0;
  for (auto& [secret, under_way] : mint_under_way_) {
    if (under_way && asked_under_way_[secret]) last_asked_mint_[secret] = mint_sent_at_[secret];
    under_way = false;
  }
  login_under_way_.clear();
}

void SimServer::PowerCut() {
  for (auto& [id, token] : world_.tokens) token.told = {}, token.bound = false;
  for (auto& [text, lease] : world_.leases) lease.told = {}, lease.before_power_cut = true;
  waiting.clear();
  in_use.clear();
  orphans = 0;
  last_asked_mint_.clear();
  asked_again_until_.clear();
  newest_.clear();
  unverifiable_at_ = {};
}

bool SimServer::IsKnown(const SimLease& lease) const {
  if (lease.told.granted == BootTime{} || lease.token.empty() || lease.told.gone) return false;
  if (world_.loop.Now() >= std::min(lease.told.end, world_.tokens.at(lease.token).told.end)) return false;
  const auto newer = std::ranges::count_if(world_.leases, [&](const auto& item) {
    return item.second.secret == lease.secret && item.second.minted > lease.minted;
  });
  return newer < 256;  // so many superseded ones of one secret are remembered
}

Failure SimServer::Garbled() {
  if (world_.Chance(30)) return {Error(ErrorKind::kTooLarge, "too large"), Cause::kRefused, true};
  return {Error(ErrorKind::kRemote, "no such server"), Cause::kOutage, true};
}

void SimServer::CredentialChanged(const std::string& identity) {
  credential_changed_at = world_.loop.Now();
  if (changed_) changed_(identity);
}

// No loop without a wait: sixteen times in ten seconds is more than any back-off of half a second and up gives.
void SimServer::JudgeHurry(const std::string& what) {
  std::deque<BootTime>& times = asked_[what];
  BootTime now = world_.loop.Now();
  while (!times.empty() && now - times.front() > seconds(10)) times.pop_front();
  times.push_back(now);
  if (times.size() > 16) world_.Violate(StrCat("a busy loop: ", what));
}

const SimToken* SimServer::NewestToken(const std::string& identity) const {
  const SimToken* newest = nullptr;
  for (const auto& [id, token] : world_.tokens) {
    if (token.identity != identity || token.told.granted == BootTime{}) continue;
    if (newest == nullptr || token.order > newest->order) newest = &token;
  }
  return newest;
}

bool SimServer::IsLate(const Told& told, Duration least) const {
  if (told.end == kNever) return false;
  Duration life = told.end - told.granted;
  Duration wait = life / 100 * 85;
  if (least > Duration::zero()) wait = std::min(wait, std::max(life - least, Duration::zero()) / 100 * 90);
  return world_.loop.Now() >= told.granted + wait - milliseconds(1);
}

bool SimServer::IsBoundToAnother(const SimToken& token) const {
  return world_.binds_tokens && credential_changed_at > token.asked_at;
}

void SimServer::JudgeLogin(const std::string& identity) {
  if (login_under_way_[identity]) world_.Violate("two logins of one identity at once");
  login_under_way_[identity] = true;
  reserve_at_login_[identity] = reserve[identity];
  if (stopping) world_.Violate("a login after the stop");
  const SimToken* token = NewestToken(identity);
  BootTime now = world_.loop.Now();
  if (token == nullptr || token->told.gone || token->told.end <= now) return;
  if (now - unverifiable_at_ < seconds(10)) return;
  if (token->told.end - now < reserve[identity]) return;
  bool renewable = token->told.renewable && !token->told.capped;
  if (!renewable && (IsLate(token->told, reserve[identity]) || IsBoundToAnother(*token))) return;
  world_.Violate(
      StrCat("a login without a cause: there is a token for ", (token->told.end - now).count() / 1'000'000'000, " s"));
}

// S14, S16: the last version of it is in use, and cannot be renewed any more or loses its token.
bool SimServer::MayBeReplaced(const std::string& secret) const {
  auto newest = newest_.find(secret);
  if (newest == newest_.end() || in_use.count(secret) == 0) return false;
  const SimLease& lease = world_.leases.at(newest->second);
  auto ttl = min_ttl.find(secret);
  Duration least = ttl == min_ttl.end() ? Duration::zero() : ttl->second;
  if (lease.told.gone || (lease.computed && lease.token.empty())) return false;
  bool renewable = lease.told.renewable && !lease.told.capped;
  if (!renewable && IsLate(lease.told, least)) {
    return world_.loop.Now() < lease.told.end + (lease.token.empty() ? seconds(1) : seconds(0));
  }
  if (lease.token.empty()) return false;
  const SimToken& token = world_.tokens.at(lease.token);
  const SimToken* current = NewestToken(token.identity);
  auto least_of = [&](const std::map<std::string, Duration>& by_identity) {
    auto reserved = by_identity.find(token.identity);
    return reserved == by_identity.end() ? Duration::zero() : reserved->second;
  };
  // What was late enough for the login is late enough, whatever was configured since.
  return current != nullptr && current->order != token.order && world_.loop.Now() < token.told.end &&
         IsLate(token.told, std::max(least_of(reserve), least_of(reserve_at_login_)));
}

// S15.
void SimServer::JudgeMint(const std::string& secret) {
  if (mint_under_way_[secret]) world_.Violate(StrCat("two mints of ", secret, " at once"));
  mint_under_way_[secret] = true;
  mint_sent_at_[secret] = world_.loop.Now();
  if (stopping) world_.Violate("a mint after the stop");
  if (world_.loop.Now() < asked_again_until_[secret]) return;  // with another token
  asked_under_way_[secret] = !MayBeReplaced(secret);
  if (!asked_under_way_[secret]) return;
  if (waiting.count(secret) == 0) world_.Violate(StrCat("a mint of ", secret, " without a cause"));
  auto last = last_asked_mint_.find(secret);
  if (last != last_asked_mint_.end() && world_.loop.Now() - last->second < mint_interval[secret])
    world_.Violate(StrCat("mints of ", secret, " within mint_interval"));
}

void SimServer::Login(const std::string& identity, Reply<Token> done) {
  ++logins;
  JudgeLogin(identity);
  BootTime asked_at = world_.loop.Now();
  auto serve = [this, identity, asked_at]() -> Answer<Token> {
    BootTime now = world_.loop.Now();
    if (world_.Noticed(world_.login_refused, Trouble::kLoginRefused)) {
      world_.last_refused_login = now;
      return Refused(ErrorKind::kLoginRefused);
    }
    std::string id = StrCat("token-", ++tokens_made_);
    Duration life = world_.token_life[identity];
    Duration max = world_.token_max[identity];
    SimToken& token = world_.tokens[id];
    token.identity = identity;
    token.ends = life == Duration::zero() ? kNever : now + life;
    token.max_end = max == Duration::zero() ? kNever : now + max;
    token.renewable = life != Duration::zero() && max != life;
    token.order = tokens_made_;
    token.asked_at = asked_at;
    Token answer{SecretBuffer::CopyOf(id), asked_at, life, token.renewable};
    if (world_.Noticed(world_.logins_limited, Trouble::kLoginRefused)) {
      world_.last_refused_login = now;
      answer.uses = 1 + static_cast<uint32_t>(world_.chance.Below(5));
    }
    return answer;
  };
  auto told = [this, identity](const Answer<Token>& answer) {
    login_under_way_[identity] = false;
    auto* failure = std::get_if<Failure>(&answer);
    if (failure != nullptr && failure->cause != Cause::kOutage) world_.last_refused_login = world_.loop.Now();
    if (auto* token = std::get_if<Token>(&answer); token != nullptr && token->uses == 0)
      world_.tokens[std::string(token->value.ExposeText())].told.Grant(token->granted_at, token->life,
                                                                       token->renewable);
  };
  Handle<Token>(StrCat("login ", identity), std::move(done), std::move(serve), std::move(told));
}

void SimServer::RenewToken(const std::string& /*identity*/, const SecretBuffer& value, Reply<Renewal> done) {
  std::string id(value.ExposeText());
  BootTime asked_at = world_.loop.Now();
  auto serve = [this, id, asked_at]() -> Answer<Renewal> {
    SimToken& token = world_.tokens.at(id);
    if (world_.Noticed(world_.renew_self_denied, Trouble::kRenewSelfDenied)) return Gone();
    if (!world_.TokenAlive(id) || !token.renewable) return Gone();
    if (IsBoundToAnother(token)) return Outage(ErrorKind::kRemote);  // 500, as a server that is ill
    BootTime now = world_.loop.Now();
    Duration left = token.max_end == kNever ? world_.token_life[token.identity]
                                            : std::min(world_.token_life[token.identity], token.max_end - now);
    left = WholeSeconds(left);
    if (left <= Duration::zero()) return Gone();
    token.ends = std::max(token.ends, now + left);
    return Renewal{asked_at, left};
  };
  auto told = [this, id](const Answer<Renewal>& answer) {
    SimToken& token = world_.tokens.at(id);
    if (auto* renewal = std::get_if<Renewal>(&answer)) {
      token.told.Grant(renewal->asked_at, renewal->life, true);
    } else if (std::get<Failure>(answer).cause != Cause::kOutage) {
      token.told.capped = true;
    } else if (const auto& failure = std::get<Failure>(answer); failure.error.kind() != ErrorKind::kUnreachable) {
      token.bound = IsBoundToAnother(token) || (world_.binds_tokens && failure.in_doubt);  // garbled: it looks the same
    }
  };
  Handle<Renewal>(StrCat("renew ", id), std::move(done), std::move(serve), std::move(told));
}

void SimServer::CheckToken(const std::string& /*identity*/, const SecretBuffer& value, Reply<TokenState> done) {
  std::string id(value.ExposeText());
  auto serve = [this, id]() -> Answer<TokenState> {
    if (world_.Noticed(world_.lookup_denied, Trouble::kLookupDenied)) return Forbidden();
    if (!world_.TokenAlive(id)) return Gone();
    const SimToken& token = world_.tokens.at(id);
    if (token.ends == kNever) return TokenState{Duration::zero(), false};
    return TokenState{std::max<Duration>(WholeSeconds(token.ends - world_.loop.Now()), seconds(1)), token.renewable};
  };
  auto told = [this, id](const Answer<TokenState>& answer) {
    Told& told_of_it = world_.tokens.at(id).told;
    auto* state = std::get_if<TokenState>(&answer);
    const auto cause = state == nullptr ? std::optional(std::get<Failure>(answer).cause) : std::nullopt;
    if (!cause || cause == Cause::kForbidden || cause == Cause::kRefused)
      told_of_it.capped |= world_.tokens.at(id).bound;
    if (state != nullptr) {
      if (state->life > Duration::zero()) told_of_it.end = std::min(told_of_it.end, world_.loop.Now() + state->life);
      return;
    }
    if (cause == Cause::kForbidden || cause == Cause::kRefused) unverifiable_at_ = world_.loop.Now();
    if (cause != Cause::kGone) return;
    told_of_it.gone = true;
    for (auto& [text, lease] : world_.leases) lease.told.gone |= lease.token == id;
  };
  Handle<TokenState>(StrCat("check ", id), std::move(done), std::move(serve), std::move(told));
}

void SimServer::RevokeToken(const std::string& /*identity*/, const SecretBuffer& value, Reply<Done> done) {
  std::string id(value.ExposeText());
  if (!stopping) world_.Violate("a token was revoked without a cause");
  auto serve = [this, id]() -> Answer<Done> {
    if (!world_.TokenAlive(id)) return Gone();
    world_.tokens.at(id).revoked = true;
    return Done{};
  };
  Handle<Done>(StrCat("revoke ", id), std::move(done), std::move(serve), [](const Answer<Done>&) {});
}

void SimServer::OnCredentialChanged(std::function<void(const std::string& identity)> changed) {
  changed_ = std::move(changed);
}

}  // namespace leasefs::lease
