#include <algorithm>
#include <unordered_set>
#include <utility>

#include "backend/protocol_codec.h"
#include "backend/server_impl.h"
#include "fs/base/log.h"
#include "fs/base/strings.h"

namespace leasefs {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr size_t kEntriesPartBytes = size_t{256} << 10;
constexpr Duration kNotFoundRetry = seconds(3);
constexpr Duration kAnswerRetry = seconds(5);
constexpr Duration kFirstBackoff = milliseconds(500);  // S14, S18
constexpr Duration kLastBackoff = seconds(30);
constexpr size_t kPublishedBytes = 4 + kMaxPathBytes + 8 + 3 * 8 + 4;  // of Published, at most, without its fields

// S17: an answer, after which a value that was known is known no longer. Anything else leaves it as it is.
bool IsAnswer(ErrorKind kind) {
  return kind == ErrorKind::kNotFound || kind == ErrorKind::kDenied || kind == ErrorKind::kRevoked ||
         kind == ErrorKind::kExpired || kind == ErrorKind::kTooLarge;
}

bool HoldsSecret(const Listing& listing) {
  auto is_key = [](const protocol::Entry& entry) { return entry.kind == protocol::EntryKind::kKey; };
  return !listing.minted && std::any_of(listing.entries.begin(), listing.entries.end(), is_key);
}

bool IsValidEntry(const protocol::Entry& entry) {
  if (entry.kind == protocol::EntryKind::kKey) return protocol::IsValidKey(entry.name);
  return !entry.name.empty() && entry.name.find('/') == std::string::npos && protocol::IsValidPath(entry.name);
}

}  // namespace

Status FitToPublish(SecretVersion& version, uint64_t value_bytes) {
  if (version.version == 0) return Error(ErrorKind::kRemote, "the backend gave no version number");
  size_t frame_bytes = kPublishedBytes;
  size_t secret_bytes = 0;
  std::unordered_set<std::string_view> keys;
  for (protocol::Field& field : version.fields) {
    if (!protocol::IsValidKey(field.key))
      return Error(ErrorKind::kRemote, "the backend gave a key whose name is not acceptable");
    if (!keys.insert(field.key).second) return Error(ErrorKind::kRemote, "the backend gave the same key twice");
    if (field.too_large || field.value.size() > std::min<uint64_t>(value_bytes, kHardMaxValueBytes)) {
      field.too_large = true;
      field.value.Clear();
    }
    if (field.value.empty()) field.json = false;
    secret_bytes += field.value.size();
    frame_bytes += 4 + field.key.size() + 1 + 4 + field.value.size() + 1;
  }
  if (keys.size() > kMaxKeysPerSecret || secret_bytes > kMaxSecretBytes || frame_bytes > kMaxFramePayload) {
    return Error(ErrorKind::kTooLarge,
                 StrCat("the secret has ", keys.size(), " keys and ", secret_bytes, " bytes of values; at most ",
                        kMaxKeysPerSecret, " and ", kMaxSecretBytes, " can be shown: split it"));
  }
  return Ok();
}

void BackendServer::Impl::OnList(const protocol::List& frame) {
  Directory& directory = directories[frame.directory];
  directory.purpose = frame.purpose;
  directory.flight.asked_by = connection_id;
  if (!directory.flight.running) StartList(frame.directory);
}

void BackendServer::Impl::StartList(const std::string& directory) {
  Directory& asked = directories[directory];
  asked.flight.running = true;
  asked.flight.repeat = false;
  backend.List(directory, asked.purpose, [weak = weak_from_this(), directory](Result<Listing> result) {
    if (auto self = weak.lock()) self->OnListed(directory, std::move(result));
  });
}

void BackendServer::Impl::OnListed(const std::string& name, Result<Listing> result) {
  Directory& directory = directories[name];
  if (!directory.flight.repeat && Brings(name, directory, result)) return ReadBeforeNames(name, std::move(*result));
  directory.flight.running = false;
  if (directory.flight.repeat) return StartList(name);
  bool asked = Asked(directory.flight);
  directory.flight.asked_by = 0;
  // "There is nothing" is a listing too: what appears there later must be told.
  bool known = result.ok() || result.error().kind() == ErrorKind::kNotFound;
  directory.listed = known && (asked || directory.listed);
  if (result.ok()) {
    directory.flight.outages = 0;
    if (asked) SendEntries(name, std::move(*result));
  } else {
    BootTime retry_at = RetryAt(result.error(), directory.flight);
    if (asked) SendFailed(protocol::Failed::What::kDirectory, name, result.error(), retry_at);
  }
  if (!directory.listed && directory.flight.outages == 0) directories.erase(name);
}

