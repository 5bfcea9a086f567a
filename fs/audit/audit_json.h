// One event as one line of JSON, written by hand: it costs every open. Not thread-safe; the writer's own.
//
// {"seq":7,"time":"2026-11-24T06:52:00.123456Z","boot_ns":42,"type":"open","outcome":"denied","error":"EACCES",
//  "path":"web/tls.key","version":3,"secret_version":12,"source":"cached","age_s":4,"rule":0,"rules":2,"uid":1000,
//  "gid":1000,"tid":4242,"latency_us":18}
//
// type: open | opendir | admin | void; outcome: allowed | denied | failed. Fields without a meaning for the type are
// left out, but rule and age_s of an open, which are null then. `path` is relative to the mount (admin: of the store);
// bytes that are not UTF-8 stand as %XX, which is unambiguous, since a name on the mount has no '%' of its own (S4).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "fs/audit/audit_event.h"

namespace leasefs {

class AuditFormatter {
 public:
  // Appends the path of a node, relative to the mount. Called on the writer's thread.
  using PathFunction = std::function<void(uint32_t node, std::string& out)>;
  static constexpr size_t kCachedBytes = size_t{1} << 20;

  explicit AuditFormatter(PathFunction paths) : paths_(std::move(paths)) {}

  // Appends the line with its '\n'. `admin_path`: of a kAdmin event.
  void AppendLine(uint64_t sequence, const AuditEvent& event, std::string_view admin_path, std::string& out);

 private:
  const std::string& EscapedPath(uint32_t node);
  char* PutTime(int64_t wall_ns, char* at);

  PathFunction paths_;
  std::unordered_map<uint32_t, std::string> cache_;  // escaped
  size_t cached_bytes_ = 0;
  std::string scratch_;
  int64_t second_ = INT64_MIN;  // the one that second_text_ tells
  char second_text_[20] = {};   // "2026-11-24T06:52:00."
};

// The inside of a JSON string.
void AppendJsonEscaped(std::string_view text, std::string& out);

}  // namespace leasefs
