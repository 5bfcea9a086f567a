#include "tests/backend/scripted_backend.h"

#include <algorithm>

namespace leasefs {
namespace {

std::string Parent(const std::string& path) {
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

std::string LastComponent(const std::string& path) {
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

}  // namespace

std::vector<protocol::Entry> ScriptedBackend::NamesIn(const std::string& directory) const {
  std::set<std::string> folders;
  std::vector<protocol::Entry> entries;
  std::string prefix = directory.empty() ? "" : directory + "/";
  for (const auto& [secret, contents] : contents_) {
    if (secret == directory) {
      for (const auto& [key, value] : contents.fields) entries.push_back({protocol::EntryKind::kKey, key});
    } else if (secret.starts_with(prefix)) {
      folders.insert(secret.substr(prefix.size(), secret.find('/', prefix.size()) - prefix.size()));
    }
  }
  for (const std::string& folder : folders) entries.push_back({protocol::EntryKind::kFolder, folder});
  return entries;
}

uint64_t ScriptedBackend::VersionOf(const std::string& secret) const {
  auto found = contents_.find(secret);
  return found == contents_.end() ? 0 : found->second.version;
}

void ScriptedBackend::Put(const std::string& secret, std::vector<std::pair<std::string, std::string>> fields) {
  auto before = contents_;
  contents_[secret] = {++last_version_, std::move(fields)};
  Change(secret, before);
}

void ScriptedBackend::Remove(const std::string& secret) {
  auto before = contents_;
  if (contents_.erase(secret) != 0) Change(secret, before);
}

void ScriptedBackend::Change(const std::string& secret, const std::map<std::string, Contents>& before) {
  log_.push_back(secret);
  if (!pushes || !events_.on_changed) return;
  auto existed = [&](const std::string& path) {
    return std::any_of(before.begin(), before.end(),
                       [&](const auto& item) { return item.first == path || item.first.starts_with(path + "/"); });
  };
  auto exists = [&](const std::string& path) { return path.empty() || !NamesIn(path).empty(); };
  for (std::string path = secret; !path.empty(); path = Parent(path)) {
    if (existed(path) == exists(path)) continue;
    events_.on_entry(Parent(path), {protocol::EntryKind::kFolder, LastComponent(path)}, exists(path));
  }
  std::map<std::string, int> keys;  // 1 gone, 2 come
  auto old = before.find(secret);
  if (old != before.end()) {
    for (const auto& [key, value] : old->second.fields) keys[key] += 1;
  }
  auto now = contents_.find(secret);
  if (now != contents_.end()) {
    for (const auto& [key, value] : now->second.fields) keys[key] += 2;
  }
  for (const auto& [key, what] : keys) {
    if (what != 3) events_.on_entry(secret, {protocol::EntryKind::kKey, key}, what == 2);
  }
  events_.on_changed(secret);
}

void ScriptedBackend::Answer(Loop::Callback answer) {
  if (delay == Duration{} && jitter == Duration{}) return answer();
  Duration more(static_cast<int64_t>(loop_.random().Below(static_cast<uint64_t>(jitter.count()) + 1)));
  loop_.After(delay + more, std::move(answer));
}

void ScriptedBackend::List(const std::string& directory, protocol::Purpose purpose, ListReply done) {
  ++lists[directory];
  auto failure = failures.find(directory);
  if (failure != failures.end()) return Answer([done, error = failure->second] { done(error); });
  std::vector<protocol::Entry> names = NamesIn(directory);
  if (names.empty() && !directory.empty())
    return Answer([done] { done(Error(ErrorKind::kNotFound, "no such folder")); });
  bool at_hand = purpose == protocol::Purpose::kOpen && value_with_names;
  Answer([done, names, at_hand, must = minted.contains(directory)] { done(Listing{names, must, kNever, at_hand}); });
}

void ScriptedBackend::Read(const std::string& secret, ReadReply done) {
  ++reads[secret];
  auto failure = failures.find(secret);
  if (failure != failures.end()) return Answer([done, error = failure->second] { done(error); });
  if (!contents_.contains(secret)) return Answer([done] { done(Error(ErrorKind::kNotFound, "no such secret")); });
  auto version = std::make_shared<SecretVersion>(VersionNow(secret));
  Answer([done, version] { done(std::move(*version)); });
}

SecretVersion ScriptedBackend::VersionNow(const std::string& secret) const {
  const Contents& contents = contents_.at(secret);
  SecretVersion version{contents.version, {}, lease_end, freshness, minted.contains(secret)};
  for (const auto& [key, value] : contents.fields) version.fields.push_back({key, false, SecretBuffer::CopyOf(value)});
  return version;
}

Result<std::vector<std::string>> ScriptedBackend::ChangedSince(uint64_t generation) const {
  if (changed_since_fails) return *changed_since_fails;
  if (!pushes || generation < forgotten || generation > log_.size()) return Error(ErrorKind::kNotFound, "too long ago");
  std::set<std::string> changed(log_.begin() + static_cast<ptrdiff_t>(generation), log_.end());
  return std::vector<std::string>(changed.begin(), changed.end());
}

FsPeer::FsPeer(Loop& loop, BackendServer& server, Duration max_delay) {
  auto [mine, theirs] = MakeSimStreams(loop, max_delay);
  FrameConnection::Events events;
  events.on_frame = [this](uint16_t type, std::span<const std::byte> payload) {
    OnFrame(static_cast<protocol::FrameType>(type), payload);
  };
  events.on_closed = [this](const std::string&) { closed_ = true; };
  connection_ = std::make_unique<FrameConnection>(std::move(mine), FrameConnection::Options{}, std::move(events));
  server.Connect(std::move(theirs));
}

void FsPeer::OnFrame(protocol::FrameType type, std::span<const std::byte> payload) {
  frames_.emplace_back(type, std::vector<std::byte>(payload.begin(), payload.end()));
  if (on_frame) on_frame(type, payload);
  if (type == protocol::FrameType::kChanged && applies) {
    Send(protocol::Applied{std::move(protocol::Changed::Decode(payload)).value().sequence});
  }
  if (type == protocol::FrameType::kEntryChanged && applies) {
    Send(protocol::Applied{std::move(protocol::EntryChanged::Decode(payload)).value().sequence});
  }
  if (type == protocol::FrameType::kRecord && records) {
    Send(protocol::Recorded{std::move(protocol::Record::Decode(payload)).value().id, record_ok});
  }
}

}  // namespace leasefs
