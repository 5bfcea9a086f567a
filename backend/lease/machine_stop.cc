#include <algorithm>
#include <utility>

#include "backend/lease/machine_impl.h"
#include "fs/base/strings.h"

namespace leasefs::lease {
namespace {

constexpr Duration kLookInterval = std::chrono::milliseconds(10);

}  // namespace

void LeaseMachine::Impl::Stop(bool revoke, Duration timeout, std::function<void()> done) {
  context.stopping = true;
  if (!revoke && on_stop == OnStop::kKeep) return Leave(timeout, std::move(done));
  stopped = std::move(done);
  stop_timer = context.loop.After(timeout, lifetime.Guard([this] {
    stop_timer = Loop::kNoTimer;
    problems.emplace_back("not everything could be revoked in time: what is left runs out");
    FinishStop();
  }));
  // What a server that hangs or a database that is away keeps from being revoked ends with its token.
  tokens_timer = context.loop.After(timeout / 2, lifetime.Guard([this] {
    tokens_timer = Loop::kNoTimer;
    RevokeTokens();
  }));
  leases_to_revoke = minted.size() + 1;
  const std::function<void()> revoked = lifetime.Guard([this, limit = context.Now() + timeout] {
    if (--leases_to_revoke > 0) return;
    WhenIdle(limit, lifetime.Guard([this] { RevokeTokens(); }));  // a login may be under way
  });
  for (auto& [name, secret] : minted) secret->RevokeAll(revoked);
  revoked();
}

void LeaseMachine::Impl::Leave(Duration timeout, std::function<void()> done) {
  context.leaving = true;
  WhenIdle(context.Now() + timeout, std::move(done));
}

bool LeaseMachine::Impl::IsBusy() const {
  return std::ranges::any_of(sessions, [](const auto& item) { return item.second->IsLoggingIn(); }) ||
         std::ranges::any_of(minted, [](const auto& item) { return item.second->IsMinting(); });
}

void LeaseMachine::Impl::WhenIdle(BootTime limit, std::function<void()> done) {
  if (!IsBusy() || context.Now() >= limit) return context.loop.Post(std::move(done));
  context.loop.After(kLookInterval, lifetime.Guard([this, limit, done = std::move(done)] { WhenIdle(limit, done); }));
}

// After the leases, and also for the sake of those that a policy does not let us revoke: they end with their token.
void LeaseMachine::Impl::RevokeTokens() {
  context.loop.Cancel(std::exchange(tokens_timer, Loop::kNoTimer));
  if (tokens_to_revoke > 0) return;  // the end of that round looks again
  tokens_to_revoke = sessions.size() + 1;
  auto finish = [this](std::vector<std::string> more) {
    for (std::string& problem : more) problems.push_back(std::move(problem));
    if (--tokens_to_revoke > 0) return;
    // While leases are left to try, so are the tokens that could not be revoked.
    if (leases_to_revoke == 0 || (!IsBusy() && Report().leases.empty())) FinishStop();
  };
  for (auto& [identity, session] : sessions) session->RevokeAll(finish);
  finish({});
}

void LeaseMachine::Impl::FinishStop() {
  context.loop.Cancel(std::exchange(stop_timer, Loop::kNoTimer));
  context.loop.Cancel(std::exchange(tokens_timer, Loop::kNoTimer));
  context.RecordCounters();
  if (stopped) context.loop.Post(std::exchange(stopped, nullptr));
}

protocol::Report LeaseMachine::Impl::Report() const {
  protocol::Report report;
  for (const auto& [identity, session] : sessions) {
    if (!session->IsForgotten()) report.identities.push_back(session->Report());
  }
  for (const auto& [name, secret] : minted) secret->Report(report);
  report.mints = context.counters.mints;
  report.renewals = context.counters.renewals;
  report.revocations = context.counters.revocations;
  report.orphans = context.counters.orphans;
  for (const std::string& problem : problems) report.problems.push_back(problem);
  if (context.list != nullptr && !context.list->problem().empty()) report.problems.push_back(context.list->problem());
  if (!context.unrecorded.empty()) {
    report.problems.push_back(StrCat("there is no room to remember ", context.unrecorded.size(),
                                     " things: a crash would lose them, and cost logins and mints"));
  }
  return report;
}

}  // namespace leasefs::lease
