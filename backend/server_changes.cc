#include <algorithm>
#include <unordered_set>
#include <utility>

#include "backend/server_impl.h"

namespace leasefs {
namespace {

// More secrets than these are not told one by one: to ask for what is held again costs less.
constexpr size_t kMaxMissed = 256;

}  // namespace

// Told whether fs wants the secret or not: its Idle may have crossed an answer that it keeps after all.
void BackendServer::Impl::OnChanged(const std::string& name) {
  if (catch_up) catch_up->repeat = true;
  auto found = secrets.find(name);
  if (found != secrets.end()) {
    found->second.version = 0;
    found->second.flight.repeat = found->second.flight.running;
  }
  SendChanged(name);
  SettleGenerationSoon();
}

void BackendServer::Impl::OnEntry(const std::string& name, const protocol::Entry& entry, bool present) {
  if (catch_up) catch_up->repeat = true;
  auto found = directories.find(name);
  bool listed = found != directories.end() && found->second.listed;
  if (found != directories.end() && found->second.flight.running) found->second.flight.repeat = true;
  if (listed || tell_all_names) SendEntryChanged(name, entry, present);
  SettleGenerationSoon();
}

void BackendServer::Impl::OnHealth(protocol::HealthState state, const std::string& message) {
  if (state == health && message == health_message) return;
  health = state;
  health_message = message;
  SendHealth();
}

void BackendServer::Impl::OnEverythingChanged() {
  for (auto& [name, secret] : secrets) {
    secret.version = 0;
    secret.flight.repeat = secret.flight.running;
  }
  for (auto& [name, directory] : directories) directory.flight.repeat = directory.flight.running;
  if (!greeted) return;
  if (must_catch_up) {  // fs may know what there is: it asked before this backend could say what is new
    TellWhatWasMissed(false);
  } else {
    catch_up.reset();
    TellEverythingChanged();
  }
}

// fs takes it if it holds a version of the secret. Whoever waits for one is answered by it too.
void BackendServer::Impl::OnPublished(const std::string& name, SecretVersion version) {
  Status fit = FitToPublish(version, options.value_bytes);
  if (!fit.ok()) return OnChanged(name);  // the next open is told why
  protocol::Freshness freshness = FreshnessFor(version);
  auto found = secrets.find(name);
  if (found != secrets.end()) {
    Secret& secret = found->second;
    secret.version = version.version;
    secret.minted = version.minted;
    secret.freshness = freshness;
    secret.changed_sequence = 0;
    if (secret.told_version != 0) secret.told_version = version.version, secret.told_on = connection_id;
  }
  Send(protocol::Published{name, version.version, freshness, std::move(version.fields)});
}

void BackendServer::Impl::OnExtended(const std::string& name, uint64_t version, const protocol::Freshness& freshness) {
  auto found = secrets.find(name);
  if (found != secrets.end() && found->second.version == version) found->second.freshness = freshness;
  Send(protocol::Unchanged{name, version, freshness});
}

// The number is also used up while fs is away, so that its successor is seen not to have applied it.
void BackendServer::Impl::SendChanged(const std::string& name) {
  uint64_t sequence = ++last_sequence;
  auto found = secrets.find(name);
  if (found != secrets.end()) found->second.changed_sequence = sequence;
  if (!greeted) return;
  sent_sequence = sequence;
  Send(protocol::Changed{sequence, told_generation, name});
}

void BackendServer::Impl::SendEntryChanged(const std::string& directory, const protocol::Entry& entry, bool present) {
  if (!greeted) return;
  sent_sequence = ++last_sequence;
  Send(protocol::EntryChanged{sent_sequence, directory, entry, present});
}

// One change of the backend may be told by several frames. Only when all of them are sent does its generation count as
// told.
void BackendServer::Impl::SettleGenerationSoon() {
  if (settle_posted) return;
  settle_posted = true;
  loop.Post([weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self) return;
    self->settle_posted = false;
    if (!self->greeted || self->must_catch_up || self->catch_up) return;
    self->told_generation = self->backend.Generation();
    self->SendHealth();
  });
}

