// A ControlTarget of plain values.
#pragma once

#include <optional>
#include <string>

#include "fs/base/sim_loop.h"
#include "fs/control/control_target.h"

namespace leasefs::control {

class FakeTarget : public ControlTarget {
 public:
  const std::string& Mount() const override { return mount; }
  StatusReport Status() const override {
    ++calls;
    return status;
  }
  std::vector<TreeReport> Trees() const override {
    ++calls;
    return status.gate.trees;
  }
  Result<PathReport> Stat(const std::string& asked) const override {
    ++calls;
    path = asked;
    if (error) return *error;
    return stat;
  }
  ExplainReport Explain(const ExplainQuestion& asked) const override {
    ++calls;
    question = asked;
    return explain;
  }
  void Refresh(const std::string& asked, Answer<RefreshReport> done) override {
    ++calls;
    path = asked;
    if (error) return done(*error);
    done(RefreshReport{asked, 3});
  }
  void Reload(Answer<ReloadReport> done) override {
    ++calls;
    if (hold_reload) {
      held_reload = std::move(done);
      return;
    }
    if (error) return done(*error);
    done(ReloadReport{4, {"a rule that never matches"}});
  }

  void Stop(bool revoke) override {
    ++calls;
    stopped = revoke;
  }

  std::string mount = "/run/leasefs";
  StatusReport status;
  PathReport stat;
  ExplainReport explain;
  std::optional<Error> error;
  bool hold_reload = false;
  Answer<ReloadReport> held_reload;
  std::optional<bool> stopped;  // told to; with `revoke`
  mutable int calls = 0;
  mutable std::string path;
  mutable ExplainQuestion question;
};

}  // namespace leasefs::control
