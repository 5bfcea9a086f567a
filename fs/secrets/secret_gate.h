// SecretGate: the Gate over surviving memory, backends, rules and the audit.
//
// One lock guards everything but the cache of opened values. An operation decides under it, and either ends or leaves a
// Waiter; what completes waiters (an answer, a deadline, a signal) runs their operation again, so that the rules in
// force at the reply count. Made by main with all it needs; Configure, ConnectBackend and every BackendSink call are
// loop-only, the rest is for any thread.
//
// Of three layers (gate_core.h) this is the one that callers meet. gate_open.cc: open, read, release, access ·
// gate_names.cc: lookup, directories, attributes · gate_refresh.cc: refresh, interrupt · gate_ownership.cc: what the
// kernel is told of new rules · gate_files.cc: files that are made of secrets · gate_report.cc: what the gate tells of
// itself
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "fs/secrets/gate_answers.h"
#include "fs/secrets/gate_report.h"

namespace leasefs {

class SecretGate : public Gate, private GateAnswers {
 public:
  using Parts = GateParts;
  // `generation` counts the configurations of this mount. kNoMemory: limits.names is too small for the trees.
  static Result<std::unique_ptr<SecretGate>> Create(const Parts& parts, const Config& config, uint64_t generation);

  // Takes over a new configuration: rules count from the next open on, also for those who wait (S24).
  Status Configure(const Config& config, uint64_t generation) EXCLUDES(mutex_);
  // A fresh connection to a backend of the configuration. kNotFound: there is none of this name.
  Status ConnectBackend(const std::string& name, std::unique_ptr<Stream> stream) EXCLUDES(mutex_);
  // Asks the source of everything at or below a path of the mount again, but of what is minted: that would make
  // something new for nobody (S6).
  void Refresh(const std::string& path, Reply<RefreshCounts> done) EXCLUDES(mutex_);

  std::vector<std::string> LostBackends(Duration since) const EXCLUDES(mutex_);  // once connected, not for so long
  GateReport Report() const EXCLUDES(mutex_);
  Result<PathReport> Stat(const std::string& path) const EXCLUDES(mutex_);
  ExplainReport Explain(const Caller& caller, const std::vector<gid_t>& groups, const std::string& path) const
      EXCLUDES(mutex_);
  // "web/tls/key.pem", for the audit's sinks.
  void PathOf(uint32_t node, std::string& out) const EXCLUDES(mutex_);

  void Lookup(const Request& request, NodeId parent, std::string_view name, Reply<Attributes> done) override;
  void GetAttributes(const Request& request, NodeId id, uint64_t handle, Reply<Attributes> done) override;
  void Open(const Request& request, NodeId id, int flags, Reply<Opened> done) override;
  void Abandon(uint64_t handle) override;
  Result<Slice> Read(uint64_t handle, NodeId id, uint64_t offset, size_t size) override;
  void Release(uint64_t handle) override;
  void OpenDirectory(const Request& request, NodeId id, Reply<Done> done) override;
  Status ReadDirectory(const Request& request, NodeId id, uint64_t cookie,
                       const std::function<bool(const DirectoryEntry&)>& visit) override;
  void Access(const Request& request, NodeId id, int mask, Reply<Done> done) override;
  Result<std::string> GetExtendedAttribute(const Request& request, NodeId id, std::string_view name) override;
  std::vector<std::string> ListExtendedAttributes(NodeId id) override;
  void Interrupt(uint64_t unique) override;
  Counts Count() const override;
  bool UsesPosixErrors(NodeId id) const override;

 private:
  explicit SecretGate(const Parts& parts) : GateAnswers(parts) {}
  void PostWalk();
  void Walk() EXCLUDES(mutex_);

