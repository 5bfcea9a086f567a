// The JSON of the control socket, schema 1. Within a schema fields are added, never renamed or removed. Times are RFC
// 3339 in UTC, or null where there is none; sizes are bytes; modes are octal text. Text that is not UTF-8 has U+FFFD
// for the bad bytes.
//
// status   {schema, state: "ok"|"degraded", problems: [text], version, pid, mount, started, uptime_s,
//           rules: {generation, count},
//           backends: [{name, kind, state, message, since, connections, generation, held,
//                       report: {identities: [{name, logged_in, token_ends, renewable, logins, problem}],
//                                leases: [LEASE], more_leases, mints, renewals, revocations, orphans,
//                                problems: [text]} | null}],
//           trees: [{path, backend, source, directories, files, held, stale, failed, leases, next_lease_end,
//                    last_change}],
//           audit: {required, recorded, refused, dropped, voids, oldest_wait_ms,
//                   sinks: [{name, target, up, since, accepted, failed, lost, behind, last_error}]},
//           memory: {arena_reserved, arena_used, arena_overflow, locked, state_bytes, sealed_bytes, values_limit},
//           counters: {requests, opens, denied, failed, fetches, publications, reopened, waiting, handles, names,
//                      names_not_shown},
//           warnings: [text]}
//           A backend's state: "up"|"degraded"|"locked"|"down"|"disconnected".
// stat     {schema, path, kind: "file"|"directory", backend, source, minted, known, too_large, secret_version, version,
//           size, owner: {uid, gid, mode} | null, fetched, fresh_until, stale_until, lease_end,
//           freshness: "fresh"|"stale"|"expired"|"unknown", status, leases: [LEASE], open_handles}
//           LEASE, as the backend tells of it: {path, minted, ends, renewable, current, problem}
// explain  {schema, path, exists, caller: {uid, gid, groups}, allowed, words, rule: index | null, generation,
//           owner: {uid, gid, mode}, rules: [{index, text, location, covers, covers_directory, matches,
//           decides, why}]}
// trees    {schema, trees: [{path, backend, source}]}
// refresh  {schema, path, asked, minted}
// reload   {schema, generation, warnings: [text]}
// stop     {schema, revoke}
// version  {schema, version}
#pragma once

#include <string>

#include "fs/control/reports.h"

namespace leasefs::control {

inline constexpr int kReportSchema = 1;

struct Moment {
  BootTime boot{};
  WallTime wall{};
};

std::string StatusJson(const StatusReport& report, const Moment& now);
std::string StatJson(const PathReport& report, const Moment& now);
std::string ExplainJson(const ExplainReport& report, const ExplainQuestion& question);
std::string TreesJson(const std::vector<TreeReport>& trees);
std::string RefreshJson(const RefreshReport& report);
std::string ReloadJson(const ReloadReport& report);
std::string StopJson(bool revoke);
std::string VersionJson(const std::string& version);

}  // namespace leasefs::control
