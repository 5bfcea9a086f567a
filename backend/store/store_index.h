// The names of the store, in memory: which secrets there are, and in which rows they lie. No values, no sizes.
//
// Owned by the Store, changed only after the file has been. It decides what exists: a row that it knows and that is not
// found in the file is damage, never absence.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "backend/protocol.h"
#include "backend/store/store_rows.h"

namespace leasefs::store {

// '/' before every other byte: what is below a path follows it directly.
struct PathOrder {
  using is_transparent = void;  // NOLINT(readability-identifier-naming): std::map looks for it
  bool operator()(std::string_view a, std::string_view b) const;
};

class StoreIndex {
 public:
  struct Secret {
    int64_t row = 0;
    SecretHead head;
  };
  using Map = std::map<std::string, Secret, PathOrder>;

  // Null: not known. `Find` gives removed secrets too.
  const Secret* Find(std::string_view path) const;
  const Secret* FindLive(std::string_view path) const;
  void Set(const std::string& path, Secret secret);
  void Forget(const std::string& path);

  const Map& all() const { return secrets_; }
  uint64_t live() const { return secrets_.size() - removed_.size(); }
  uint64_t versions() const { return versions_; }
  // Paths of removed secrets by the generation of their removal.
  const std::map<uint64_t, std::string>& removed() const { return removed_; }

  // kNotFound: neither a secret nor anything below. The root is always there.
  Result<std::vector<protocol::Entry>> List(const std::string& directory) const;
  std::vector<std::string> AtOrBelow(std::string_view prefix) const;  // live ones
  std::vector<std::string> ChangedAfter(uint64_t generation) const;   // removed ones too, in the order of their changes

 private:
  Map secrets_;
  std::map<uint64_t, std::string> removed_;
  uint64_t versions_ = 0;
};

}  // namespace leasefs::store
