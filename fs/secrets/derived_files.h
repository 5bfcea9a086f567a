// DerivedFiles: files whose bytes are made here, of what secrets hold (S7): a secret's forms, which lie beside its
// keys, and each [[file]], which lies where the configuration says.
//
// That a node is such a file is written in its record, which survives (NodeRecord::derived), and its bytes are a
// version like any other. What they were made of is on the heap: a successor makes them again, finds them equal and
// keeps the version. Secrets are named by their directories. Not thread-safe: guarded by the gate's lock.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "fs/base/result.h"
#include "fs/config/options.h"
#include "fs/secrets/node_table.h"
#include "fs/secrets/tree_map.h"
#include "fs/secrets/version_table.h"
#include "fs/template/forms.h"
#include "fs/template/template.h"

namespace leasefs {

class DerivedFiles {
 public:
  DerivedFiles(NodeTable& nodes, VersionTable& versions) : nodes_(nodes), versions_(versions) {}

  // The files of a configuration, with the places that TreeMap made for them. Forgets what was made of what.
  void Configure(const std::vector<FileOptions>& files, const TreeMap::Change& places);

  bool Is(uint32_t node) const { return nodes_[node].derived != 0; }
  bool IsForm(uint32_t node) const { return nodes_[node].derived == kDerivedForm; }
  bool IsFile(uint32_t node) const { return nodes_[node].derived == kDerivedFile; }
  bool IsConfigured(uint32_t node) const { return files_.contains(node); }
  const FileOptions* OptionsOf(uint32_t node) const;  // null: no [[file]] of the configuration
  const std::map<uint32_t, FileOptions>& files() const { return options_; }
  // A directory inside a tree that leads to a [[file]]: it is there, whatever its backend lists.
  bool IsPinned(uint32_t directory) const { return pinned_.contains(directory); }
  const std::set<uint32_t>& pinned() const { return pinned_; }

  // What a derived file is made of.
  std::vector<uint32_t> SecretsOf(uint32_t node) const;
  // Every [[file]] that is made of a secret, among others. Its forms are its directory's children.
  std::vector<uint32_t> FilesMadeOf(uint32_t directory) const;

  // All secrets must be held. kRemote: a value does not fit. kNotFound: a secret has no such key. kTooLarge. Messages
  // name key and place.
  Result<SecretBuffer> Make(uint32_t node, uint64_t max_bytes) const;

  // How the last making ended, if it was of what its secrets hold now.
  const Status* Made(uint32_t node) const;
  void NoteMade(uint32_t node, Status outcome);

 private:
  struct File {
    Template text;
    std::vector<uint32_t> secrets;  // in the order of `aliases`
    std::vector<std::string> aliases;
  };
  struct Outcome {
    std::vector<uint64_t> publications;  // of its secrets
    Status status;
  };
  Result<SecretBuffer> MakeForm(uint32_t node, uint64_t max_bytes) const;
  std::vector<uint64_t> PublicationsOf(uint32_t node) const;
  uint32_t KeyNode(uint32_t directory, const std::string& key) const;  // kNoNode: there is none

  NodeTable& nodes_;
  VersionTable& versions_;
  std::map<uint32_t, FileOptions> options_;
  std::map<uint32_t, File> files_;
  std::unordered_map<uint32_t, std::vector<uint32_t>> made_of_;  // directory -> files
  std::set<uint32_t> pinned_;
  std::unordered_map<uint32_t, Outcome> outcomes_;
};

}  // namespace leasefs
