#include "backend/lease/machine.h"

#include <algorithm>
#include <utility>

#include "backend/lease/machine_impl.h"
#include "fs/base/strings.h"

namespace leasefs::lease {
namespace {

constexpr Duration kSweepAfter = std::chrono::minutes(1);
constexpr size_t kMostKnown = 8192;

Error NoSuchTree() {
  return Error(ErrorKind::kNotFound, "no tree of this backend is there");
}

// S15.
Error NotMinted() {
  return Error(ErrorKind::kRemote,
               "lease_scope is for what is minted, and this is a static value, the same for all: remove lease_scope");
}

}  // namespace

LeaseMachine::Impl::Impl(Loop& loop, Source& source, SurvivingRecords& records, LeaseList* list)
    : context{.loop = loop, .source = source, .records = records, .list = list},
      static_places(context),
      leftovers(
          context, [this](const std::string& identity) -> Session& { return SessionOf(identity); },
          [this](std::string problem) { problems.push_back(std::move(problem)); }) {
  context.session_of = [this](const std::string& identity) {
    auto found = sessions.find(identity);
    return found == sessions.end() ? nullptr : found->second.get();
  };
}

std::optional<LeaseMachine::Impl::Where> LeaseMachine::Impl::Resolve(const std::string& path) const {
  for (const auto& tree : trees) {
    const std::string& name = tree->name;
    if (path.compare(0, name.size(), name) != 0) continue;
    if (path.size() == name.size()) return Where{tree, "", false};
    if (!name.empty() && path[name.size()] != '/') continue;
    std::string below = path.substr(name.empty() ? 0 : name.size() + 1);
    if (tree->scope != Scope::kShared) return Where{tree, "", true};
    return Where{tree, std::move(below), false};
  }
  return std::nullopt;
}

Listing LeaseMachine::Impl::NamesAbove(const std::string& directory) const {
  Listing listing;
  std::set<std::string> names;
  std::string prefix = directory.empty() ? "" : directory + "/";
  for (const auto& tree : trees) {
    if (tree->name.size() <= prefix.size() || tree->name.compare(0, prefix.size(), prefix) != 0) continue;
    names.insert(tree->name.substr(prefix.size(), tree->name.find('/', prefix.size()) - prefix.size()));
  }
  for (const std::string& name : names) listing.entries.push_back({protocol::EntryKind::kFolder, name});
  return listing;
}

Error LeaseMachine::Impl::Failed(const std::string& name, const Failure& failure) {
  if (failure.cause == Cause::kOutage) {
    if (known.size() > kMostKnown) known.clear();
    Known& place = known[name];
    place.not_before =
        context.Now() +
        std::max(Backoff::kFloor, std::min(failure.retry_after.value_or(Duration::zero()), Backoff::kMostAskedFor));
    const BootTime asked_for = failure.error.retry_at().value_or(BootTime{});
    place.failure = Error(failure.error).RetryAt(std::max(asked_for, place.not_before));
  }
  return failure.error;
}

// Asked of the source once; what was found out is kept until the settings change or the place is gone.
void LeaseMachine::Impl::FindPlace(const std::string& name, const Where& where,
                                   std::function<void(Result<Place>)> then) {
  Known& place = known[name];
  if (place.failure && context.Now() < place.not_before) return then(*place.failure);
  if (place.place) return then(*place.place);
  SessionOf(where.tree->identity)
      .Ask<Place>({}, lifetime.Guard([this, where](const Session::Key& key, Reply<Place> reply) {
        context.source.Find(*where.tree, where.below, *key.value,
                            [reply = std::move(reply), tree = where.tree, value = key.value](Answer<Place> answer) {
                              reply(std::move(answer));
                            });
      }),
                  lifetime.Guard([this, name, tree = where.tree, then = std::move(then)](Answer<Place> answer) {
                    if (auto* failure = std::get_if<Failure>(&answer)) return then(Failed(name, *failure));
                    Place& found = std::get<Place>(answer);
                    auto now = Resolve(name);
                    if (known.size() > kMostKnown) known.clear();
                    if (now && now->tree == tree) known[name].place = found;
                    then(std::move(found));
                  }));
}

void LeaseMachine::Impl::List(const std::string& directory, protocol::Purpose purpose, const ListReply& done) {
  std::optional<Where> where = Resolve(directory);
  if (!where) {
    Listing above = NamesAbove(directory);
    if (above.entries.empty() && !directory.empty()) return done(NoSuchTree());
    return done(std::move(above));
  }
  std::string name = where->instance ? where->tree->name : directory;
  auto held = minted.find(directory);
  if (held != minted.end() && !held->second->keys().empty())
    return ListPlace(directory, *where, {Nature::kMinted, {}}, done);
  FindPlace(name, *where, lifetime.Guard([this, directory, purpose, where = *where, done](Result<Place> place) {
    if (!place.ok()) return done(std::move(place).error());
    if (place->nature == Nature::kStatic) return ListStatic(where, purpose, done);
    ListPlace(directory, where, *place, done);
  }));
}

// S6: the names that are known. Nothing is minted for them.
void LeaseMachine::Impl::ListPlace(const std::string& name, const Where& where, const Place& place,
                                   const ListReply& done) {
  auto held = minted.find(name);
  std::vector<std::string> keys = held == minted.end() ? std::vector<std::string>{} : held->second->keys();
  if (keys.empty()) keys = where.tree->keys;
  if (keys.empty()) keys = place.keys;
  Listing listing;
  listing.minted = true;
  for (std::string& key : keys) listing.entries.push_back({protocol::EntryKind::kKey, std::move(key)});
  done(std::move(listing));
}

void LeaseMachine::Impl::ListStatic(const Where& where, protocol::Purpose purpose, ListReply done) {
  SessionOf(where.tree->identity)
      .Ask<Names>({}, lifetime.Guard([this, where, purpose](const Session::Key& key, Reply<Names> reply) {
        context.source.List(*where.tree, where.below, purpose, *key.value,
                            [reply = std::move(reply), tree = where.tree, value = key.value](Answer<Names> answer) {
                              reply(std::move(answer));
                            });
      }),
                  lifetime.Guard([this, done = std::move(done), ttl = where.tree->ttl](Answer<Names> answer) {
                    if (auto* failure = std::get_if<Failure>(&answer)) return done(failure->error);
                    Listing listing;
                    Names& names = std::get<Names>(answer);
                    listing.entries = std::move(names.entries);
                    listing.value_at_hand = names.value_at_hand;
                    listing.fresh_until = context.loop.Now() + ttl;
                    done(std::move(listing));
                  }));
}

LeasedSecret& LeaseMachine::Impl::MintedAt(const std::string& secret, const Where& where) {
  LeasedSecret::Origin origin{where.tree, where.below, &SessionOf(where.tree->identity)};
  std::unique_ptr<LeasedSecret>& held = minted[secret];
  if (!held) {
    held = std::make_unique<LeasedSecret>(context, secret, std::move(origin));
    SweepSoon();
  } else if (held->abandoned()) {
    held->SetOrigin(std::move(origin));
  }
  return *held;
}

void LeaseMachine::Impl::Read(const std::string& secret, ReadReply done) {
  std::optional<Where> where = Resolve(secret);
  if (!where) return done(NoSuchTree());
  auto held = minted.find(secret);
  if (held != minted.end() && !held->second->abandoned()) return held->second->Read(std::move(done));
  std::string name = where->instance ? where->tree->name : secret;
  FindPlace(name, *where, lifetime.Guard([this, secret, name, where = *where, done](Result<Place> place) {
    if (!place.ok()) return done(std::move(place).error());
    const bool scoped = where.tree->scope != Scope::kShared;
    if (scoped && place->nature == Nature::kStatic) return done(NotMinted());
    if (scoped && !where.instance)
      return done(Error(ErrorKind::kNotFound, "each holder has a credential of its own here (lease_scope)"));
    if (place->nature == Nature::kStatic) return ReadStatic(secret, where, done);
    auto now = Resolve(secret);
    if (!now || now->tree != where.tree)
      return done(Error(ErrorKind::kUnreachable, "the settings of its tree have just changed"));
    MintedAt(secret, where).Read(done);
  }));
}

void LeaseMachine::Impl::ReadStatic(const std::string& name, const Where& where, const ReadReply& done) {
  SessionOf(where.tree->identity)
      .Ask<Grant>({}, lifetime.Guard([this, where](const Session::Key& key, Reply<Grant> reply) {
        context.source.Get(*where.tree, where.below, *key.value,
                           [reply = std::move(reply), tree = where.tree, value = key.value](Answer<Grant> answer) {
                             reply(std::move(answer));
                           });
      }),
                  lifetime.Guard([this, name, tree = where.tree, done](Answer<Grant> answer) {
                    auto* failure = std::get_if<Failure>(&answer);
                    if (failure == nullptr)
                      return done(static_places.Take(name, *tree, std::move(std::get<Grant>(answer))));
                    if (failure->cause != Cause::kOutage)
                      known.erase(name);  // it may be something else when it is there again
                    done(Failed(name, *failure));
                  }));
}

void LeaseMachine::Impl::Forget(const std::string& secret) {
  auto held = minted.find(secret);
  if (held == minted.end()) return;
  held->second->Forget();
  SweepSoon();
}

void LeaseMachine::Impl::TellAgain() {
  for (auto& [name, secret] : minted) secret->TellAgain();
}

// Instances come and go, and readers may ask for names that are not there: nothing is kept of them.
void LeaseMachine::Impl::SweepSoon() {
  if (sweep_timer != Loop::kNoTimer) return;
  sweep_timer = context.loop.After(kSweepAfter, lifetime.Guard([this] {
    sweep_timer = Loop::kNoTimer;
    bool more = false;
    for (auto next = minted.begin(); next != minted.end();) {
      auto here = next++;
      bool passing = here->second->origin().tree->scope != Scope::kShared || here->second->keys().empty();
      if (passing && here->second->Disposable()) {
        context.Forget("mint/" + here->first);  // settled, and known as such by the other only
        context.Forget("secret/" + here->first);
        minted.erase(here);
      } else {
        more |= passing;
      }
    }
    if (more) SweepSoon();
  }));
}

LeaseMachine::LeaseMachine(Loop& loop, Source& source, SurvivingRecords& records, MachineOptions options,
                           LeaseList* list)
    : impl_(std::make_unique<Impl>(loop, source, records, list)) {
  impl_->SetOptions(std::move(options));
}

LeaseMachine::~LeaseMachine() = default;

void LeaseMachine::SetOptions(MachineOptions options) {
  impl_->SetOptions(std::move(options));
}

void LeaseMachine::Stop(bool revoke, Duration timeout, std::function<void()> done) {
  impl_->Stop(revoke, timeout, std::move(done));
}

void LeaseMachine::Leave(Duration timeout, std::function<void()> done) {
  impl_->Leave(timeout, std::move(done));
}

protocol::Report LeaseMachine::Report() const {
  return impl_->Report();
}

void LeaseMachine::SetEvents(Events events) {
  impl_->context.events = std::move(events);
}

// NOLINTNEXTLINE(performance-unnecessary-value-param)
void LeaseMachine::List(const std::string& directory, protocol::Purpose purpose, ListReply done) {
  impl_->List(directory, purpose, done);
}

void LeaseMachine::Read(const std::string& secret, ReadReply done) {
  impl_->Read(secret, std::move(done));
}

void LeaseMachine::Forget(const std::string& secret) {
  impl_->Forget(secret);
}

void LeaseMachine::TellAgain() {
  impl_->TellAgain();
}

Result<std::vector<std::string>> LeaseMachine::ChangedSince(uint64_t /*generation*/) const {
  return Error(ErrorKind::kNotFound, "what changed on the server is not known");
}

}  // namespace leasefs::lease
