#include "backend/lease/leftovers.h"

#include <algorithm>
#include <utility>

#include "fs/base/strings.h"

namespace leasefs::lease {

Leftovers::Leftovers(Context& context, std::function<Session&(const std::string& identity)> session_of,
                     std::function<void(std::string problem)> report)
    : context_(context), session_of_(std::move(session_of)), report_(std::move(report)) {}

void Leftovers::Begin() {
  if (context_.list != nullptr) Next();
}

// The one after the last one tried, so that one that cannot be revoked stands in nobody's way. Whether one has ended
// the server says: the wall clock may have been set since it was listed, and only decides which comes first (S20).
void Leftovers::Next() {
  if (context_.stopping) return;
  std::vector<ListedLease> left = context_.list->Left();
  if (left.empty()) return;
  auto place = [now = context_.loop.WallNow()](const ListedLease& lease) {
    return std::pair(lease.ends <= now, lease.id);
  };
  std::ranges::sort(left, {}, place);
  const auto after = std::ranges::find_if(left, [&](const ListedLease& lease) { return place(lease) > last_; });
  const ListedLease lease = after == left.end() ? left.front() : *after;
  last_ = place(lease);
  session_of_(lease.identity)
      .Ask<Done>({}, lifetime_.Guard([this, lease](const Session::Key& key, Reply<Done> reply) {
        context_.source.Revoke(
            lease.identity, lease.id, *key.value,
            [reply = std::move(reply), value = key.value](Answer<Done> answer) { reply(std::move(answer)); });
      }),
                 lifetime_.Guard([this, id = lease.id](const Answer<Done>& answer) { OnRevoked(id, answer); }));
}

void Leftovers::OnRevoked(const std::string& id, const Answer<Done>& answer) {
  auto* failure = std::get_if<Failure>(&answer);
  bool denied = failure != nullptr && failure->cause == Cause::kRefused && failure->error.kind() == ErrorKind::kDenied;
  if (failure != nullptr && failure->cause != Cause::kGone && !denied) {
    auto again = lifetime_.Guard([this] { Next(); });
    context_.loop.At(backoff_.After(*failure, context_.Now(), context_.loop.random()), std::move(again));
    return;
  }
  if (failure == nullptr) ++context_.counters.revocations;
  if (denied && !std::exchange(told_, true)) {
    report_(StrCat("leases of before the machine was restarted may not be revoked, and run out: ",
                   failure->error.message()));
  }
  backoff_.Reset();
  context_.list->Drop(id);
  Next();
}

}  // namespace leasefs::lease
