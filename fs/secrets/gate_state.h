// What the gate is made of, and what it keeps on the heap about an operation on its way, an answer that failed and a
// backend. Guarded by the gate's lock.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fs/audit/audit_ring.h"
#include "fs/base/loop.h"
#include "fs/base/result.h"
#include "fs/base/secret_buffer.h"
#include "fs/base/time.h"
#include "fs/caller/caller.h"
#include "fs/config/options.h"
#include "fs/policy/policy.h"
#include "fs/secrets/backend_link.h"
#include "fs/secrets/gate.h"
#include "fs/secrets/node_table.h"
#include "fs/secrets/state_layout.h"
#include "fs/secrets/state_memory.h"

namespace leasefs {

// What a gate is made of. All of it outlives the gate.
struct GateParts {
  Loop& loop;
  StateMemory state;              // new, or what a predecessor left
  const SecretBuffer& state_key;  // kKeyBytes; the same as the predecessor's
  AuditRing& audit;
  const GroupReader& groups;
  Notifier& notifier;
};

// What one run of an operation under the lock came to.
enum class GateStep : uint8_t { kFinished, kNeedGroups, kNeedProcess, kWaiting };
enum class GateReadiness : uint8_t { kFresh, kStale, kMissing, kFailed };

// A value that is superseded faster than it arrives is served in the end.
inline constexpr int kMaxWaits = 8;
// For a sink to take what the audit has, before opens and acts fail (S23).
inline constexpr Duration kAuditMaxWait = std::chrono::milliseconds(250);

// What the source fails with is either an answer about the secret, after which nothing of it is held any more, or an
// outage, which takes nothing away (S17).
inline bool IsOutage(ErrorKind kind) {
  return kind == ErrorKind::kUnreachable || kind == ErrorKind::kRemote || kind == ErrorKind::kLocked ||
         kind == ErrorKind::kLoginRefused;
}

// One operation on its way: it may be run several times, before and after it waited.
struct GateAttempt {
  explicit GateAttempt(const Request& the_request) : request(the_request) {}
  Request request;
  std::optional<std::vector<gid_t>> groups;  // once read, for the life of the request
  std::optional<ProcessId> process;          // the same; {} when it is not known
  uint32_t file = kNoNode;                   // whose version an open is served: that of an instance, with a lease_scope
  bool parked = false;
  int waits = 0;
  std::optional<Error> failure;  // the answer that it waited for
  // Of a derived file: whose answer that was, and of which secrets a stale copy must do.
  uint32_t waited_for = 0;
  std::vector<uint32_t> settled;
};

struct GateFailure {
  Error error;
  BootTime retry_at;  // not asked again before
};

// After a reload: through the names, to find those of which the kernel keeps something that is not so any more.
struct GateOwnershipWalk {
  std::shared_ptr<const Policy> before, after;
  std::vector<TreeOptions> trees_before, trees_after;
  uint32_t next = 0;
};

struct GateLink {
  GateLink(std::string name, BackendSink& sink, BackendRecord& backend_record)
      : link(std::move(name), sink), record(backend_record) {}
  BackendLink link;
  BackendRecord& record;  // in surviving memory
  bool connected = false;
  protocol::HealthState health = protocol::HealthState::kDown;
  std::string message = "not connected yet";
  BootTime since{};
  uint64_t connections = 0;
  std::optional<protocol::Report> report;  // the last one of this backend
  std::map<std::string, std::vector<protocol::Entry>> partial_listings;
  std::map<std::string, BootTime> said;  // failures in the log, and when
};

}  // namespace leasefs