void BackendServer::Impl::TellWhatWasMissed(bool welcome) {
  uint64_t generation = backend.Generation();
  Result<std::vector<std::string>> changed = backend.ChangedSince(told_generation);
  must_catch_up = !changed.ok() && changed.error().kind() != ErrorKind::kNotFound;
  if (!must_catch_up) {
    bool known = changed.ok() && told_generation != 0 && told_generation <= generation;
    if (!known || changed->size() > kMaxMissed) return TellEverythingChanged();
  }
  if (welcome) {
    Send(protocol::Welcome{.generation = told_generation});
    SendHealth();
  }
  if (must_catch_up || changed->empty()) return RetargetAppliedWaiters();
  TellSecrets(std::move(*changed), generation);
}

void BackendServer::Impl::TellEverythingChanged() {
  told_generation = backend.Generation();
  Send(protocol::Welcome{.generation = told_generation, .everything_changed = true});
  SendHealth();
}

void BackendServer::Impl::TellSecrets(std::vector<std::string> changed, uint64_t generation) {
  catch_up = std::make_unique<CatchUp>();
  catch_up->id = ++last_catch_up;
  catch_up->generation = generation;
  for (const std::string& secret : changed) {
    catch_up->directories[secret];
    for (size_t begin = 0, end = 0; end != std::string::npos && !secret.empty(); begin = end + 1) {
      end = secret.find('/', begin);
      std::string parent = begin == 0 ? "" : secret.substr(0, begin - 1);
      catch_up->directories[parent].insert(secret.substr(begin, end == std::string::npos ? end : end - begin));
    }
  }
  catch_up->secrets = std::move(changed);
  catch_up->outstanding = catch_up->directories.size() + 1;  // one for this call
  std::vector<std::string> names;
  for (const auto& [directory, folders] : catch_up->directories) names.push_back(directory);
  uint64_t id = catch_up->id;
  for (const std::string& directory : names) {
    backend.List(directory, protocol::Purpose::kNames, [weak = weak_from_this(), directory, id](auto result) {
      auto self = weak.lock();
      if (self && self->catch_up && self->catch_up->id == id) self->OnCatchUpListed(directory, std::move(result));
    });
  }
  if (catch_up && catch_up->id == id && --catch_up->outstanding == 0) FinishCatchUp();
}

void BackendServer::Impl::OnCatchUpListed(const std::string& directory, Result<Listing> result) {
  if (!result.ok() && result.error().kind() != ErrorKind::kNotFound) catch_up->failed = true;
  if (!catch_up->failed) {
    std::unordered_set<std::string_view> present;
    bool is_secret =
        std::find(catch_up->secrets.begin(), catch_up->secrets.end(), directory) != catch_up->secrets.end();
    if (result.ok()) {
      for (const protocol::Entry& entry : result->entries) {
        if (entry.kind == protocol::EntryKind::kFolder) present.insert(entry.name);
        if (entry.kind == protocol::EntryKind::kKey && is_secret) SendEntryChanged(directory, entry, true);
      }
    }
    for (const std::string& folder : catch_up->directories[directory]) {
      SendEntryChanged(directory, {protocol::EntryKind::kFolder, folder}, present.count(folder) != 0);
    }
  }
  if (--catch_up->outstanding == 0) FinishCatchUp();
}

void BackendServer::Impl::FinishCatchUp() {
  std::unique_ptr<CatchUp> job = std::exchange(catch_up, nullptr);
  if (job->failed) return TellEverythingChanged();
  if (job->repeat) return TellWhatWasMissed(false);
  for (const std::string& secret : job->secrets) SendChanged(secret);
  told_generation = job->generation;
  RetargetAppliedWaiters();
  SendHealth();
}

}  // namespace leasefs
