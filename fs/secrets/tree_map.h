// TreeMap: which configured tree a node belongs to, and how places on the mount and places in a backend correspond.
//
// Not thread-safe: guarded by the gate's lock.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fs/config/options.h"
#include "fs/secrets/node_table.h"

namespace leasefs {

struct Tree {
  TreeOptions options;
  uint32_t root = kNoNode;
};

class TreeMap {
 public:
  explicit TreeMap(NodeTable& nodes) : nodes_(nodes) {}

  // Makes the directories that lead to the trees and their roots; they are present, and those that only an earlier
  // configuration had are returned, as roots of what is gone now. `changed`: roots that show another source than
  // before.
  struct Change {
    std::vector<uint32_t> gone;
    std::vector<uint32_t> changed;
  };
  Result<Change> Configure(const std::vector<TreeOptions>& trees);

  const std::vector<Tree>& trees() const { return trees_; }
  // The tree that a node lies in, its root included; null for the directories above the trees.
  const Tree* Of(uint32_t node) const;
  // Call for every node that was added to the table.
  void NodeAdded(uint32_t node);

  // The backend path that a directory of a tree shows.
  std::string BackendPath(uint32_t directory) const;
  // The directories that show a backend path: at most one per tree. Only those whose nodes exist.
  std::vector<uint32_t> DirectoriesFor(std::string_view backend, std::string_view path) const;
  // The nearest existing directories at or above it, within their trees.
  std::vector<uint32_t> NearestFor(std::string_view backend, std::string_view path) const;

 private:
  uint32_t WalkBackendPath(const Tree& tree, std::string_view path, bool nearest) const;

  NodeTable& nodes_;
  std::vector<Tree> trees_;
  std::vector<uint16_t> tree_of_;  // by node: index + 1, 0 none
};

}  // namespace leasefs
