// What the configuration file says, checked and with every name resolved to a number. Values only: no state, no
// statistics.
//
// LoadConfig (config_reader.h) makes one of these or an error that names file, line and column; nothing in between. The
// keeper hands each child only its part (config_codec.h).
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fs/base/limits.h"
#include "fs/config/vault_options.h"

namespace leasefs {

enum class ErrnoStyle : uint8_t { kPrecise, kPosix };  // errors = "precise" | "posix" (S25)
enum class LeaseScope : uint8_t { kShared, kUid, kProcess, kOpen };  // who shares one credential (S15)
inline constexpr std::string_view kLeaseScopeWords[] = {"shared", "uid", "process", "open"};

struct LimitOptions {                                   // [limits]
  std::chrono::milliseconds deadline{5000};             // of a request; 100 ms to 15 s (S25)
  uint32_t waiting_secrets_per_uid = 64;
  uint64_t value_bytes = kMaxValueBytes;                // "1MiB"
  uint64_t memory_bytes = uint64_t{64} << 20;           // of all values held; over it ENOMEM
  uint32_t names = 1u << 20;                            // files and directories that the mount can show
  uint32_t scoped_leases_per_uid = 16;                  // at once, in trees with a lease_scope (S15)
};

struct AuditOptions {                                   // [audit]
  bool required = true;                                 // S23
  std::string file = "/var/log/leasefs/audit.jsonl";    // "" = no file
  bool syslog = true;                                   // the journal where there is one, else /dev/log
  std::string syslog_socket;                            // "" = found by itself
};

struct MemoryOptions {                                  // [memory]
  bool require_lock = false;
};

struct StoreOptions {                                   // [backend.NAME] type = "store"
  std::string path;                                     // "/var/lib/leasefs/store.db"
  KeySource key;
  uint32_t keep_versions = 10;                          // 1..1000
};

enum class BackendType : uint8_t { kStore, kVault };
struct BackendOptions {
  std::string name;                                     // [a-z0-9_-]{1,32}
  StoreOptions store;                                   // of type kStore
  SourceLocation where;
  BackendType type = BackendType::kStore;
  VaultOptions vault{};                                 // of type kVault
};

struct ShownOptions {                                   // how files are shown, in [[tree]] and [[file]]
  bool hidden = false;                                  // S22
  bool page_cache = true;
  std::optional<uid_t> owner;                           // S5: given, or they follow from the rules
  std::optional<gid_t> group;
  std::optional<mode_t> mode;                           // permission bits, no write, no execute
  ErrnoStyle errors = ErrnoStyle::kPrecise;
};

struct FormOptions {                                    // forms = ["keys", "json", "env"] (S7)
  bool keys = true;
  bool json = false;
  bool env = false;
};

struct TreeOptions : ShownOptions {                     // [[tree]]
  std::string path;                                     // on the mount, "" is not allowed
  std::string backend;                                  // source = "backend:path"
  std::string source;                                   // backend path, may be ""
  std::chrono::milliseconds ttl{60'000};                // S17
  std::chrono::milliseconds max_stale{900'000};
  std::chrono::milliseconds keep{86'400'000};           // S15, S17
  std::chrono::milliseconds idle{0};                    // S15; 0: off
  LeaseScope lease_scope = LeaseScope::kShared;         // S15
  FormOptions forms;
  SourceLocation where;
  bool by_name = false;                                 // its backend knows the tree by `path`, and `source` is its own
  VaultTreeOptions vault{};                             // of a tree of such a backend

  // What the backend calls the tree's place in the protocol between it and fs.
  const std::string& BackendRoot() const { return by_name ? path : source; }
};

struct FileSecret {                                     // secrets = { db = "payments/db" }
  std::string alias;
  std::string path;                                     // of a secret's directory on the mount
};

struct FileOptions : ShownOptions {                     // [[file]] (S7)
  std::string path;                                     // on the mount
  std::string text;                                     // of the template, which parses (fs/template)
  std::string text_file;                                // where it was read from; "" if it stands in the configuration
  std::vector<FileSecret> secrets;                      // by alias, each path once
  SourceLocation where;
};

struct RuleUser {
  uid_t uid = 0;
  gid_t primary_group = 0;                              // for S5
  std::string name;                                     // as written
};
struct RuleGroup {
  gid_t gid = 0;
  std::string name;
};
struct AllowRule {                                      // [[allow]]: AND inside, OR across rules; at least one selector
  std::string path;                                     // pattern on the mount: "web/**"; see path_pattern.h
  std::vector<RuleUser> users;                          // any of
  std::vector<RuleGroup> groups;                        // any of, effective or supplementary
  SourceLocation where;
};

struct Config {
  std::string mount = "/run/leasefs";
  std::string run_directory = "/run/leasefsd";          // sockets
  std::string user = "leasefs";                         // of fs
  std::string backend_user = "leasefs-backend";
  std::string group = "leasefs";                        // may use the control socket
  LimitOptions limits;
  AuditOptions audit;
  MemoryOptions memory;
  std::vector<BackendOptions> backends;
  std::vector<TreeOptions> trees;
  std::vector<FileOptions> files;
  std::vector<AllowRule> rules;
  std::vector<std::string> warnings;                    // for check-config: rules that can never match, …
};

}  // namespace leasefs
