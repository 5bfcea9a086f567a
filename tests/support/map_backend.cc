#include "tests/support/map_backend.h"

#include <algorithm>

namespace leasefs {

std::set<std::pair<std::string, int>> MapBackend::NamesBelow(const std::string& directory) const {
  std::set<std::pair<std::string, int>> names;
  std::string prefix = directory.empty() ? "" : directory + "/";
  for (const auto& [path, secret] : secrets_) {
    if (secret.keys.empty()) continue;
    if (path == directory) {
      for (const auto& [key, value] : secret.keys) names.emplace(key, 0);
    } else if (path.starts_with(prefix)) {
      names.emplace(path.substr(prefix.size(), path.find('/', prefix.size()) - prefix.size()), 1);
    }
  }
  return names;
}

void MapBackend::Put(const std::string& secret, const Keys& keys) {
  std::vector<std::string> directories{secret};
  for (size_t end = secret.rfind('/');; end = secret.rfind('/', end - 1)) {
    directories.push_back(end == std::string::npos ? "" : secret.substr(0, end));
    if (end == std::string::npos) break;
  }
  std::map<std::string, std::set<std::pair<std::string, int>>> before;
  for (const auto& directory : directories) before[directory] = NamesBelow(directory);
  Secret& changed = secrets_[secret];
  changed.keys = keys;
  ++changed.version;
  changed.changed = ++generation_;
  for (const auto& directory : directories) {
    auto after = NamesBelow(directory);
    auto tell = [&](const auto& from, const auto& other, bool present) {
      for (const auto& name : from) {
        auto kind = name.second == 1 ? protocol::EntryKind::kFolder : protocol::EntryKind::kKey;
        if (!other.contains(name) && pushes_ && events_.on_entry)
          events_.on_entry(directory, {kind, name.first}, present);
      }
    };
    tell(after, before[directory], true);
    tell(before[directory], after, false);
  }
  if (pushes_ && events_.on_changed) events_.on_changed(secret);
}

uint64_t MapBackend::VersionOf(const std::string& secret) const {
  auto it = secrets_.find(secret);
  return it == secrets_.end() ? 0 : it->second.version;
}

Result<Listing> MapBackend::ListNow(const std::string& directory) const {
  if (outage_) return Error(*outage_, "outage");
  std::vector<protocol::Entry> entries;
  for (const auto& [name, folder] : NamesBelow(directory)) {
    entries.push_back({folder == 1 ? protocol::EntryKind::kFolder : protocol::EntryKind::kKey, name});
  }
  if (entries.empty()) return Error(ErrorKind::kNotFound, "no such directory");
  return Listing{std::move(entries), false, kNever, true};
}

Result<SecretVersion> MapBackend::ReadNow(const std::string& secret) {
  if (outage_) return Error(*outage_, "outage");
  auto it = secrets_.find(secret);
  if (it == secrets_.end() || it->second.keys.empty()) return Error(ErrorKind::kNotFound, "no such secret");
  ++answered_reads_;
  SecretVersion version;
  version.version = it->second.version;
  for (const auto& [key, value] : it->second.keys) {
    protocol::Field field;
    field.key = key;
    field.value = SecretBuffer::CopyOf(value);
    field.json = json_keys_.contains(key);
    version.fields.push_back(std::move(field));
  }
  return version;
}

void MapBackend::List(const std::string& directory, protocol::Purpose /*purpose*/, ListReply done) {
  ++lists_;
  loop_.After(delay_, [this, directory, done = std::move(done)] { done(ListNow(directory)); });
}

void MapBackend::Read(const std::string& secret, ReadReply done) {
  ++reads_;
  loop_.After(delay_, [this, secret, done = std::move(done)] { done(ReadNow(secret)); });
}

Result<std::vector<std::string>> MapBackend::ChangedSince(uint64_t generation) const {
  std::vector<std::string> changed;
  for (const auto& [path, secret] : secrets_) {
    if (secret.changed > generation) changed.push_back(path);
  }
  return changed;
}

}  // namespace leasefs
