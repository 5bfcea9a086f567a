#include "fs/secrets/tree_map.h"

#include <algorithm>
#include <set>

#include "fs/base/strings.h"
#include "fs/secrets/name_escape.h"

namespace leasefs {
namespace {

// Never 0. Says whether a tree's root shows the same place as before, also to a successor.
uint64_t SourceHash(const TreeOptions& tree) {
  uint64_t hash = 0xcbf29ce484222325;
  for (char byte : StrCat(tree.backend, ":", tree.source))
    hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  return hash | 1;
}

// The part of `path` below `source`, or nothing when it is not at or below it.
bool Below(std::string_view source, std::string_view path, std::string_view* rest) {
  if (!path.starts_with(source)) return false;
  path.remove_prefix(source.size());
  if (!source.empty() && !path.empty()) {
    if (path.front() != '/') return false;
    path.remove_prefix(1);
  }
  *rest = path;
  return true;
}

}  // namespace

Result<TreeMap::Change> TreeMap::Configure(const std::vector<TreeOptions>& trees) {
  Change change;
  std::vector<Tree> loaded;
  std::set<uint32_t> wanted{kRootNode};
  for (const TreeOptions& options : trees) {
    uint32_t node = kRootNode;
    std::vector<std::string> components = Split(options.path, '/');
    for (size_t i = 0; i < components.size(); ++i) {
      bool is_root = i + 1 == components.size();
      LEASEFS_ASSIGN_OR_RETURN(child, nodes_.Add(node, components[i], NodeKind::kStaticDirectory));
      node = child;
      nodes_[node].kind = is_root ? NodeKind::kDirectory : NodeKind::kStaticDirectory;
      nodes_[node].present = 1;
      wanted.insert(node);
    }
    uint64_t source = SourceHash(options);
    if (nodes_[node].size.exchange(source) != source) change.changed.push_back(node);
    loaded.push_back({options, node});
  }
  for (uint32_t node = 1; node < nodes_.count(); ++node) {
    NodeRecord& record = nodes_[node];
    bool was_root = record.kind == NodeKind::kDirectory && record.size != 0;
    if (record.present == 0 || wanted.contains(node)) continue;
    if (record.kind == NodeKind::kStaticDirectory || was_root) {
      record.size = 0;
      change.gone.push_back(node);
    }
  }
  trees_ = std::move(loaded);
  tree_of_.assign(nodes_.count(), 0);
  for (size_t i = 0; i < trees_.size(); ++i) tree_of_[trees_[i].root] = static_cast<uint16_t>(i + 1);
  for (uint32_t node = 1; node < nodes_.count(); ++node) {
    if (tree_of_[node] == 0) tree_of_[node] = tree_of_[nodes_[node].parent];
  }
  return change;
}

const Tree* TreeMap::Of(uint32_t node) const {
  uint16_t index = tree_of_[node];
  return index == 0 ? nullptr : &trees_[index - 1u];
}

void TreeMap::NodeAdded(uint32_t node) {
  if (node < tree_of_.size()) return;
  tree_of_.push_back(tree_of_[nodes_[node].parent]);
}

std::string TreeMap::BackendPath(uint32_t directory) const {
  const Tree* tree = Of(directory);
  if (tree == nullptr) return {};
  std::vector<uint32_t> chain;
  for (uint32_t node = directory; node != tree->root; node = nodes_[node].parent) chain.push_back(node);
  std::reverse(chain.begin(), chain.end());
  std::string path = tree->options.source;
  for (uint32_t component : chain) {
    if (!path.empty()) path += '/';
    path += UnescapeName(nodes_.Name(component)).value_or("");
  }
  return path;
}

uint32_t TreeMap::WalkBackendPath(const Tree& tree, std::string_view path, bool nearest) const {
  std::string_view rest;
  if (!Below(tree.options.source, path, &rest)) return kNoNode;
  uint32_t node = tree.root;
  if (rest.empty()) return node;
  for (const std::string& component : Split(rest, '/')) {
    uint32_t next = nodes_.Find(node, EscapeName(component), true);
    if (next == kNoNode) return nearest ? node : kNoNode;
    node = next;
  }
  return node;
}

std::vector<uint32_t> TreeMap::DirectoriesFor(std::string_view backend, std::string_view path) const {
  std::vector<uint32_t> found;
  for (const Tree& tree : trees_) {
    if (tree.options.backend != backend) continue;
    uint32_t node = WalkBackendPath(tree, path, false);
    if (node != kNoNode) found.push_back(node);
  }
  return found;
}

std::vector<uint32_t> TreeMap::NearestFor(std::string_view backend, std::string_view path) const {
  std::vector<uint32_t> found;
  for (const Tree& tree : trees_) {
    if (tree.options.backend != backend) continue;
    uint32_t node = WalkBackendPath(tree, path, true);
    if (node != kNoNode) found.push_back(node);
  }
  return found;
}

}  // namespace leasefs
