// What the gate tells of itself: plain values, no secrets. Shown by `leasefs status`, `stat` and `explain`.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "backend/protocol.h"
#include "backend/protocol_report.h"
#include "fs/base/time.h"
#include "fs/policy/policy.h"

namespace leasefs {

struct LinkReport {
  std::string name;
  bool connected = false;
  protocol::HealthState health = protocol::HealthState::kDown;
  std::string message;
  BootTime since{};
  uint64_t generation = 0;
  uint64_t connections = 0;                // how often it was connected: restarts
  std::optional<protocol::Report> report;  // what it told of itself last
};

struct TreeReport {
  std::string path;
  std::string backend;
  std::string source;
  uint64_t directories = 0;
  uint64_t files = 0;
  uint64_t held = 0;                 // files whose bytes are held
  uint64_t stale = 0;                // secrets that are held and not fresh
  uint64_t failed = 0;               // secrets whose last answer was an error
  uint64_t leases = 0;               // secrets that are held for as long as their leases last
  BootTime next_lease_end = kNever;  // of these
  WallTime last_change{};            // of a file; 0: none is known
  std::string problem{};             // why something of it cannot be had; "": nothing that is known
};

struct GateReport {
  std::vector<LinkReport> links;
  std::vector<TreeReport> trees;
  uint64_t rules_generation = 0;
  uint64_t rules = 0;
  uint64_t opens = 0, denied = 0, failed = 0, fetches = 0, publications = 0, reopened = 0;
  uint64_t waiting = 0, handles = 0, names = 0, names_not_shown = 0;
  uint64_t sealed_bytes = 0;
};

struct PathReport {
  std::string path;     // below the mount
  std::string kind;     // "directory", "file"
  std::string backend;  // "" above the trees
  std::string source;   // of the secret, as the configuration names it; of a form or file: the secrets on the mount
  bool minted = false;  // to read it makes something new; only an open does
  bool known = false;   // its bytes are held
  bool too_large = false;
  uint64_t secret_version = 0;
  uint32_t file_version = 0;
  uint64_t size = 0;
  Ownership ownership;
  BootTime fetched{};
  BootTime fresh_until{};
  BootTime stale_until{};
  BootTime lease_end{};
  std::string status;                         // the words of user.leasefs.status
  std::vector<protocol::ReportLease> leases;  // that the backend has told of: the current one, and superseded ones
  uint32_t handles = 0;
};

struct RefreshCounts {
  uint64_t asked = 0;   // secrets that their sources were asked for
  uint64_t minted = 0;  // left alone: to ask would make something new
};

struct ExplainReport {
  std::string path;
  bool exists = false;
  Decision decision;
  Ownership ownership;
  uint64_t generation = 0;
  std::vector<AllowRule> rules;        // all of them, in file order
  std::vector<bool> covers_path;       // per rule
  std::vector<bool> covers_directory;  // per rule: not the path, but the directory that it is in
};

}  // namespace leasefs
