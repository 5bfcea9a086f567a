// What fs does as far as the machine sees it, and the oracle of what readers may get: it keeps a version as long as it
// was told, asks when it may not, lets go of what nobody opens, and judges each value that it hands out.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "backend/lease/machine.h"
#include "tests/lease/lease_sim.h"
#include "tests/lease/sim_server.h"
#include "tests/lease/sim_world.h"

namespace leasefs::lease {

class SimFs {
 public:
  SimFs(SimWorld& world, SimServer& server, LeaseSimFigures& figures)
      : world_(world), server_(server), figures_(figures) {}

  void Connect(LeaseMachine* machine);  // a new process; null: it was killed
  void PowerCut() { secrets_.clear(); }  // after Connect(nullptr)
  void SetTree(const Tree& tree) { trees_[tree.name] = tree; }
  void Open(const std::string& secret);
  void Forget(const std::string& secret);  // nobody opened it for long
  void CheckAllServed();                   // everything is well again: each was served just now
  void Suspended(Duration by);             // waiting in that time was nobody's fault
  bool Holds(const std::string& text) const;
  bool WasGiven(const std::string& text) const;  // ever
  bool InUse(const std::string& secret) const { return server_.in_use.count(secret) != 0; }

 private:
  struct Held {
    std::string text;
    uint64_t number = 0;
    protocol::Freshness freshness;
  };
  struct Secret {
    std::optional<Held> held;
    bool asked = false;  // a Read is under way
    BootTime asked_at{};
    BootTime forgotten_at{};
    BootTime not_before{};  // a failure is remembered
    BootTime served_at{};
    std::string problem;
    std::map<uint64_t, std::string> numbers;  // every number ever told
    uint64_t last_number = 0;
    BootTime in_use_since{};
  };

  const Tree& TreeOf(const std::string& secret) const;
  void OnAnswer(const std::string& secret, Result<SecretVersion> answer);
  void Take(const std::string& secret, SecretVersion version);
  void Serve(const std::string& secret, bool stale);
  void JudgeMinted(const std::string& secret, const Held& held);
  void JudgeStatic(const std::string& secret, const Held& held, bool stale);
  bool HadTime(const Told& told) const;
  void JudgeWait(const std::string& secret);
  void JudgeFailure(const std::string& secret, const Error& error);

  SimWorld& world_;
  SimServer& server_;
  LeaseSimFigures& figures_;
  LeaseMachine* machine_ = nullptr;
  uint64_t connection_ = 0;
  std::map<std::string, Tree> trees_;
  std::map<std::string, Secret> secrets_;
};

}  // namespace leasefs::lease
