#include <utility>

#include "backend/lease/machine_impl.h"
#include "fs/base/strings.h"

namespace leasefs::lease {

void LeaseMachine::Impl::Stop(bool revoke, Duration timeout, std::function<void()> done) {
  context.stopping = true;
  if (!revoke && on_stop == OnStop::kKeep) {
    context.loop.Post(std::move(done));
    return;
  }
  stopped = std::move(done);
  stop_timer = context.loop.After(timeout, lifetime.Guard([this] {
    stop_timer = Loop::kNoTimer;
    problems.emplace_back("not everything could be revoked in time: what is left runs out");
    FinishStop();
  }));
  left_to_revoke = minted.size() + 1;
  for (auto& [name, secret] : minted) {
    secret->RevokeAll(lifetime.Guard([this] {
      if (--left_to_revoke == 0) RevokeTokens();
    }));
  }
  if (--left_to_revoke == 0) RevokeTokens();
}

// After the leases, and also for the sake of those that a policy does not let us revoke: they end with their token.
void LeaseMachine::Impl::RevokeTokens() {
  left_to_revoke = sessions.size() + 1;
  auto finish = [this](std::vector<std::string> more) {
    for (std::string& problem : more) problems.push_back(std::move(problem));
    if (--left_to_revoke == 0) FinishStop();
  };
  for (auto& [identity, session] : sessions) session->RevokeAll(finish);
  finish({});
}

void LeaseMachine::Impl::FinishStop() {
  context.loop.Cancel(std::exchange(stop_timer, Loop::kNoTimer));
  context.RecordCounters();
  if (stopped) context.loop.Post(std::exchange(stopped, nullptr));
}

protocol::Report LeaseMachine::Impl::Report() const {
  protocol::Report report;
  for (const auto& [identity, session] : sessions) report.identities.push_back(session->Report());
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
