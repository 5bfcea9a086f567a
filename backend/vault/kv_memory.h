// KvMemory: what a lookup has told of KV already, so that the open that follows it asks the server once and not three
// times.
//
// * A value that had to be read for the names of its keys is kept for kKept, in which mostly the open that the lookup
// was
//   for comes: it takes the value away. A change on the server is seen so much later at most.
// * Names that the listing of a folder gave as secrets and not as folders need no listing of their own while that
// listing
//   is fresh.
//
// A place is named by its tree and its path: a tree has one login, and what one login may read is no other's business.
// On the loop's thread only.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "backend/lease/source.h"
#include "fs/base/loop.h"

namespace leasefs::vault {

class KvMemory {
 public:
  static constexpr Duration kKept = std::chrono::milliseconds(250);
  static constexpr size_t kMaxKept = 64;      // values; the oldest goes first
  static constexpr size_t kMaxNames = 20000;  // of all folders together

  explicit KvMemory(Loop& loop) : loop_(loop) {}
  ~KvMemory();
  KvMemory(const KvMemory&) = delete;
  KvMemory& operator=(const KvMemory&) = delete;

  void Keep(const std::string& place, lease::Grant grant);
  std::optional<lease::Grant> Take(const std::string& place);

  // `secrets`: what is in `folder` and is no folder.
  void Listed(const std::string& folder, std::vector<std::string> secrets, Duration ttl);
  bool IsNoFolder(const std::string& folder, const std::string& name) const;

 private:
  struct Value {
    std::string place;
    lease::Grant grant;
    BootTime until;
  };
  struct Folder {
    std::vector<std::string> secrets;  // sorted
    BootTime until;
  };

  void DropOld();

  Loop& loop_;
  std::vector<Value> values_;  // the oldest first
  Loop::TimerId drop_timer_ = Loop::kNoTimer;
  std::map<std::string, Folder> folders_;
  size_t names_ = 0;  // in folders_
};

}  // namespace leasefs::vault
