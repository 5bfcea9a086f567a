// /proc/self/mountinfo: what is mounted where, learned without touching a mount.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fs/base/result.h"

namespace leasefs {

struct MountEntry {
  uint64_t id = 0;
  std::string device;   // "major:minor" of the superblock
  std::string path;     // where it is mounted, with escapes undone
  std::string options;  // of the mount: "ro,nosuid,nodev,noexec"
  std::string type;     // "fuse.leasefs"
};

// Lines that are not of the form that proc(5) gives are left out.
std::vector<MountEntry> ParseMountTable(std::string_view text);
Result<std::vector<MountEntry>> ReadMountTable();
// The uppermost mount at exactly `path`.
std::optional<MountEntry> TopMountAt(const std::vector<MountEntry>& table, std::string_view path);

}  // namespace leasefs
