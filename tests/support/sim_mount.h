// SimMount: a gate with its surviving memory, and a small kernel in front of it: it walks paths, keeps dentries, comes
// back after ESTALE as Linux does, and keeps requests that a killed gate had not answered for its successor. Everything
// in simulated time.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "backend/server.h"
#include "fs/audit/audit_ring.h"
#include "fs/base/sim_loop.h"
#include "fs/secrets/secret_gate.h"

namespace leasefs {

// Zeroed, page-aligned, given back at the end.
class SimMemory {
 public:
  explicit SimMemory(size_t size);
  ~SimMemory();
  SimMemory(const SimMemory&) = delete;
  SimMemory& operator=(const SimMemory&) = delete;
  std::span<std::byte> bytes() const { return bytes_; }

 private:
  std::span<std::byte> bytes_;
};

struct SimRead {
  std::optional<Error> error;
  std::string bytes;  // test data
  NodeId inode;
  uint64_t handle = 0;
  bool direct = false;
  BootTime started{};
  BootTime ended{};
};

class SimMount {
 public:
  static constexpr uint32_t kNames = 4096;
  static constexpr Duration kMaxDelay = std::chrono::milliseconds(2);

  SimMount(SimLoop& loop, Config config);
  ~SimMount();

  SecretGate& gate() { return *gate_; }
  AuditRing& audit() { return *audit_; }
  bool running() const { return gate_ != nullptr; }
  // The process is killed; requests that it had not answered stay for the successor.
  void Crash();
  void Restart();
  Status Reload(Config config);
  // A fresh connection between gate and server, as the keeper makes it when either of them starts.
  void Connect(const std::string& backend, BackendServer& server);
  // At whatever the gate sends to a backend, before it is sent.
  std::function<void()> on_send;
  void SetGroups(pid_t tid, std::vector<gid_t> groups) { groups_.table[tid] = std::move(groups); }

  void SetProcess(pid_t tid, pid_t pid) { groups_.processes[tid] = pid, groups_.alive.insert(pid); }
  void EndProcess(pid_t pid) { groups_.alive.erase(pid); }

  // open(2), read to the end. With `keep` the descriptor stays open for ReadAgain, until Close.
  void Open(const std::string& path, const Caller& caller, bool keep, std::function<void(SimRead)> done);
  // Runs the loop until the open has ended.
  SimRead OpenNow(const std::string& path, const Caller& caller, bool keep = false);
  Result<std::string> ReadAgain(const SimRead& open);
  void Close(const SimRead& open);
  Result<Attributes> StatNow(const std::string& path, const Caller& caller);
  Result<std::vector<std::string>> ListNow(const std::string& path, const Caller& caller);
  // Signals a thread: its waiting request is interrupted.
  void Signal(pid_t tid);

  // Audit records that were not taken yet, oldest first. A sink takes them out of the ring every 20 ms, unless it is
  // stopped.
  std::vector<AuditEvent> TakeAudit();
  void StopAuditSink() { loop_.Cancel(std::exchange(audit_timer_, Loop::kNoTimer)); }
  void ResumeAuditSink();
  const std::vector<NodeId>& invalidated() const { return notifier_.invalidated; }
  size_t pending() const { return pending_.size(); }
  Duration longest_request() const { return longest_request_; }  // from hand-over to answer
  uint64_t opens_answered() const { return opens_answered_; }    // as seen by callers: ESTALE is no answer

 private:
  struct GroupTable : GroupReader {
    Result<std::vector<gid_t>> Groups(const Caller& caller) const override;
    Result<ProcessId> Process(const Caller& caller) const override;
    bool Alive(const ProcessId& process) const override { return alive.contains(process.pid); }
    std::map<pid_t, std::vector<gid_t>> table;
    std::map<pid_t, pid_t> processes;  // of threads
    std::set<pid_t> alive;
  };
  struct RecordingNotifier : Notifier {
    void InvalidateInode(NodeId id) override { invalidated.push_back(id); }
    std::vector<NodeId> invalidated;
  };
  struct AlwaysParks : Parking {
    bool Park() noexcept override { return true; }
    bool Interrupted() const noexcept override { return false; }
  };
  struct Pending {
    Caller caller;
    BootTime arrival;
    bool issued = false;
    std::function<void(const Request&)> issue;
  };
  struct Walk;

  // Sends a request to the gate, now or when there is one; `issue` calls it, and its reply calls Answered first.
  void Submit(const Caller& caller, std::function<void(const Request&)> issue);
  void Issue(uint64_t unique);
  void Answered(uint64_t unique);
  void Step(std::shared_ptr<Walk> walk);
  void OpenFinal(std::shared_ptr<Walk> walk);
  void DrainAudit();
  void RunAuditSink();

  SimLoop& loop_;
  Config config_;
  uint64_t generation_ = 1;
  SimMemory state_memory_;
  SimMemory audit_memory_;
  SecretBuffer state_key_;
  GroupTable groups_;
  RecordingNotifier notifier_;
  AlwaysParks parking_;
  std::unique_ptr<AuditRing> audit_;
  std::unique_ptr<SecretGate> gate_;
  uint64_t next_unique_ = 2;
  std::map<uint64_t, Pending> pending_;
  std::map<std::string, NodeId> dentries_;
  Duration longest_request_{};
  uint64_t opens_answered_ = 0;
  uint64_t audit_taken_ = 0;
  std::vector<AuditEvent> audited_;
  Loop::TimerId audit_timer_ = Loop::kNoTimer;
};

Config SimConfig(std::vector<TreeOptions> trees, std::vector<AllowRule> rules);
TreeOptions SimTree(const std::string& path, const std::string& source);
AllowRule AllowUser(const std::string& path, uid_t uid);
AllowRule AllowGroup(const std::string& path, gid_t gid);

}  // namespace leasefs
