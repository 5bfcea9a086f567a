// TreeMap: which configured tree a node belongs to, and how places on the mount and places in a backend correspond.
//
// Not thread-safe: guarded by the gate's lock.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
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
  explicit TreeMap(NodeTable& nodes) : nodes_(nodes), tree_of_(nodes.count(), 0) {}

  // Makes the directories that lead to the trees and their roots, which are present, and the nodes of files, which are
  // the caller's to make present. Changes nothing when it fails
  // (kNoMemory). What the caller has to do, so that a process killed within does it again:
  struct Change {
    std::vector<uint32_t> gone;     // only an earlier configuration had these: roots of what is to be removed
    std::vector<uint32_t> emptied;  // directories above trees: of these, values are to be withdrawn
    struct Root {
      uint32_t node;
      uint64_t source;  // that it shows, for NodeRecord::size: another one than before, so nothing known of it holds
    };
    std::vector<Root> changed;
    struct File {
      uint32_t node;
      std::vector<uint32_t> secrets;  // directories
    };
    std::vector<File> files;     // beside the configuration's
    std::set<uint32_t> pinned;   // directories inside of trees that lead to one of them
  };
  Result<Change> Configure(const std::vector<TreeOptions>& trees, const std::vector<FileOptions>& files = {});

  const std::vector<Tree>& trees() const { return trees_; }
  // The tree that a node lies in, its root included; null for the directories above the trees.
  const Tree* Of(uint32_t node) const;
  bool IsRoot(uint32_t node) const;  // of a tree
  // Call for every node that was added to the table.
  void NodeAdded(uint32_t node);

  // A hidden directory below a tree's root: the name by which its backend knows it; "": not any more.
  void SetAlias(uint32_t directory, std::string name);
  // The tree whose instances lie below its place, if the path can be that of one.
  const Tree* ScopedTreeAbove(std::string_view backend, std::string_view path) const;
  // The backend path that a directory of a tree shows.
  std::string BackendPath(uint32_t directory) const;
  // The same as a person knows it: below the tree's source, also where the backend knows the tree by its name.
  std::string SourcePath(uint32_t directory) const;
  // The directories that show a backend path: at most one per tree. Only those whose nodes exist.
  std::vector<uint32_t> DirectoriesFor(std::string_view backend, std::string_view path) const;
  // The nearest existing directories at or above it, within their trees.
  std::vector<uint32_t> NearestFor(std::string_view backend, std::string_view path) const;

 private:
  Result<uint32_t> AddPath(const std::string& path);
  Result<Change::File> AddFile(const FileOptions& file);
  // The directories above trees lead to these and hold nothing else.
  Change PlaceStatic(const std::set<uint32_t>& leading, const std::set<uint32_t>& wanted);
  std::string PathFrom(std::string path, const Tree& tree, uint32_t directory) const;
  uint32_t WalkBackendPath(const Tree& tree, std::string_view path, bool nearest) const;

  NodeTable& nodes_;
  std::vector<Tree> trees_;
  std::vector<uint16_t> tree_of_;  // by node: index + 1, 0 none
  std::unordered_map<uint32_t, std::string> aliases_;
  std::unordered_map<std::string, uint32_t> by_alias_;
};

}  // namespace leasefs
