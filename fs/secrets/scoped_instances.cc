#include "fs/secrets/scoped_instances.h"

#include <algorithm>
#include <cstdio>

#include "fs/base/strings.h"

namespace leasefs {
namespace {

// No key or folder has such a name: '%' is always followed by hex digits (S4).
std::string HiddenName(size_t number) {
  return StrCat("%I", number);
}

std::string NameOf(uint64_t id) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(id));
  return text;
}

}  // namespace

ScopedInstances::ScopedInstances(const StateMemory& state, NodeTable& nodes, TreeMap& trees, Random& random)
    : state_(state), nodes_(nodes), trees_(trees), random_(random) {
  for (uint32_t place = 0; place < state_.instances().size(); ++place) {
    if (state_.instances()[place].directory != 0) Index(place);
  }
}

ScopedInstances::Key ScopedInstances::KeyOf(const InstanceRecord& record) const {
  return {nodes_[record.directory].parent, static_cast<LeaseScope>(record.scope), record.uid, record.first,
          record.second};
}

void ScopedInstances::Index(uint32_t place) {
  const InstanceRecord& record = state_.instances()[place];
  places_[record.directory] = place;
  owners_[KeyOf(record)] = record.directory;
  ++per_uid_[record.uid];
  trees_.SetAlias(record.directory, NameOf(record.id));
}

uint32_t ScopedInstances::Find(uint32_t root, const InstanceOwner& owner) const {
  auto found = owners_.find({root, owner.scope, owner.uid, owner.first, owner.second});
  return found == owners_.end() ? kNoNode : found->second;
}

Status ScopedInstances::Admit(uint32_t root, uint32_t uid, const Bounds& bounds, BootTime now) {
  for (auto& [of, list] : made_) std::erase_if(list, [&](const Made& one) { return now > one.kept_until; });
  std::erase_if(made_, [](const auto& item) { return item.second.empty(); });
  auto held = per_uid_.find(uid);
  if (held != per_uid_.end() && held->second >= bounds.max_per_uid) {
    return Error(ErrorKind::kBusy, "this user has too many leases of its own (limits.scoped_leases_per_uid)");
  }
  const std::vector<Made>& made = made_[uid];
  const auto in_all = std::ranges::count_if(made, [&](const Made& one) { return now - one.at <= kScopedMintWindow; });
  const auto in_tree = std::ranges::count_if(
      made, [&](const Made& one) { return one.root == root && now - one.at <= bounds.mint_interval; });
  if (static_cast<uint64_t>(std::max(in_all, in_tree)) >= bounds.max_per_uid) {
    return Error(ErrorKind::kBusy,
                 "this user asks for new leases too often (limits.scoped_leases_per_uid in 10 s, or in the tree's "
                 "mint_interval if that is longer)");
  }
  if (places_.size() >= state_.instances().size()) {
    return Error(ErrorKind::kBusy, "too many leases of single users, processes or opens are in use");
  }
  return Ok();
}

Result<uint32_t> ScopedInstances::UnusedDirectory(uint32_t root) {
  for (size_t number = 0;; ++number) {
    uint32_t before = nodes_.count();
    LEASEFS_ASSIGN_OR_RETURN(node, nodes_.Add(root, HiddenName(number), NodeKind::kDirectory));
    if (node >= before) trees_.NodeAdded(node);
    if (!places_.contains(node)) return node;
  }
}

Result<uint32_t> ScopedInstances::Make(uint32_t root, const InstanceOwner& owner, const Bounds& bounds, BootTime now) {
  LEASEFS_RETURN_IF_ERROR(Admit(root, owner.uid, bounds, now));
  LEASEFS_ASSIGN_OR_RETURN(directory, UnusedDirectory(root));
  made_[owner.uid].push_back({root, now, now + std::max(kScopedMintWindow, bounds.mint_interval)});
  NodeRecord& node = nodes_[directory];
  node.minted = 1;
  node.fresh_until_ns = 0;
  node.stale_until_ns = 0;
  node.lease_end_ns = 0;
  auto records = state_.instances();
  auto free = std::find_if(records.begin(), records.end(), [](const auto& record) { return record.directory == 0; });
  free->scope = static_cast<uint32_t>(owner.scope);
  free->uid = owner.uid;
  free->first = owner.first;
  free->second = owner.second;
  free->id = random_.Next();
  free->made_ns = ToNanoseconds(now);
  free->directory.store(directory, std::memory_order_release);
  Index(static_cast<uint32_t>(free - records.begin()));
  return directory;
}

void ScopedInstances::End(uint32_t directory) {
  auto place = places_.find(directory);
  if (place == places_.end()) return;
  InstanceRecord& record = state_.instances()[place->second];
  if (nodes_[directory].lease_end_ns == 0) NothingCameOf(record, nodes_[directory].parent);
  owners_.erase(KeyOf(record));
  if (auto held = per_uid_.find(record.uid); --held->second == 0) per_uid_.erase(held);
  record.directory.store(0, std::memory_order_release);
  places_.erase(place);
  trees_.SetAlias(directory, "");
}

// An outage ends for everybody at once (S18), also where mint_interval is long.
void ScopedInstances::NothingCameOf(const InstanceRecord& record, uint32_t root) {
  const auto made = made_.find(record.uid);
  if (made == made_.end()) return;
  const auto one = std::ranges::find_if(made->second, [&](const Made& each) {
    return each.root == root && ToNanoseconds(each.at) == record.made_ns;
  });
  if (one == made->second.end()) return;
  one->root = kNoNode;
  one->kept_until = one->at + kScopedMintWindow;
}

std::vector<uint32_t> ScopedInstances::All(LeaseScope scope) const {
  std::vector<uint32_t> directories;
  for (const auto& [directory, place] : places_) {
    if (state_.instances()[place].scope == static_cast<uint32_t>(scope)) directories.push_back(directory);
  }
  std::sort(directories.begin(), directories.end());
  return directories;
}

}  // namespace leasefs
