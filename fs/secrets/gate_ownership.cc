// Attributes and names that the kernel keeps for an hour follow the configuration (S5, S22): after a reload it is told
// where they changed. Piece by piece, since that takes a look at every rule for every name, and nobody waits for a
// reload.
#include <algorithm>

#include "fs/secrets/secret_gate.h"

namespace leasefs {
namespace {

constexpr uint32_t kNamesAtOnce = 128;

const TreeOptions* FindTree(const std::vector<TreeOptions>& trees, const std::string& path) {
  auto at_path = [&](const TreeOptions& tree) { return tree.path == path; };
  auto tree = std::find_if(trees.begin(), trees.end(), at_path);
  return tree == trees.end() ? nullptr : &*tree;
}

Ownership OwnershipIn(const TreeOptions& tree, const Policy& policy, const std::string& path) {
  Ownership ownership = policy.OwnershipFor(policy.RulesFor(path));
  return {tree.owner.value_or(ownership.uid), tree.group.value_or(ownership.gid), tree.mode.value_or(ownership.mode)};
}

// Whether the kernel may keep something of a present node that is not so any more. Names that were made since then were
// never told otherwise, and of trees that came or went since then it was told.
bool MustForget(const GateOwnershipWalk& walk, const NodeTable& nodes, const Tree& tree, uint32_t node) {
  const TreeOptions* before = FindTree(walk.trees_before, tree.options.path);
  const TreeOptions* after = FindTree(walk.trees_after, tree.options.path);
  if (before == nullptr || after == nullptr) return false;
  bool placeholder = !nodes.IsDirectory(node) && nodes[node].version == 0;  // which the kernel does not keep
  if (before->hidden != after->hidden) return !placeholder;
  if (placeholder || nodes.IsDirectory(node)) return false;
  std::string path = nodes.Path(node);
  Ownership old = OwnershipIn(*before, *walk.before, path), now = OwnershipIn(*after, *walk.after, path);
  return old.uid != now.uid || old.gid != now.gid || old.mode != now.mode;
}

}  // namespace

void SecretGate::PostWalk() {
  loop_.Post([this, alive = std::weak_ptr<bool>(alive_)] {
    if (!alive.expired()) Walk();
  });
}

void SecretGate::Walk() {
  MutexLock lock(mutex_);
  GateOwnershipWalk& walk = walks_.front();
  uint32_t end = std::min(nodes_.count(), walk.next + kNamesAtOnce);
  for (; walk.next < end; ++walk.next) {
    const Tree* tree = trees_.Of(walk.next);
    if (tree == nullptr || nodes_[walk.next].present == 0 || !MustForget(walk, nodes_, *tree, walk.next)) continue;
    bool directory = nodes_.IsDirectory(walk.next);
    notifier_.InvalidateInode({walk.next, directory ? kDirectoryVersion : nodes_[walk.next].version.load()});
  }
  if (walk.next == nodes_.count()) walks_.pop_front();
  if (!walks_.empty()) PostWalk();
}

}  // namespace leasefs