  void TryOpen(Attempt attempt, NodeId id, int flags, Reply<Opened> done);
  Step OpenLocked(Attempt& attempt, NodeId id, int flags, Reply<Opened>& done, Result<Opened>& result) REQUIRES(mutex_);
  Error RefusalLocked(uint32_t directory, const Error& failure) const REQUIRES(mutex_);
  Result<Opened> ServeLocked(const Attempt& attempt, NodeId id, const Decision& decision, AuditEvent::Source source)
      REQUIRES(mutex_);
  // The end of every open: nothing is handed out, and nothing refused, that the audit does not have. What it cannot
  // have fails as such, unless audit.required = false (S23).
  Result<Opened> ConcludeLocked(const Attempt& attempt, NodeId id, const Decision& decision, AuditEvent::Source source,
                                Result<Opened> result) REQUIRES(mutex_);
  AuditEvent OpenEventLocked(const Attempt& attempt, NodeId id, const Decision& decision, AuditEvent::Source source,
                             const Result<Opened>& result) const REQUIRES(mutex_);
  // Whether the bytes of what may be opened are at hand: kFinished, with a failure if they cannot be had, or kWaiting.
  struct AtHand {
    bool stale = false;
    std::optional<Error> failure;
  };
  Step ValueLocked(Attempt& attempt, uint32_t file, std::function<void(Attempt)> again, AtHand& value) REQUIRES(mutex_);
  Status RecordOpenLocked(const Request& request, const AuditEvent& event) REQUIRES(mutex_);
  // Without the lock, for a slot that is pinned.
  Result<SecretBuffer> UnsealPinned(uint32_t slot) const LEASEFS_TSA(no_thread_safety_analysis);
  Step AccessLocked(const Attempt& attempt, NodeId id, int mask, Status& result) REQUIRES(mutex_);
  Decision DecideLocked(const Attempt& attempt, RuleSetId rules) const REQUIRES(mutex_);
  void LoadGroups(Attempt& attempt) const;
  void LoadProcess(Attempt& attempt) const;
  // gate_scoped.cc. The hidden directory of the caller's own credential, made if need be.
  Result<uint32_t> InstanceLocked(const Attempt& attempt, const Tree& tree, uint32_t directory) REQUIRES(mutex_);
  uint32_t FindInstanceLocked(const Attempt& attempt, const Tree& tree) const REQUIRES(mutex_);  // kNoNode: it has none
  const Tree* ScopedTreeLocked(uint32_t node) const REQUIRES(mutex_);  // null: all share what the node shows
  // After an open came to nothing: what was for it alone.
  void EndInstanceOfOpenLocked(uint64_t unique, uint32_t uid, uint32_t node) REQUIRES(mutex_);
  // A reload: of trees that will not be there, not be scoped so, or show another place.
  void EndStrayInstancesLocked(const std::vector<TreeOptions>& trees) REQUIRES(mutex_);
  RuleSetId RulesLocked(uint32_t node) const REQUIRES(mutex_);
  // What is not there may only be not known yet: the directory whose names must be asked for before it is certain
  // whether the node (or, with `names_below`, a name in it) is there. If they were asked for a moment ago, in vain, and
  // are not to be asked for again yet, the attempt goes on with that failure.
  std::optional<uint32_t> UnsureLocked(Attempt& attempt, uint32_t node, bool names_below) const REQUIRES(mutex_);
  // A predecessor had answered this very request with ESTALE already: the mark is for the thread's next one.
  bool SentBackLocked(const Request& request) const REQUIRES(mutex_);
  // Whether the thread comes back after ESTALE, to this node or to what has its name now. Removes its mark.
  std::optional<ReopenMarks::Mark> TakeMarkLocked(const Request& request, uint32_t node) REQUIRES(mutex_);
  // It is gone, but its name is there as something else: the kernel should look it up again. Sends a thread back once.
  bool ReplacedLocked(const Attempt& attempt, uint32_t node) REQUIRES(mutex_);
  void TryLookup(Attempt attempt, NodeId parent, std::string name, Reply<Attributes> done);
  Step ProbeLocked(Attempt& attempt, uint32_t parent, const std::string& name, Reply<Attributes>& done,
                   Result<Attributes>& result) REQUIRES(mutex_);
  Step LookupLocked(Attempt& attempt, NodeId parent, const std::string& name, Reply<Attributes>& done,
                    Result<Attributes>& result) REQUIRES(mutex_);
  void TryGetAttributes(Attempt attempt, NodeId id, uint64_t handle, Reply<Attributes> done);
  Step AttributesLocked(Attempt& attempt, NodeId id, uint64_t handle, Reply<Attributes>& done,
                        Result<Attributes>& result) REQUIRES(mutex_);
  Step FileAttributesLocked(Attempt& attempt, NodeId id, Result<Attributes>& result, std::function<void(Attempt)> again)
      REQUIRES(mutex_);
  void TryOpenDirectory(Attempt attempt, NodeId id, Reply<Done> done);
  bool HasShownChildLocked(uint32_t directory) const REQUIRES(mutex_);
  Step OpenDirectoryLocked(Attempt& attempt, NodeId id, Reply<Done>& done, Status& result) REQUIRES(mutex_);
  // Of an inode that shows a file.
  uint64_t SizeLocked(NodeId id) const REQUIRES(mutex_);