// Whether a value comes with the names, and nobody has asked for it otherwise.
bool BackendServer::Impl::Brings(const std::string& name, const Directory& directory,
                                 const Result<Listing>& result) const {
  bool for_open = directory.purpose == protocol::Purpose::kOpen;
  if (!result.ok() || !for_open || !result->value_at_hand || !HoldsSecret(*result)) return false;
  auto known = secrets.find(name);
  bool wanted = known != secrets.end() && (known->second.wanted || known->second.flight.running);
  return Asked(directory.flight) && !wanted;
}

// What is looked up to be opened: its value is here, and goes first, so that the lookup already finds the version that
// the open will read. What changes meanwhile is listed again.
void BackendServer::Impl::ReadBeforeNames(const std::string& name, Listing listing) {
  ++figures.wants;
  Secret& secret = secrets[name];
  secret.wanted = true;
  secret.known_version = 0;
  secret.flight.asked_by = connection_id;
  listing.value_at_hand = false;
  StartRead(name, std::make_shared<Listing>(std::move(listing)));
}

void BackendServer::Impl::SendEntries(const std::string& directory, Listing listing) {
  std::vector<protocol::Entry>& entries = listing.entries;
  size_t all = entries.size();
  std::erase_if(entries, [](const protocol::Entry& entry) { return !IsValidEntry(entry); });
  if (entries.size() < all) {
    LogWarning(StrCat(all - entries.size(), " names in '", Printable(directory),
                      "' cannot be shown: they are no names of a path"));
  }
  protocol::Entries part{directory, false, {}, listing.minted, listing.fresh_until};
  size_t bytes = 0;
  for (protocol::Entry& entry : entries) {
    size_t size = protocol::EncodedBytes(entry);
    if (bytes + size > kEntriesPartBytes && !part.entries.empty()) {
      Send(part);
      part.entries.clear();
      bytes = 0;
    }
    bytes += size;
    part.entries.push_back(std::move(entry));
  }
  part.last = true;
  Send(part);
}

void BackendServer::Impl::OnWant(const std::string& name, uint64_t known_version, bool refresh) {
  ++figures.wants;
  Secret& secret = secrets[name];
  secret.wanted = true;
  bool current = secret.version != 0 && loop.Now() < secret.freshness.fresh_until;
  if (current && !refresh && !secret.flight.running && secret.version == known_version) {
    secret.told_version = known_version;
    secret.told_on = connection_id;
    secret.changed_sequence = 0;
    return Send(protocol::Unchanged{name, known_version, secret.freshness});
  }
  bool first = !Asked(secret.flight);
  secret.known_version = first || secret.known_version == known_version ? known_version : 0;
  secret.flight.asked_by = connection_id;
  if (!secret.flight.running) return StartRead(name);
  if (refresh) secret.flight.repeat = true;  // what is under way was asked before
}

void BackendServer::Impl::OnIdle(const std::string& name) {
  auto found = secrets.find(name);
  bool running = found != secrets.end() && found->second.flight.running;
  if (found != secrets.end()) {
    found->second.wanted = false;
    found->second.told_version = 0;
    ForgetIfUnused(name);
  }
  // Also of what only a predecessor of this process has read: it may have left a lease. While an answer is under way,
  // when it is known whether somebody wants it after all.
  if (!running) backend.Forget(name);
}

void BackendServer::Impl::ForgetIfUnused(const std::string& name) {
  auto found = secrets.find(name);
  if (found == secrets.end() || found->second.wanted || found->second.flight.running) return;
  loop.Cancel(found->second.timer);
  secrets.erase(found);
}

void BackendServer::Impl::StartRead(const std::string& name, std::shared_ptr<Listing> names_after) {
  Secret& secret = secrets[name];
  secret.flight.running = true;
  secret.flight.repeat = false;
  loop.Cancel(std::exchange(secret.timer, Loop::kNoTimer));
  ++figures.reads;
  backend.Read(name, [weak = weak_from_this(), name, names_after](Result<SecretVersion> result) {
    auto self = weak.lock();
    if (!self) return;
    std::optional<FrameConnection::Together> together;
    if (names_after != nullptr && self->connection != nullptr) together.emplace(*self->connection);
    self->OnRead(name, std::move(result));
    if (names_after != nullptr) self->OnListed(name, std::move(*names_after));
  });
}

void BackendServer::Impl::OnRead(const std::string& name, Result<SecretVersion> result) {
  Secret& secret = secrets[name];
  secret.flight.running = false;
  if (secret.flight.repeat) return StartRead(name);
  Status fit = result.ok() ? FitToPublish(*result, options.value_bytes) : Ok();
  if (result.ok() && fit.ok()) {
    OnVersion(name, secret, std::move(*result));
  } else {
    OnReadFailed(name, secret, result.ok() ? fit.error() : result.error());
  }
  bool wanted = secret.wanted;
  ForgetIfUnused(name);
  if (!wanted) backend.Forget(name);
}

