#include "fs/secrets/tree_map.h"

#include <algorithm>

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

Result<uint32_t> TreeMap::AddPath(const std::string& path) {
  uint32_t node = kRootNode;
  for (const std::string& component : Split(path, '/')) {
    LEASEFS_ASSIGN_OR_RETURN(child, nodes_.Add(node, component, NodeKind::kDirectory));
    NodeAdded(child);
    node = child;
  }
  return node;
}

Result<TreeMap::Change::File> TreeMap::AddFile(const FileOptions& file) {
  const size_t slash = file.path.rfind('/');
  uint32_t parent = kRootNode;
  if (slash != std::string::npos) {
    LEASEFS_ASSIGN_OR_RETURN(directory, AddPath(file.path.substr(0, slash)));
    parent = directory;
  }
  LEASEFS_ASSIGN_OR_RETURN(node, nodes_.Add(parent, file.path.substr(slash + 1), NodeKind::kFile));
  NodeAdded(node);
  Change::File placed{node, {}};
  for (const FileSecret& secret : file.secrets) {
    LEASEFS_ASSIGN_OR_RETURN(directory, AddPath(secret.path));
    placed.secrets.push_back(directory);
  }
  return placed;
}

TreeMap::Change TreeMap::PlaceStatic(const std::set<uint32_t>& leading, const std::set<uint32_t>& wanted) {
  Change change;
  for (uint32_t node : leading) {
    NodeRecord& record = nodes_[node];
    for (uint32_t child = nodes_.FirstChild(node); child != kNoNode; child = nodes_.NextSibling(child)) {
      if (nodes_[child].present != 0 && !wanted.contains(child)) change.gone.push_back(child);
    }
    if (record.secret_version[record.publication & 1] != 0) change.emptied.push_back(node);
    record.kind = NodeKind::kStaticDirectory;
    record.size = 0;
    record.listed = 0;
    record.not_shown = 0;
    record.present = 1;
  }
  return change;
}

Result<TreeMap::Change> TreeMap::Configure(const std::vector<TreeOptions>& trees,
                                           const std::vector<FileOptions>& files) {
  std::vector<Tree> loaded;
  for (const TreeOptions& options : trees) {  // first all that can fail (S24)
    LEASEFS_ASSIGN_OR_RETURN(root, AddPath(options.path));
    loaded.push_back({options, root});
  }
  std::vector<Change::File> placed;
  for (const FileOptions& options : files) {
    LEASEFS_ASSIGN_OR_RETURN(file, AddFile(options));
    placed.push_back(std::move(file));
  }
  std::set<uint32_t> leading{kRootNode}, wanted;
  for (const Tree& tree : loaded) {
    wanted.insert(tree.root);
    for (uint32_t node = tree.root; node != kRootNode; node = nodes_[node].parent) leading.insert(nodes_[node].parent);
  }
  std::set<uint32_t> pinned, outside;
  for (const Change::File& file : placed) {
    std::set<uint32_t> above;
    uint32_t node = nodes_[file.node].parent;
    for (; node != kRootNode && !wanted.contains(node); node = nodes_[node].parent) above.insert(node);
    const bool in_tree = node != kRootNode;
    (in_tree ? pinned : leading).merge(above);
    if (!in_tree) outside.insert(file.node);
  }
  wanted.insert(leading.begin(), leading.end());
  wanted.insert(outside.begin(), outside.end());
  Change change = PlaceStatic(leading, wanted);
  change.files = std::move(placed);
  change.pinned = std::move(pinned);
  for (const Tree& tree : loaded) {
    NodeRecord& root = nodes_[tree.root];
    root.kind = NodeKind::kDirectory;
    root.present = 1;
    uint64_t source = SourceHash(tree.options);
    if (root.size != source) change.changed.push_back({tree.root, source});
  }
  // What earlier configurations made goes with what it lies in. Its name may come back as a backend's.
  for (uint32_t node = 1; node < nodes_.count(); ++node) {
    if (!nodes_.IsDirectory(node) || wanted.contains(node)) continue;
    nodes_[node].kind = NodeKind::kDirectory;
    nodes_[node].size = 0;
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

bool TreeMap::IsRoot(uint32_t node) const {
  const Tree* tree = Of(node);
  return tree != nullptr && tree->root == node;
}

void TreeMap::NodeAdded(uint32_t node) {
  if (node < tree_of_.size()) return;
  tree_of_.push_back(tree_of_[nodes_[node].parent]);
}

void TreeMap::SetAlias(uint32_t directory, std::string name) {
  auto old = aliases_.find(directory);
  if (old != aliases_.end()) {
    by_alias_.erase(old->second);
    aliases_.erase(old);
  }
  if (name.empty()) return;
  by_alias_[name] = directory;
  aliases_[directory] = std::move(name);
}

const Tree* TreeMap::ScopedTreeAbove(std::string_view backend, std::string_view path) const {
  for (const Tree& tree : trees_) {
    std::string_view rest;
    if (tree.options.backend != backend || tree.options.lease_scope == LeaseScope::kShared) continue;
    if (Below(tree.options.source, path, &rest) && !rest.empty()) return &tree;
  }
  return nullptr;
}

std::string TreeMap::BackendPath(uint32_t directory) const {
  const Tree* tree = Of(directory);
  return tree == nullptr ? "" : PathFrom(tree->options.BackendRoot(), *tree, directory);
}

std::string TreeMap::SourcePath(uint32_t directory) const {
  const Tree* tree = Of(directory);
  return tree == nullptr ? "" : PathFrom(tree->options.source, *tree, directory);
}

std::string TreeMap::PathFrom(std::string path, const Tree& tree, uint32_t directory) const {
  std::vector<uint32_t> chain;
  for (uint32_t node = directory; node != tree.root; node = nodes_[node].parent) chain.push_back(node);
  std::reverse(chain.begin(), chain.end());
  for (uint32_t component : chain) {
    if (!path.empty()) path += '/';
    auto alias = aliases_.find(component);
    path += alias != aliases_.end() ? alias->second : UnescapeName(nodes_.Name(component)).value_or("");
  }
  return path;
}

uint32_t TreeMap::WalkBackendPath(const Tree& tree, std::string_view path, bool nearest) const {
  std::string_view rest;
  if (!Below(tree.options.BackendRoot(), path, &rest)) return kNoNode;
  uint32_t node = tree.root;
  if (rest.empty()) return node;
  for (const std::string& component : Split(rest, '/')) {
    uint32_t next = nodes_.Find(node, EscapeName(component), true);
    if (auto hidden = by_alias_.find(component); hidden != by_alias_.end() && nodes_[hidden->second].parent == node)
      next = hidden->second;
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
