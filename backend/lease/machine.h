// LeaseMachine: the Backend over a Source that leases. Here, once for all sources: tokens and their renewal, leases and
// theirs, replacement make-before-break, back-off, what survives a crash, what is revoked when (S14 to S20).
//
//   Read of a static place    the source is asked, with the identity's token; its answer is fresh for the tree's ttl
//   Read of a minted place    what is held, if it has min_ttl left; else one mint, at most once per mint_interval
//   List of a minted place    the names that are known; nothing is minted (S6)
//
// A version that replaces another is told by Events::on_published and, from then on, is what Read gives; a lease that
// was extended by Events::on_extended. Everything that must survive lies in SurvivingRecords: a successor of a killed
// process takes the tokens and leases over and asks the server for nothing.
//
// On the loop's thread only. The loop, source and records outlive it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "backend/lease/lease_list.h"
#include "backend/lease/source.h"
#include "backend/lease/surviving_records.h"
#include "backend/lease/tree.h"
#include "backend/protocol_report.h"
#include "fs/base/loop.h"

namespace leasefs::lease {

enum class OnStop : uint8_t { kKeep, kRevoke };

struct MachineOptions {
  // By name, how it logs in, in words of the source's own: a token that was got in another way is replaced at once.
  // "" is the backend's own and always there.
  std::map<std::string, std::string> identities;
  std::vector<Tree> trees;
  OnStop on_stop = OnStop::kKeep;
};

class LeaseMachine : public Backend {
 public:
  // `list`: null when none is to be kept; outlives this.
  LeaseMachine(Loop& loop, Source& source, SurvivingRecords& records, MachineOptions options,
               LeaseList* list = nullptr);
  ~LeaseMachine() override;
  LeaseMachine(const LeaseMachine&) = delete;
  LeaseMachine& operator=(const LeaseMachine&) = delete;

  // A reload. Leases of trees that are gone or ask for something else are not renewed any more and run out; what fs
  // holds of them is told as changed.
  void SetOptions(MachineOptions options);
  // Revokes every lease, or what on_stop says, and calls `done` when that is done or `timeout` has passed. Nothing is
  // minted from now on. When nothing is to be revoked: Leave, and nobody logs in any more.
  void Stop(bool revoke, Duration timeout, std::function<void()> done);
  // Before a successor takes over: who needs a mint gets no answer from now on, and asks it. Calls `done`, not within
  // this call, when no login and no mint is under way, or when `timeout` has passed: an answer that nobody hears is a
  // lease that nobody knows.
  void Leave(Duration timeout, std::function<void()> done);
  protocol::Report Report() const;

  // Backend.
  void SetEvents(Events events) override;
  void List(const std::string& directory, protocol::Purpose purpose, ListReply done) override;
  void Read(const std::string& secret, ReadReply done) override;
  void Forget(const std::string& secret) override;
  void TellAgain() override;
  bool PushesChanges() const override { return false; }
  uint64_t Generation() const override { return 0; }
  Result<std::vector<std::string>> ChangedSince(uint64_t generation) const override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace leasefs::lease