  // Files that are made of secrets (S7): gate_files.cc. The first five are for any file.
  std::vector<uint32_t> SecretsOfLocked(uint32_t file) const REQUIRES(mutex_);  // directories; of one, itself
  bool MintedLocked(uint32_t file) const REQUIRES(mutex_);                      // one of them at least
  void NoteOpenedLocked(uint32_t file) REQUIRES(mutex_);
  BootTime FreshUntilLocked(uint32_t file) const REQUIRES(mutex_);
  BootTime LeaseEndLocked(uint32_t file) const REQUIRES(mutex_);
  bool IsShownLocked(uint32_t node) const REQUIRES(mutex_);  // false for keys of a tree that shows its forms only
  const ShownOptions* ShownOptionsLocked(uint32_t node) const REQUIRES(mutex_);  // null above trees
  // `may_mint`: it is an open that asks (S6).
  Step GatherLocked(Attempt& attempt, uint32_t file, bool may_mint, std::function<void(Attempt)> again, AtHand& value)
      REQUIRES(mutex_);
  Step WaitForLocked(Attempt& attempt, const std::vector<uint32_t>& missing, bool may_mint,
                     std::function<void(Attempt)> again, AtHand& value) REQUIRES(mutex_);
  Step DerivedAttributesLocked(Attempt& attempt, NodeId id, Result<Attributes>& result,
                               std::function<void(Attempt)> again) REQUIRES(mutex_);
  bool IsSettledLocked(NodeId id) const REQUIRES(mutex_);  // what is held is what an open would show, and of this inode
  std::string DerivedStatusTextLocked(uint32_t file) const REQUIRES(mutex_);

  // `cacheable`: the kernel may keep the name, and the attributes for as long as the value is fresh.
  Attributes Describe(NodeId id, uint64_t size, bool cacheable) const REQUIRES(mutex_);
  // False: a hidden tree does not show this node to the caller, whose groups have been read (S22).
  bool VisibleLocked(const Attempt& attempt, uint32_t node) const REQUIRES(mutex_);
  bool HiddenLocked(uint32_t node) const REQUIRES(mutex_);
  Ownership OwnershipLocked(uint32_t node) const REQUIRES(mutex_);
  void AddSecretLocked(uint32_t directory, TreeReport& row) const REQUIRES(mutex_);
  std::string StatusTextLocked(uint32_t node) const REQUIRES(mutex_);
  std::string BackendProblemLocked(const Tree& tree) const REQUIRES(mutex_);  // "": none is known
  bool UsesPosixErrorsLocked(uint32_t node) const REQUIRES(mutex_);

  // As a step's end: kWaiting, or kFinished with the error in `result`.
  template <class T>
  Step WaitStepLocked(Attempt& attempt, uint32_t directory, Question question, bool has_stale, Result<T>& result,
                      std::function<void(Attempt)> resume) REQUIRES(mutex_);
  // Runs one operation under the lock, again with the caller's groups if they decide, and replies unless it waits.
  template <class T, class Run>
  void RunSteps(Attempt& attempt, const Reply<T>& done, Run run) EXCLUDES(mutex_);

  mutable std::vector<uint32_t> rule_sets_ GUARDED_BY(mutex_);  // by node: RuleSetId + 1 of this generation, 0 unknown
  std::deque<GateOwnershipWalk> walks_ GUARDED_BY(mutex_);      // the first one is under way
  size_t probes_ GUARDED_BY(mutex_) = 0;
};

}  // namespace leasefs
