// A nodeid encodes (node, version) and can be decoded without a table per inode, so that it means the same to a
// successor.
//
// A file's inode is one version of its bytes (S8): (node, 0) is the placeholder, (node, n) its n-th version. A
// directory is always (node, 1). The root is (0, 1), which is FUSE_ROOT_ID.
#pragma once

#include <compare>
#include <cstdint>

namespace leasefs {

struct NodeId {
  uint32_t node = 0;
  uint32_t version = 0;

  static NodeId FromInode(uint64_t inode) { return {static_cast<uint32_t>(inode >> 32), static_cast<uint32_t>(inode)}; }
  uint64_t inode() const { return uint64_t{node} << 32 | version; }
  friend auto operator<=>(const NodeId&, const NodeId&) = default;
};

inline constexpr NodeId kRootId{0, 1};
inline constexpr uint32_t kDirectoryVersion = 1;

}  // namespace leasefs
