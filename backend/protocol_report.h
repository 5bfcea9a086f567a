// Report: what a backend process tells of itself, for `leasefs status` and `stat`: logins, leases, troubles. No
// secrets: names, paths, times, counts, words. Comes when it has changed, at most once a second; fs keeps the last one.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "backend/protocol.h"

namespace leasefs::protocol {

inline constexpr size_t kMaxReportIdentities = 100;
inline constexpr size_t kMaxReportLeases = 1000;
inline constexpr size_t kMaxReportProblems = 100;

struct ReportIdentity {
  std::string name;  // "": the backend's own
  bool logged_in = false;
  BootTime token_ends = kNever;
  bool renewable = false;
  uint64_t logins = 0;
  std::string problem;  // the last failure, with what to do; "": it is well
  std::string Title() const { return name.empty() ? "its login" : "login " + name; }
  bool operator==(const ReportIdentity&) const = default;
};

struct ReportLease {
  std::string secret;  // backend path
  BootTime minted_at{};
  BootTime ends = kNever;
  bool renewable = false;
  bool current = true;  // else superseded, and left to those who hold it
  std::string problem;
  bool operator==(const ReportLease&) const = default;
};

// Encode cuts what is over the bounds above, and counts the leases that it leaves out.
struct Report {
  static constexpr FrameType kType = FrameType::kReport;
  std::vector<ReportIdentity> identities;
  std::vector<ReportLease> leases;
  uint64_t more_leases = 0;  // beside those
  uint64_t mints = 0, renewals = 0, revocations = 0;
  uint64_t orphans = 0;  // may have been minted, and nobody has the id
  std::vector<std::string> problems;
  std::string note;  // worth to know, and as it is configured; ""
  SecretBuffer Encode() const;
  static Result<Report> Decode(std::span<const std::byte> payload);
  bool operator==(const Report&) const = default;
};

}  // namespace leasefs::protocol
