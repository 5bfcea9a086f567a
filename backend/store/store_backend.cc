#include "backend/store/store_backend.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "fs/base/log.h"
#include "fs/base/strings.h"

namespace leasefs {
namespace {

constexpr Duration kRetry = std::chrono::seconds(1);

std::string ParentOf(const std::string& path) {
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

protocol::Entry FolderOf(const std::string& path) {
  return {protocol::EntryKind::kFolder, path.substr(path.rfind('/') + 1)};  // npos + 1 is 0
}

}  // namespace

StoreBackend::StoreBackend(Loop& loop, Options options)
    : loop_(loop),
      options_(std::move(options)),
      reason_("no key was given yet; `leasefs store unlock` asks for its passphrase"),
      why_closed_(MakeError(State::kLocked, ErrorKind::kLocked, reason_)) {}

StoreBackend::~StoreBackend() {
  loop_.Cancel(retry_timer_);
}

void StoreBackend::SetEvents(Events events) {
  events_ = std::move(events);
  TellHealth();
}

void StoreBackend::SetLimits(uint32_t keep_versions, uint64_t value_bytes) {
  options_.settings.keep_versions = keep_versions;
  options_.settings.value_bytes = value_bytes;
  if (store_) store_->SetLimits(keep_versions, value_bytes);
}

Status StoreBackend::TryOpen(const StoreKey& key) {
  if (is_open()) return Error(ErrorKind::kInvalid, StrCat("the store ", options_.name, " is open already"));
  const std::string& path = options_.path;
  const bool log_there = access((path + "-wal").c_str(), F_OK) == 0;
  Result<std::unique_ptr<Store>> opened = Store::Open(path, key, loop_.random(), options_.settings);
  if (opened.ok()) {
    loop_.Cancel(std::exchange(retry_timer_, Loop::kNoTimer));
    waiting_key_.reset();
    store_ = std::move(*opened);
    state_ = State::kOpen;
    TellHealth();
    if (events_.on_everything_changed) events_.on_everything_changed();
    return Ok();
  }
  const Error& error = opened.error();
  if (error.kind() == ErrorKind::kLocked) {
    Close(State::kLocked, error.kind(),
          StrCat(error.message(), key.kind == StoreKey::Kind::kRaw
                                      ? "; put its own key there, then `leasefs reload`"
                                      : StrCat("; `leasefs store unlock ", options_.name, "` takes another")));
  } else if (error.kind() == ErrorKind::kNotFound) {
    Close(State::kMissing, ErrorKind::kRemote, StrCat("there is no file ", path, "; `leasefs store init` makes one"));
    RetryLater(key);
  } else if (error.kind() == ErrorKind::kUnreachable) {
    Close(State::kInUse, error.kind(), error.message());
    RetryLater(key);
  } else {
    Close(State::kDamaged, ErrorKind::kRemote,
          StrCat(error.message(), "; stop leasefs and put a good copy (`leasefs store backup` makes them) at ", path,
                 log_there
                     ? StrCat(", without ", path, "-wal, which is there and belongs to the file that lies there now")
                     : ""));
  }
  return why_closed_;
}

void StoreBackend::StayLocked(const std::string& why) {
  Close(State::kLocked, ErrorKind::kLocked, why);
  LogWarning(why_closed_.message());
}

std::string_view StoreBackend::NameOf(State state) {
  switch (state) {
    case State::kOpen:
      return "open";
    case State::kLocked:
      return "locked";
    case State::kMissing:
      return "missing";
    case State::kInUse:
      return "in use";
    case State::kDamaged:
      return "damaged";
  }
  return "";
}

Error StoreBackend::MakeError(State state, ErrorKind kind, const std::string& reason) const {
  return {kind, StrCat("the store ", options_.name, " is ", NameOf(state), ": ", reason)};
}

void StoreBackend::Close(State state, ErrorKind kind, std::string reason) {
  bool news = state != state_ || reason != reason_;
  state_ = state;
  reason_ = std::move(reason);
  why_closed_ = MakeError(state, kind, reason_);
  if (news) TellHealth();
}

// What is missing may be made, and who has it open may be the predecessor of this process. A passphrase is not kept for
// that.
void StoreBackend::RetryLater(const StoreKey& key) {
  if (key.kind != StoreKey::Kind::kRaw) return;
  waiting_key_ = StoreKey{key.kind, SecretBuffer::CopyOf(key.bytes.Expose())};
  loop_.Cancel(retry_timer_);
  retry_timer_ = loop_.After(kRetry, [this] {
    retry_timer_ = Loop::kNoTimer;
    StoreKey again = std::move(*std::exchange(waiting_key_, std::nullopt));
    std::string reason = reason_;
    if (TryOpen(again).ok()) {
      LogInfo(StrCat("the store ", options_.name, " is open now"));
    } else if (reason_ != reason) {
      LogWarning(why_closed_.message());
    }
  });
}

void StoreBackend::TellHealth() {
  if (!events_.on_health) return;
  if (state_ == State::kOpen) return events_.on_health(protocol::HealthState::kUp, "");
  events_.on_health(state_ == State::kLocked ? protocol::HealthState::kLocked : protocol::HealthState::kDown,
                    why_closed_.message());
}

std::string StoreBackend::StateText() const {
  return is_open() ? std::string(NameOf(state_)) : StrCat(NameOf(state_), ": ", reason_);
}

void StoreBackend::List(const std::string& directory, protocol::Purpose /*purpose*/, ListReply done) {
  if (!store_) return done(why_closed_);
  auto entries = store_->List(directory);
  if (!entries.ok()) return done(std::move(entries).error());
  Listing listing{std::move(*entries)};
  listing.value_at_hand = true;
  done(std::move(listing));
}

void StoreBackend::Read(const std::string& secret, ReadReply done) {
  if (!store_) return done(why_closed_);
  auto read = store_->Get(secret, 0);
  if (!read.ok()) return done(std::move(read).error());
  done(SecretVersion{read->first, std::move(read->second), kNever, {}});
}

Result<std::vector<std::string>> StoreBackend::ChangedSince(uint64_t generation) const {
  if (!store_) return why_closed_;
  return store_->ChangedSince(generation);
}

Result<std::vector<uint64_t>> StoreBackend::Apply(std::vector<Store::Put> puts, uint32_t author,
                                                  const std::string& note) {
  if (!store_) return why_closed_;
  std::vector<Names> before;
  before.reserve(puts.size());
  for (const Store::Put& put : puts) before.push_back(NamesOf(put.secret));
  LEASEFS_ASSIGN_OR_RETURN(versions, store_->Apply(std::move(puts), author, note, loop_.WallNow()));
  for (const Names& names : before) TellChange(names);
  return std::move(versions);
}

Status StoreBackend::Remove(const std::string& secret, const std::vector<std::string>& keys, uint32_t author) {
  if (!store_) return why_closed_;
  Names before = NamesOf(secret);
  LEASEFS_RETURN_IF_ERROR(store_->Remove(secret, keys, author, loop_.WallNow()));
  TellChange(before);
  return Ok();
}

Result<uint64_t> StoreBackend::Rollback(const std::string& secret, uint64_t version, uint32_t author) {
  if (!store_) return why_closed_;
  Names before = NamesOf(secret);
  LEASEFS_ASSIGN_OR_RETURN(rolled, store_->Rollback(secret, version, author, loop_.WallNow()));
  TellChange(before);
  return rolled;
}

StoreBackend::Names StoreBackend::NamesOf(const std::string& secret) const {
  Names names{secret, false, {}};
  auto entries = store_->List(secret);
  names.known = entries.ok();
  if (!entries.ok()) return names;
  for (protocol::Entry& entry : *entries) {
    if (entry.kind == protocol::EntryKind::kKey) names.keys.insert(std::move(entry.name));
  }
  return names;
}

// Folders above it, from the root when they come (each may be new) and upwards as far as they go; keys; then the secret
// itself.
void StoreBackend::TellChange(const Names& before) {
  if (!events_.on_entry || !events_.on_changed) return;
  const std::string& secret = before.secret;
  Names now = NamesOf(secret);
  if (now.known && !before.known) {
    std::vector<std::string> paths;
    for (std::string path = secret; !path.empty(); path = ParentOf(path)) paths.push_back(path);
    std::for_each(paths.rbegin(), paths.rend(),
                  [&](const std::string& path) { events_.on_entry(ParentOf(path), FolderOf(path), true); });
  }
  if (!now.known && before.known) {
    for (std::string path = secret; !path.empty() && !store_->List(path).ok(); path = ParentOf(path)) {
      events_.on_entry(ParentOf(path), FolderOf(path), false);
    }
  }
  for (const std::string& key : before.keys) {
    if (now.keys.count(key) == 0) events_.on_entry(secret, {protocol::EntryKind::kKey, key}, false);
  }
  for (const std::string& key : now.keys) {
    if (before.keys.count(key) == 0) events_.on_entry(secret, {protocol::EntryKind::kKey, key}, true);
  }
  events_.on_changed(secret);
}

}  // namespace leasefs
