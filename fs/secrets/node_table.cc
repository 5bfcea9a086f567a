#include "fs/secrets/node_table.h"

#include <algorithm>
#include <cstring>

namespace leasefs {

NodeTable::NodeTable(const StateMemory& state) : state_(state) {
  StateHeader& header = state_.header();
  if (header.node_count == 0) {
    NodeRecord& root = state_.nodes()[kRootNode];
    root.kind = NodeKind::kStaticDirectory;
    root.present = 1;
    header.node_count.store(1, std::memory_order_release);
  }
  uint32_t count = header.node_count;
  size_t buckets = 1024;
  while (buckets < size_t{count} * 2) buckets *= 2;
  buckets_.assign(buckets, 0);
  for (uint32_t node = 0; node < count; ++node) Link(node);
}

std::string_view NodeTable::Name(uint32_t node) const {
  const NodeRecord& record = (*this)[node];
  return {state_.names().data() + record.name_offset, record.name_length};
}

size_t NodeTable::Hash(uint32_t parent, std::string_view name, bool directory) const {
  size_t hash = std::hash<std::string_view>()(name);
  return (hash ^ (size_t{parent} * 2 + (directory ? 1 : 0)) * 0x9e3779b97f4a7c15u) * 0xff51afd7ed558ccdu >> 16;
}

void NodeTable::Link(uint32_t node) {
  first_child_.push_back(kNoNode);
  last_child_.push_back(kNoNode);
  next_sibling_.push_back(kNoNode);
  if (node == kRootNode) return;
  uint32_t parent = (*this)[node].parent;
  if (last_child_[parent] == kNoNode) {
    first_child_[parent] = node;
  } else {
    next_sibling_[last_child_[parent]] = node;
  }
  last_child_[parent] = node;
  if (count() * size_t{2} > buckets_.size()) Rehash(buckets_.size() * 2);
  size_t mask = buckets_.size() - 1;
  size_t bucket = Hash(parent, Name(node), IsDirectory(node)) & mask;
  while (buckets_[bucket] != 0) bucket = (bucket + 1) & mask;
  buckets_[bucket] = node + 1;
}

void NodeTable::Rehash(size_t buckets) {
  std::vector<uint32_t> old = std::exchange(buckets_, std::vector<uint32_t>(buckets, 0));
  size_t mask = buckets - 1;
  for (uint32_t entry : old) {
    if (entry == 0) continue;
    size_t bucket = Hash((*this)[entry - 1].parent, Name(entry - 1), IsDirectory(entry - 1)) & mask;
    while (buckets_[bucket] != 0) bucket = (bucket + 1) & mask;
    buckets_[bucket] = entry;
  }
}

uint32_t NodeTable::Find(uint32_t parent, std::string_view name, bool directory) const {
  size_t mask = buckets_.size() - 1;
  for (size_t bucket = Hash(parent, name, directory) & mask; buckets_[bucket] != 0; bucket = (bucket + 1) & mask) {
    uint32_t node = buckets_[bucket] - 1;
    if ((*this)[node].parent == parent && IsDirectory(node) == directory && Name(node) == name) return node;
  }
  return kNoNode;
}

uint32_t NodeTable::FindPresent(uint32_t parent, std::string_view name) const {
  for (bool directory : {false, true}) {
    uint32_t node = Find(parent, name, directory);
    if (node != kNoNode && (*this)[node].present != 0) return node;
  }
  return kNoNode;
}

Result<uint32_t> NodeTable::Add(uint32_t parent, std::string_view name, NodeKind kind) {
  uint32_t found = Find(parent, name, kind != NodeKind::kFile);
  if (found != kNoNode) return found;
  StateHeader& header = state_.header();
  uint32_t node = header.node_count;
  uint64_t offset = header.names_used;
  if (node >= state_.nodes().size() || offset + name.size() > state_.names().size()) {
    return Error(ErrorKind::kNoMemory, "limits.names is reached: raise it and restart");
  }
  std::memcpy(state_.names().data() + offset, name.data(), name.size());
  NodeRecord& record = state_.nodes()[node];
  record.parent = parent;
  record.name_offset = static_cast<uint32_t>(offset);
  record.name_length = static_cast<uint16_t>(name.size());
  record.kind = kind;
  header.names_used.store(offset + name.size(), std::memory_order_release);
  header.node_count.store(node + 1, std::memory_order_release);
  Link(node);
  return node;
}

std::string NodeTable::Path(uint32_t node) const {
  std::vector<uint32_t> chain;
  for (; node != kRootNode; node = (*this)[node].parent) chain.push_back(node);
  std::reverse(chain.begin(), chain.end());
  std::string path;
  for (uint32_t component : chain) {
    if (!path.empty()) path += '/';
    path += Name(component);
  }
  return path;
}

uint32_t NodeTable::Walk(uint32_t from, std::string_view path) const {
  while (!path.empty() && from != kNoNode) {
    size_t slash = std::min(path.find('/'), path.size());
    if (slash != 0) from = FindPresent(from, path.substr(0, slash));
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return from;
}

}  // namespace leasefs
