#include "backend/lease/leased_secret.h"

#include <algorithm>
#include <utility>

#include "backend/lease/schedule.h"
#include "fs/base/strings.h"

namespace leasefs::lease {
namespace {

bool Same(const protocol::Freshness& a, const protocol::Freshness& b) {
  return a.fresh_until == b.fresh_until && a.stale_until == b.stale_until && a.lease_end == b.lease_end;
}

}  // namespace

LeasedSecret::LeasedSecret(Context& context, std::string name, Origin origin)
    : context_(context), name_(std::move(name)), origin_(std::move(origin)) {
  record_.question = QuestionOf(*origin_.tree);
}

LeasedSecret::~LeasedSecret() {
  context_.loop.Cancel(timer_);
  context_.loop.Cancel(mint_timer_);
}

void LeasedSecret::Load(SecretRecord record) {
  record_ = std::move(record);
  spread_ = context_.loop.random().Below(1024);
  if (record_.question != QuestionOf(*origin_.tree)) Abandon();
  if (record_.current) told_ = FreshnessNow();
  SetDues();
  ExpireEnded();
  List();  // a kill may have come before the list was written
  Plan();
}

bool LeasedSecret::TakeOrphan(const MintIntent& intent) {
  if (record_.settled >= intent.sequence) return false;
  record_.settled = intent.sequence;
  record_.last_mint = intent.sent_at;
  if (intent.asked) record_.last_asked_mint = intent.sent_at;
  Save();
  return true;
}

BootTime LeasedSecret::EndOf(const Lease& lease) const {
  BootTime end = lease.OwnEnd();
  if (lease.id.empty()) return end;
  const Session* session = context_.session_of(lease.identity);
  return session == nullptr ? BootTime{} : std::min(end, session->EndOf(lease.generation));
}

BootTime LeasedSecret::LastEndOf(const Lease& lease) const {
  if (lease.id.empty()) return lease.OwnEnd();
  const Session* session = context_.session_of(lease.identity);
  return session == nullptr ? BootTime{} : std::min(lease.OwnEnd(), session->LastEndOf(lease.generation));
}

bool LeasedSecret::Usable() const {
  if (!record_.current) return false;
  BootTime now = context_.Now();
  BootTime end = EndOf(record_.current->lease);
  if (now >= end) return false;
  if (record_.current->computed()) return now < FreshnessNow().fresh_until;
  return end - now >= min_ttl();
}

// S19 goes before S14: what has less than min_ttl left is not handed out in an outage either.
protocol::Freshness LeasedSecret::FreshnessNow() const {
  const MintedVersion& version = *record_.current;
  BootTime end = EndOf(version.lease);
  if (version.computed()) {
    BootTime fresh = Later(version.lease.granted_at, std::max(origin_.tree->ttl, origin_.tree->mint_interval));
    return {std::min(fresh, end), std::min(Later(fresh, origin_.tree->max_stale), end), end};
  }
  BootTime fresh = end == kNever ? kNever : end - min_ttl();
  return {fresh, fresh, end};
}

SecretVersion LeasedSecret::CurrentVersion() const {
  const MintedVersion& current = *record_.current;
  SecretVersion version;
  version.version = current.lease.sequence;
  version.fields = CopyOf(current.fields);
  version.freshness = told_;
  version.lease_end = told_.lease_end;
  version.minted = true;
  return version;
}

void LeasedSecret::Read(Backend::ReadReply done) {
  ExpireEnded();
  waiting_.push_back(std::move(done));
  if (!std::exchange(record_.in_use, true)) {
    Save();
    Plan();
  }
  ServeOrMint();
}

// A lease that can be renewed is not replaced for want of time: a renewal that was held up is made up for (S18).
void LeasedSecret::ServeOrMint() {
  if (waiting_.empty()) return;
  if (Usable()) return AnswerAll();
  if (minting_ || renewing_) return;
  if (CanRenew() && !record_.current->computed() && !renewed_for_readers_ &&
      context_.Now() - renewed_at_ >= Backoff::kFloor) {
    renewed_for_readers_ = true;
    return Renew();
  }
  MintForReaders();
}

void LeasedSecret::AnswerAll() {
  renewed_for_readers_ = false;
  told_ = FreshnessNow();
  for (const Backend::ReadReply& done : std::exchange(waiting_, {})) done(CurrentVersion());
}

void LeasedSecret::FailAll(const Error& error) {
  renewed_for_readers_ = false;
  for (const Backend::ReadReply& done : std::exchange(waiting_, {})) done(error);
}

void LeasedSecret::Settle() {
  ExpireEnded();
  if (record_.current) {
    protocol::Freshness now = FreshnessNow();
    if (!Same(now, told_)) {
      told_ = now;
      List();
      if (context_.events.on_extended) context_.events.on_extended(name_, record_.current->lease.sequence, now);
    }
  }
  Plan();
}

void LeasedSecret::ExpireEnded() {
  BootTime now = context_.Now();
  bool changed = std::erase_if(record_.past, [&](const Lease& lease) { return EndOf(lease) <= now; }) != 0;
  if (record_.current && EndOf(record_.current->lease) <= now) {
    const Lease& lease = record_.current->lease;
    const Session* session = context_.session_of(lease.identity);
    if (session != nullptr && session->WasDead(lease.generation)) {
      Withdraw(Error(ErrorKind::kRevoked, StrCat("the login that '", Printable(name_), "' was made with was revoked")));
    } else {
      bool fs_knows = told_.lease_end <= now;
      record_.current.reset();
      lost_ = Error(ErrorKind::kExpired, StrCat("the lease of '", Printable(name_), "' has ended"));
      if (!fs_knows && context_.events.on_changed) context_.events.on_changed(name_);
    }
    changed = true;
  }
  if (changed) Save();
}

void LeasedSecret::Withdraw(Error reason) {
  record_.current.reset();
  lost_ = std::move(reason);
  Save();
  if (context_.events.on_changed) context_.events.on_changed(name_);
}

// Make before break (S14): its lease lives on for those who hold the version, and is not renewed any more.
void LeasedSecret::Supersede() {
  if (!record_.current) return;
  LeaveToItsEnd(std::move(record_.current->lease));
  record_.current.reset();
}

// Of too many the oldest is not known any more, as an orphan is not; but for those that are to be revoked, which
// keep others from being minted.
void LeasedSecret::LeaveToItsEnd(Lease lease) {
  if (lease.id.empty()) return;
  if (record_.past.size() >= kMostPast) {
    auto oldest = std::ranges::find(record_.past, false, &Lease::revoke);
    if (oldest != record_.past.end()) {
      record_.past.erase(oldest);
      ++context_.counters.orphans;
      context_.RecordCounters();
    }
  }
  record_.past.push_back(std::move(lease));
}

void LeasedSecret::Discard(Lease lease) {
  lease.revoke = true;
  LeaveToItsEnd(std::move(lease));
  Save();
  RevokeDue();
}

bool LeasedSecret::RevokesOnForget() const {
  return origin_.tree->scope != Scope::kShared || origin_.tree->idle > Duration::zero();
}

void LeasedSecret::Forget() {
  ExpireEnded();
  record_.in_use = false;
  if (RevokesOnForget()) {
    bool held = record_.current.has_value();
    Supersede();
    for (Lease& lease : record_.past) lease.revoke = true;
    // fs may have got a version that crossed its word.
    if (held && context_.events.on_changed) context_.events.on_changed(name_);
  }
  Save();
  RevokeDue();
  Plan();
}

void LeasedSecret::TokensChanged() {
  Settle();
  ServeOrMint();
}

void LeasedSecret::TellAgain() {
  ExpireEnded();
  if (!record_.current || !context_.events.on_published) return;
  told_ = FreshnessNow();
  context_.events.on_published(name_, CurrentVersion());
}

void LeasedSecret::SetOrigin(Origin origin) {
  std::string question = QuestionOf(*origin.tree);
  if (question != record_.question || origin.below != origin_.below) Abandon();
  origin_ = std::move(origin);
  record_.question = std::move(question);
  abandoned_ = false;
  mint_failure_.reset();
  record_.mint_not_before = {};
  Save();
  SetDues();
  Settle();
}

bool LeasedSecret::Answers(const Tree& tree) const {
  return record_.question == QuestionOf(tree);
}

void LeasedSecret::Abandon() {
  if (std::exchange(abandoned_, true)) return;
  ++abandonments_;
  bool held = record_.current.has_value();
  Supersede();
  record_.question.clear();
  record_.keys.clear();
  no_overlap_ = false;
  Save();
  Plan();
  if (held && context_.events.on_changed) context_.events.on_changed(name_);
  FailAll(Error(ErrorKind::kUnreachable, "the settings of its tree have just changed"));
}

void LeasedSecret::Save() {
  context_.Record("secret/" + name_, Encode(record_));
  List();
}

void LeasedSecret::List() {
  if (context_.list == nullptr) return;
  std::vector<ListedLease> leases;
  auto add = [&](const Lease& lease) {
    BootTime end = EndOf(lease);
    BootTime now = context_.Now();
    if (lease.id.empty() || end <= now) return;
    leases.push_back(
        {lease.identity, lease.id, end == kNever ? WallTime::max() : context_.loop.WallNow() + (end - now)});
  };
  if (record_.current) add(record_.current->lease);
  for (const Lease& lease : record_.past) add(lease);
  context_.list->Set(name_, std::move(leases));
}

bool LeasedSecret::Disposable() const {
  BootTime now = context_.Now();
  bool given_back = !record_.in_use || record_.keys.empty();  // or never there
  return given_back && !record_.current && record_.past.empty() && waiting_.empty() && !minting_ && !renewing_ &&
         !revoking_ && now >= AskedMintAllowedAt() && now >= record_.mint_not_before;
}

void LeasedSecret::Report(protocol::Report& out) const {
  auto add = [&](const Lease& lease, bool current) {
    BootTime end = EndOf(lease);
    if (end <= context_.Now()) return;
    protocol::ReportLease report;
    report.secret = name_;
    report.minted_at = lease.minted_at;
    report.ends = end;
    report.renewable = current && CanRenew();
    report.current = current;
    report.problem = lease.problem;
    out.leases.push_back(std::move(report));
  };
  if (record_.current) add(record_.current->lease, true);
  for (const Lease& lease : record_.past) add(lease, false);
  if (!problem_.empty()) out.problems.push_back(StrCat(Printable(name_), ": ", problem_));
}

}  // namespace leasefs::lease
