// ControlTarget: what the control socket shows and sets in motion. Implemented by main; called on the loop's thread.
#pragma once

#include <functional>
#include <string>

#include "fs/base/result.h"
#include "fs/control/reports.h"

namespace leasefs::control {

template <class T>
using Answer = std::function<void(Result<T>)>;  // called once, before the call returns or later on the loop's thread

class ControlTarget {
 public:
  virtual ~ControlTarget() = default;

  virtual const std::string& Mount() const = 0;  // "/run/leasefs"
  virtual StatusReport Status() const = 0;
  virtual std::vector<TreeReport> Trees() const = 0;  // without figures, so cheaper than Status
  // Paths are below the mount, without '/' at the ends; "" is the mount itself.
  virtual Result<PathReport> Stat(const std::string& path) const = 0;
  // SECURITY: decided by the code that enforces.
  virtual ExplainReport Explain(const ExplainQuestion& question) const = 0;
  virtual void Refresh(const std::string& path, Answer<RefreshReport> done) = 0;
  virtual void Reload(Answer<ReloadReport> done) = 0;
  // The daemon ends soon after, as on SIGTERM; with `revoke` its backends revoke all leases before.
  virtual void Stop(bool revoke) = 0;
};

}  // namespace leasefs::control
