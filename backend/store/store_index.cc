#include "backend/store/store_index.h"

#include <algorithm>

#include "fs/base/strings.h"

namespace leasefs::store {
namespace {

unsigned Rank(char c) {
  return c == '/' ? 0U : static_cast<unsigned char>(c);
}  // no path has a NUL

bool IsAtOrBelow(std::string_view path, std::string_view directory) {
  if (directory.empty()) return true;
  return path.starts_with(directory) && (path.size() == directory.size() || path[directory.size()] == '/');
}

}  // namespace

bool PathOrder::operator()(std::string_view a, std::string_view b) const {
  const auto [left, right] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (right == b.end()) return false;
  return left == a.end() || Rank(*left) < Rank(*right);
}

const StoreIndex::Secret* StoreIndex::Find(std::string_view path) const {
  const auto found = secrets_.find(path);
  return found == secrets_.end() ? nullptr : &found->second;
}

const StoreIndex::Secret* StoreIndex::FindLive(std::string_view path) const {
  const Secret* secret = Find(path);
  return secret != nullptr && secret->head.live() ? secret : nullptr;
}

void StoreIndex::Set(const std::string& path, Secret secret) {
  Forget(path);
  versions_ += secret.head.kept.size();
  if (!secret.head.live()) removed_.emplace(secret.head.generation, path);
  secrets_.emplace(path, std::move(secret));
}

void StoreIndex::Forget(const std::string& path) {
  const auto found = secrets_.find(path);
  if (found == secrets_.end()) return;
  versions_ -= found->second.head.kept.size();
  if (!found->second.head.live()) removed_.erase(found->second.head.generation);
  secrets_.erase(found);
}

Result<std::vector<protocol::Entry>> StoreIndex::List(const std::string& directory) const {
  std::vector<protocol::Entry> entries;
  const size_t prefix = directory.empty() ? 0 : directory.size() + 1;
  auto at = secrets_.lower_bound(std::string_view(directory));
  while (at != secrets_.end() && IsAtOrBelow(at->first, directory)) {
    const auto& [path, secret] = *at;
    if (!secret.head.live()) {
      ++at;
    } else if (path.size() == directory.size()) {
      for (std::string& key : Split(secret.head.keys, '\0'))
        entries.push_back({protocol::EntryKind::kKey, std::move(key)});
      ++at;
    } else {
      const std::string folder = path.substr(0, path.find('/', prefix));
      entries.push_back({protocol::EntryKind::kFolder, folder.substr(prefix)});
      // Past everything below the folder: '/' has rank 0, so rank 1 follows it.
      at = secrets_.lower_bound(folder + '\x01');
    }
  }
  if (entries.empty() && !directory.empty()) {
    return Error(ErrorKind::kNotFound, StrCat("nothing at ", Printable(directory)));
  }
  return entries;
}

std::vector<std::string> StoreIndex::AtOrBelow(std::string_view prefix) const {
  std::vector<std::string> paths;
  for (auto at = secrets_.lower_bound(prefix); at != secrets_.end() && IsAtOrBelow(at->first, prefix); ++at) {
    if (at->second.head.live()) paths.push_back(at->first);
  }
  return paths;
}

std::vector<std::string> StoreIndex::ChangedAfter(uint64_t generation) const {
  std::vector<std::pair<uint64_t, const std::string*>> found;
  for (const auto& [path, secret] : secrets_) {
    if (secret.head.generation > generation) found.emplace_back(secret.head.generation, &path);
  }
  std::sort(found.begin(), found.end());
  std::vector<std::string> paths;
  paths.reserve(found.size());
  for (const auto& one : found) paths.push_back(*one.second);
  return paths;
}

}  // namespace leasefs::store
