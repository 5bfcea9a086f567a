// NodeTable: the names of the mount. Records lie in surviving memory, append-only; the index is rebuilt from them.
//
// A node is a (parent, name, file or directory) and keeps its number for the life of the mount, also while it is gone:
// a nodeid that the kernel or a bind mount still holds must mean the same for ever. Not thread-safe: guarded by the
// gate's lock.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fs/base/result.h"
#include "fs/secrets/state_memory.h"

namespace leasefs {

inline constexpr uint32_t kRootNode = 0;
inline constexpr uint32_t kNoNode = ~0u;

class NodeTable {
 public:
  // Makes the root if the memory is new; otherwise rebuilds the index. O(nodes).
  explicit NodeTable(const StateMemory& state);

  uint32_t count() const { return static_cast<uint32_t>(next_sibling_.size()); }
  bool Exists(uint32_t node) const { return node < count(); }
  NodeRecord& operator[](uint32_t node) const { return state_.nodes()[node]; }
  std::string_view Name(uint32_t node) const;
  bool IsDirectory(uint32_t node) const { return (*this)[node].kind != NodeKind::kFile; }

  // kNoNode when there is none. Present or not.
  uint32_t Find(uint32_t parent, std::string_view name, bool directory) const;
  uint32_t FindPresent(uint32_t parent, std::string_view name) const;
  // Finds or appends; a new one is not present yet. kNoMemory: limits.names is reached. The name has 1..255 bytes.
  Result<uint32_t> Add(uint32_t parent, std::string_view name, NodeKind kind);

  // Children in the order of their appearance, present or not: for (n = FirstChild(d); n != kNoNode; n =
  // NextSibling(n)).
  uint32_t FirstChild(uint32_t directory) const { return first_child_[directory]; }
  uint32_t NextSibling(uint32_t node) const { return next_sibling_[node]; }

  // Components from the root, joined by '/'; "" for the root.
  std::string Path(uint32_t node) const;
  // The present node at a path below `from`, or kNoNode.
  uint32_t Walk(uint32_t from, std::string_view path) const;

 private:
  size_t Hash(uint32_t parent, std::string_view name, bool directory) const;
  void Link(uint32_t node);  // into the lists and the index
  void Rehash(size_t buckets);

  StateMemory state_;
  std::vector<uint32_t> first_child_, last_child_, next_sibling_;  // by node
  std::vector<uint32_t> buckets_;                                  // node + 1; open addressing
};

}  // namespace leasefs