void BackendServer::Impl::OnVersion(const std::string& name, Secret& secret, SecretVersion version) {
  secret.version = version.version;
  secret.minted = version.minted;
  secret.freshness = FreshnessFor(version);
  secret.flight.outages = 0;
  bool asked = Asked(secret.flight);
  secret.flight.asked_by = 0;
  uint64_t believed = std::exchange(secret.told_version, version.version);
  if (asked) {
    secret.changed_sequence = 0;
    secret.told_on = connection_id;
    if (secret.known_version == version.version) {
      Send(protocol::Unchanged{name, version.version, secret.freshness});
    } else {
      Send(protocol::Published{name, version.version, secret.freshness, std::move(version.fields)});
    }
  } else if (!secret.wanted || believed == 0) {
    secret.told_version = 0;  // whoever asked is gone, and nobody holds it
  } else if (believed != version.version && greeted && !backend.PushesChanges()) {
    secret.changed_sequence = 0;  // what is lost with this connection, its successor asks for: it is not fresh there
    secret.told_on = connection_id;
    Send(protocol::Published{name, version.version, secret.freshness, std::move(version.fields)});
  } else if (believed != version.version) {
    SendChanged(name);
  } else if (secret.told_on == connection_id &&
             !backend.PushesChanges()) {  // not what may never have reached a successor
    Send(protocol::Unchanged{name, version.version, secret.freshness});
  }
  Revalidate(name, secret, std::max(secret.freshness.fresh_until, loop.Now() + kFirstBackoff));
}

void BackendServer::Impl::OnReadFailed(const std::string& name, Secret& secret, const Error& error) {
  BootTime retry_at = RetryAt(error, secret.flight);
  bool asked = Asked(secret.flight);
  secret.flight.asked_by = 0;
  if (asked) SendFailed(protocol::Failed::What::kSecret, name, error, retry_at);
  if (!IsAnswer(error.kind())) return Revalidate(name, secret, std::max(retry_at, loop.Now() + kFirstBackoff));
  bool held = secret.told_version != 0;
  secret.version = 0;
  secret.told_version = 0;
  if (asked) secret.changed_sequence = 0;
  if (!asked && held) SendChanged(name);
}

void BackendServer::Impl::SendFailed(protocol::Failed::What what, const std::string& path, const Error& error,
                                     BootTime retry_at) {
  Send(protocol::Failed{what, path, error.kind(), error.message(), retry_at});
}

// S17: in the background, while fs holds it. A backend that pushes changes tells, and what is minted is replaced by who
// minted it.
void BackendServer::Impl::Revalidate(const std::string& name, Secret& secret, BootTime when) {
  loop.Cancel(std::exchange(secret.timer, Loop::kNoTimer));
  if (backend.PushesChanges() || secret.minted || !secret.wanted || secret.told_version == 0) return;
  secret.timer = loop.At(when, [weak = weak_from_this(), name] {
    auto self = weak.lock();
    if (!self) return;
    Secret& due = self->secrets[name];
    due.timer = Loop::kNoTimer;
    if (!due.flight.running) self->StartRead(name);
  });
}

protocol::Freshness BackendServer::Impl::FreshnessFor(const SecretVersion& version) {
  if (version.freshness) return *version.freshness;
  if (backend.PushesChanges()) return {kNever, kNever, version.lease_end};
  Duration tenth = options.ttl / 10;
  BootTime fresh_until = Later(loop.Now(), options.ttl - tenth + RandomUpTo(loop.random(), 2 * tenth));
  BootTime stale_until = Later(fresh_until, options.max_stale);
  return {std::min(fresh_until, version.lease_end), std::min(stale_until, version.lease_end), version.lease_end};
}

BootTime BackendServer::Impl::RetryAt(const Error& error, Flight& flight) {
  ErrorKind kind = error.kind();
  if (error.retry_at()) return std::min(*error.retry_at(), loop.Now() + kLastBackoff);
  bool tells = backend.PushesChanges();  // when there is something new
  if (IsAnswer(kind)) {
    flight.outages = 0;
    if (tells) return {};
    return loop.Now() + (kind == ErrorKind::kNotFound ? kNotFoundRetry : kAnswerRetry);
  }
  if (kind == ErrorKind::kLocked && tells) return {};
  // S18: full jitter, so that those who failed together do not come back together.
  Duration ceiling = std::min(kLastBackoff, kFirstBackoff * (int64_t{1} << std::min(flight.outages, 6)));
  ++flight.outages;
  return loop.Now() + RandomUpTo(loop.random(), ceiling);
}

}  // namespace leasefs
