#include "backend/vault/kv_memory.h"

#include <algorithm>
#include <utility>

namespace leasefs::vault {

KvMemory::~KvMemory() {
  loop_.Cancel(drop_timer_);
}

void KvMemory::Keep(const std::string& place, lease::Grant grant) {
  std::erase_if(values_, [&](const Value& value) { return value.place == place; });
  if (values_.size() == kMaxKept) values_.erase(values_.begin());
  values_.push_back({.place = place, .grant = std::move(grant), .until = loop_.Now() + kKept});
  if (drop_timer_ == Loop::kNoTimer) drop_timer_ = loop_.At(values_.front().until, [this] { DropOld(); });
}

// Nobody came for them: they are wiped.
void KvMemory::DropOld() {
  drop_timer_ = Loop::kNoTimer;
  std::erase_if(values_, [now = loop_.Now()](const Value& value) { return value.until <= now; });
  if (!values_.empty()) drop_timer_ = loop_.At(values_.front().until, [this] { DropOld(); });
}

std::optional<lease::Grant> KvMemory::Take(const std::string& place) {
  const auto found = std::ranges::find(values_, place, &Value::place);
  if (found == values_.end()) return std::nullopt;
  const bool fresh = loop_.Now() < found->until;  // a timer may be late
  std::optional<lease::Grant> grant;
  if (fresh) grant = std::move(found->grant);
  values_.erase(found);
  return grant;
}

void KvMemory::Listed(const std::string& folder, std::vector<std::string> secrets, Duration ttl) {
  if (const auto known = folders_.find(folder); known != folders_.end()) {
    names_ -= known->second.secrets.size();
    folders_.erase(known);
  }
  if (secrets.empty() || secrets.size() > kMaxNames) return;
  if (names_ + secrets.size() > kMaxNames) {
    folders_.clear();
    names_ = 0;
  }
  names_ += secrets.size();
  std::ranges::sort(secrets);
  folders_[folder] = {.secrets = std::move(secrets), .until = loop_.Now() + ttl};
}

bool KvMemory::IsNoFolder(const std::string& folder, const std::string& name) const {
  const auto found = folders_.find(folder);
  return found != folders_.end() && loop_.Now() < found->second.until &&
         std::ranges::binary_search(found->second.secrets, name);
}

}  // namespace leasefs::vault
