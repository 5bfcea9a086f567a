// ControlView: what the control socket sees of the fs process. Owns nothing; used on the loop's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "fs/audit/audit_ring.h"
#include "fs/base/loop.h"
#include "fs/config/options.h"
#include "fs/control/control_target.h"
#include "fs/fuse/session.h"
#include "fs/main/audit_feed.h"
#include "fs/secrets/secret_gate.h"

namespace leasefs {

class ControlView : public control::ControlTarget {
 public:
  struct Parts {
    const Loop& loop;
    const Config& config;  // the one in force
    SecretGate& gate;
    const AuditRing& ring;
    const AuditFeed& audit;
    const FuseSession& session;
    std::function<void(uint64_t number)> request_reload;  // of the keeper, who answers by OnReloadResult
    std::function<void(bool revoke)> request_stop;        // of the keeper
  };
  explicit ControlView(Parts parts);

  void OnReloadResult(uint64_t number, const std::string& error, uint64_t generation);

  const std::string& Mount() const override { return parts_.config.mount; }
  control::StatusReport Status() const override;
  std::vector<TreeReport> Trees() const override;
  Result<PathReport> Stat(const std::string& path) const override { return parts_.gate.Stat(path); }
  ExplainReport Explain(const control::ExplainQuestion& question) const override;
  void Refresh(const std::string& path, control::Answer<control::RefreshReport> done) override;
  void Reload(control::Answer<control::ReloadReport> done) override;
  void Stop(bool revoke) override { parts_.request_stop(revoke); }

 private:
  control::AuditReport Audit() const;
  control::MemoryReport Memory() const;

  const Parts parts_;
  const BootTime started_;
  uint64_t last_reload_ = 0;
  std::map<uint64_t, control::Answer<control::ReloadReport>> reloads_;  // not answered yet
};

}  // namespace leasefs
