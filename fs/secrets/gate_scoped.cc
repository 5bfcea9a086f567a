// lease_scope: one path, and a credential for each uid, process or open (S15). What lives how long.
#include <algorithm>

#include "fs/secrets/secret_gate.h"

namespace leasefs {
namespace {

constexpr Duration kProcessLook = std::chrono::seconds(1);
// An open that a predecessor had begun is there again by then, or was given up: no deadline is longer (S25).
constexpr Duration kLongestOpen = std::chrono::seconds(20);

ProcessId ProcessOf(const InstanceRecord& record) {
  return {static_cast<pid_t>(record.first), record.second};
}

// Nothing: procfs does not know the calling process.
std::optional<InstanceOwner> OwnerOf(const GateAttempt& attempt, LeaseScope scope) {
  InstanceOwner owner{scope, attempt.request.caller.uid};
  if (scope == LeaseScope::kOpen) owner.first = attempt.request.unique;
  if (scope != LeaseScope::kProcess) return owner;
  if (!attempt.process || attempt.process->pid == 0) return std::nullopt;
  owner.first = static_cast<uint64_t>(attempt.process->pid);
  owner.second = attempt.process->start;
  return owner;
}

}  // namespace

void GateCore::EndInstanceLocked(uint32_t directory) {
  auto waiting = waits_.TakeAll(directory, Question::kValue);
  if (!waiting.empty()) {  // after a reload: decided anew
    loop_.Post([waiting = std::move(waiting), alive = std::weak_ptr<bool>(alive_)] {
      if (!alive.expired()) Resume(waiting, std::nullopt);
    });
  }
  if (const Tree* tree = trees_.Of(directory))
    ended_.emplace_back(tree->options.backend, trees_.BackendPath(directory));
  held_.Withdraw(directory);
  held_.ForgetUse(directory);
  held_.ForgetFreed();
  failures_.erase(directory);
  instances_.End(directory);
  RequestPumpLocked();
}

// Of opens that came to nothing without a word: fs was killed when nobody else knew of them.
void GateCore::EndLeftInstancesLocked() {
  for (uint32_t directory : instances_.All(LeaseScope::kOpen)) {
    const InstanceRecord& record = instances_[directory];
    bool old = loop_.Now() - BootTimeFromNanoseconds(record.made_ns) > kLongestOpen;
    if (old && handles_.Find(record.first) == nullptr) EndInstanceLocked(directory);
  }
}

void GateCore::ArmProcessWatch(bool wanted) {
  if (!wanted || process_timer_ != Loop::kNoTimer) return;
  process_timer_ = loop_.After(kProcessLook, [this] { WatchProcesses(); });
}

// Without the lock: system calls on procfs.
void GateCore::WatchProcesses() {
  process_timer_ = Loop::kNoTimer;
  std::vector<ProcessId> processes;
  {
    MutexLock lock(mutex_);
    for (uint32_t directory : instances_.All(LeaseScope::kProcess))
      processes.push_back(ProcessOf(instances_[directory]));
  }
  std::erase_if(processes, [&](const ProcessId& process) { return groups_.Alive(process); });
  MutexLock lock(mutex_);
  for (uint32_t directory : instances_.All(LeaseScope::kProcess)) {
    ProcessId process = ProcessOf(instances_[directory]);
    if (std::find(processes.begin(), processes.end(), process) != processes.end()) EndInstanceLocked(directory);
  }
  RequestPumpLocked();  // which looks again, as long as there are any
}

// Without the lock, as LoadGroups.
void SecretGate::LoadProcess(Attempt& attempt) const {
  auto process = groups_.Process(attempt.request.caller);
  attempt.process = process.ok() ? *process : ProcessId();
}

uint32_t SecretGate::FindInstanceLocked(const Attempt& attempt, const Tree& tree) const {
  auto owner = OwnerOf(attempt, tree.options.lease_scope);
  return owner ? instances_.Find(tree.root, *owner) : kNoNode;
}

Result<uint32_t> SecretGate::InstanceLocked(const Attempt& attempt, const Tree& tree, uint32_t directory) {
  if (directory != tree.root || nodes_[directory].minted == 0) {
    return Error(ErrorKind::kRemote,
                 "lease_scope needs a source that is one secret which is minted, and this is none: correct the source, "
                 "or take lease_scope away");
  }
  auto owner = OwnerOf(attempt, tree.options.lease_scope);
  if (!owner) return Error(ErrorKind::kDenied, "procfs does not know the calling process");
  uint32_t found = instances_.Find(tree.root, *owner);
  if (found != kNoNode) return found;
  ScopedInstances::Bounds bounds{limits_.scoped_leases_per_uid, tree.options.vault.mint_interval};
  auto made = instances_.Make(tree.root, *owner, bounds, loop_.Now());
  if (made.ok()) RequestPumpLocked();
  return made;
}

void SecretGate::EndInstanceOfOpenLocked(uint64_t unique, uint32_t uid, uint32_t node) {
  if (instances_.empty() || !nodes_.Exists(node) || nodes_.IsDirectory(node)) return;
  uint32_t found = instances_.Find(nodes_[node].parent, {LeaseScope::kOpen, uid, unique, 0});
  if (found != kNoNode && handles_.Find(unique) == nullptr) EndInstanceLocked(found);
}

// Before the new trees are taken over: their backends still know them.
void SecretGate::EndStrayInstancesLocked(const std::vector<TreeOptions>& trees) {
  for (const Tree& tree : trees_.trees()) {
    auto after =
        std::find_if(trees.begin(), trees.end(), [&](const auto& other) { return other.path == tree.options.path; });
    if (after != trees.end() && after->backend == tree.options.backend && after->source == tree.options.source &&
        after->lease_scope == tree.options.lease_scope) {
      continue;
    }
    for (uint32_t directory : instances_.All(tree.options.lease_scope)) {
      if (nodes_[directory].parent == tree.root) EndInstanceLocked(directory);
    }
    bool scoped_now = after != trees.end() && after->lease_scope != LeaseScope::kShared;
    if (!scoped_now || SecretVersionLocked(tree.root) == 0) continue;
    ended_.emplace_back(tree.options.backend, tree.options.source);  // what all had shared
    held_.Withdraw(tree.root);
  }
}

}  // namespace leasefs
