// What fs tells an operator: plain values, no secrets. report_json.h turns them into JSON; what the gate tells of
// itself is fs/secrets/gate_report.h.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "fs/base/time.h"
#include "fs/secrets/gate_report.h"

namespace leasefs::control {

struct AuditSinkReport {
  std::string name;  // "file", "syslog"
  std::string target;
  bool up = true;
  BootTime since{};       // of `up`
  uint64_t accepted = 0;  // records
  uint64_t failed = 0;    // attempts
  uint64_t lost = 0;      // records that it will never have
  uint64_t behind = 0;    // records that it does not have yet
  std::string last_error;
};

struct AuditReport {
  bool required = true;
  uint64_t recorded = 0;
  uint64_t refused = 0;      // opens that failed since they could not be recorded
  uint64_t dropped = 0;      // records left out, since audit.required = false
  uint64_t voids = 0;        // records that a kill left unfinished
  BootTime oldest = kNever;  // arrival of the oldest record that no sink has
  std::vector<AuditSinkReport> sinks;
};

struct MemoryReport {  // bytes
  uint64_t arena_reserved = 0, arena_used = 0, arena_overflow = 0;
  bool arena_locked = false;
  uint64_t state_bytes = 0;   // of the surviving memory that is in use
  uint64_t values_limit = 0;  // limits.memory
};

struct StatusReport {
  std::string version;
  pid_t pid = 0;
  std::string mount;
  BootTime started{};                                // this process
  uint64_t requests = 0;                             // of the kernel, answered
  std::map<std::string, std::string> backend_kinds;  // name -> "store", "vault"
  GateReport gate;
  AuditReport audit;
  MemoryReport memory;
  std::vector<std::string> warnings;  // of the configuration
};

// Who would open what.
struct ExplainQuestion {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
  std::string path;  // below the mount
};

struct RefreshReport {
  std::string path;
  uint64_t asked = 0;   // secrets that their sources were asked for
  uint64_t minted = 0;  // left alone: to ask would make something new
};

struct ReloadReport {
  uint64_t generation = 0;  // of the rules, now
  std::vector<std::string> warnings;
};

}  // namespace leasefs::control
