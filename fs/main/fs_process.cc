#include "fs/main/fs_process.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "fs/audit/audit_ring.h"
#include "fs/base/aead.h"
#include "fs/base/log.h"
#include "fs/base/stream.h"
#include "fs/base/strings.h"
#include "fs/caller/caller.h"
#include "fs/config/config_codec.h"
#include "fs/control/server.h"
#include "fs/fuse/session.h"
#include "fs/keeper/keeper.h"
#include "fs/keeper/memory_files.h"
#include "fs/main/audit_feed.h"
#include "fs/main/child_runtime.h"
#include "fs/main/control_view.h"
#include "fs/secrets/secret_gate.h"

namespace leasefs {
namespace {

constexpr size_t kMaxConfigBytes = size_t{64} << 20;
constexpr int kMaxReaders = 4;
constexpr Duration kHungAfter = std::chrono::seconds(1);   // one request; none takes a millisecond
constexpr Duration kLostAfter = std::chrono::seconds(2);   // by then a backend that died was connected by the keeper
constexpr Duration kDrainBound = std::chrono::seconds(1);  // for those who wait, when stopping
constexpr Duration kDrainStep = std::chrono::milliseconds(10);
constexpr Duration kAuditBound = std::chrono::seconds(2);  // for the sinks, when stopping

size_t ReaderCount() {
  cpu_set_t cpus;
  int count = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
  return static_cast<size_t>(std::clamp(count, 1, kMaxReaders));
}

// In the order in which they are made; taken apart by the end of the process, since requests of a mount that lives on
// may be waiting in the gate.
class FsProcess {
 public:
  explicit FsProcess(const Arguments& arguments)
      : peer_group_(arguments.peer_group), generation_(arguments.generation), groups_(kCallerProcfs) {}

  Status Prepare();
  Status Serve();

 private:
  Status MakeGate();
  Status MakeControl();
  void OnMessage(ChildMessage message);
  void OnPing(uint64_t number);
  void OnConfig(const ChildMessage& message);
  Status TakeConfig(int fd, uint64_t generation);
  void OnPeer(ChildMessage message);
  void BeginStop();
  void Drain(BootTime until);
  [[noreturn]] void End(ExitStatus status);

  const gid_t peer_group_;
  uint64_t generation_;
  Config config_;
  SecretBuffer state_key_;
  std::unique_ptr<FdLoop> loop_;
  std::optional<AuditRing> ring_;
  ProcGroupReader groups_;
  InodeNotifier notifier_;
  std::unique_ptr<SecretGate> gate_;
  std::unique_ptr<AuditFeed> audit_;
  std::unique_ptr<FuseSession> session_;
  std::unique_ptr<KeeperLink> keeper_;
  std::unique_ptr<ControlView> control_view_;
  std::unique_ptr<control::ControlServer> control_;
  bool stopping_ = false;
};

// What a predecessor left is looked at before anything else happens.
Status FsProcess::Prepare() {
  LEASEFS_ASSIGN_OR_RETURN(bytes, ReadSealedMemory(kConfigFile, kMaxConfigBytes));
  LEASEFS_ASSIGN_OR_RETURN(config, DecodeForFs(bytes.Expose()));
  config_ = std::move(config);
  LEASEFS_ASSIGN_OR_RETURN(state_key, ReadKeyPipe(kStateKeyPipe, kKeyBytes));
  close(kStateKeyPipe);
  state_key_ = std::move(state_key);
  LEASEFS_ASSIGN_OR_RETURN(loop, FdLoop::Create());
  loop_ = std::move(loop);
  LEASEFS_RETURN_IF_ERROR(MakeGate());
  LEASEFS_ASSIGN_OR_RETURN(keeper,
                           KeeperLink::Create(*loop_, [this](ChildMessage message) { OnMessage(std::move(message)); }));
  keeper_ = std::move(keeper);
  return Ok();
}

Status FsProcess::MakeGate() {
  LEASEFS_ASSIGN_OR_RETURN(audit_memory, MapSurvivingMemory(kAuditMemory, AuditRing::MemoryBytes()));
  LEASEFS_ASSIGN_OR_RETURN(ring, AuditRing::Attach(audit_memory));
  ring_.emplace(std::move(ring));
  const uint32_t names = config_.limits.names;
  LEASEFS_ASSIGN_OR_RETURN(state_memory, MapSurvivingMemory(kStateMemory, StateMemoryBytes(names)));
  LEASEFS_ASSIGN_OR_RETURN(state, StateMemory::Attach(state_memory, names));
  SecretGate::Parts parts{*loop_, state, state_key_, *ring_, groups_, notifier_};
  LEASEFS_ASSIGN_OR_RETURN(gate, SecretGate::Create(parts, config_, generation_));
  gate_ = std::move(gate);
  UniqueFd audit_file(config_.audit.file.empty() ? -1 : static_cast<int>(kAuditFileDescriptor));
  auto paths = [this](uint32_t node, std::string& out) { gate_->PathOf(node, out); };
  audit_ = std::make_unique<AuditFeed>(*loop_, *ring_, paths, config_.audit, std::move(audit_file));
  return Ok();
}

Status FsProcess::Serve() {
  LEASEFS_ASSIGN_OR_RETURN(slots, MapSurvivingMemory(kSlotsMemory, SlotsMemoryBytes()));
  auto on_over = [this] {
    loop_->Post([this] {
      LogError("the kernel has ended the mount's connection");
      End(kExitFailure);
    });
  };
  LEASEFS_ASSIGN_OR_RETURN(session, FuseSession::Create({kFuseDevice, slots, *loop_, *gate_, notifier_, on_over}));
  session_ = std::move(session);
  LEASEFS_RETURN_IF_ERROR(session_->Recover());
  LEASEFS_RETURN_IF_ERROR(MakeControl());
  LEASEFS_RETURN_IF_ERROR(session_->Start(ReaderCount()));
  keeper_->Send(ChildMessageType::kReady);
  loop_->Run();
  return Ok();
}

Status FsProcess::MakeControl() {
  auto request_reload = [this](uint64_t number) { keeper_->Send(ChildMessageType::kReloadRequest, number); };
  auto request_stop = [this](bool revoke) { keeper_->Send(ChildMessageType::kStopRequest, revoke ? 1 : 0); };
  control_view_ = std::make_unique<ControlView>(
      ControlView::Parts{*loop_, config_, *gate_, *ring_, *audit_, *session_, request_reload, request_stop});
  control::ServerOptions options;
  options.group = peer_group_;
  LEASEFS_ASSIGN_OR_RETURN(server,
                           control::ControlServer::Create(*loop_, UniqueFd(kListener), *control_view_, options));
  control_ = std::move(server);
  return Ok();
}

void FsProcess::OnMessage(ChildMessage message) {
  switch (message.type) {
    case ChildMessageType::kPing:
      return OnPing(message.number);
    case ChildMessageType::kPeer:
      return OnPeer(std::move(message));
    case ChildMessageType::kConfig:
      return OnConfig(message);
    case ChildMessageType::kAuditFile:
      return audit_->UseFile(std::move(message.descriptors.front()));
    case ChildMessageType::kStop:
      return BeginStop();
    case ChildMessageType::kReloadResult:
      if (control_view_) control_view_->OnReloadResult(message.number, message.text, generation_);
      return;
    case ChildMessageType::kStoreKey:
    case ChildMessageType::kReady:
    case ChildMessageType::kPong:
    case ChildMessageType::kReloadRequest:
    case ChildMessageType::kPeerRequest:
    case ChildMessageType::kStopRequest:
    case ChildMessageType::kFile:
    case ChildMessageType::kFileProblem:
    case ChildMessageType::kFileRequest:
    case ChildMessageType::kConfigResult:
    case ChildMessageType::kStatus:
      LogError("the keeper sent what is not for fs");
      _exit(kExitFailure);
  }
}

// A pong says that readers are served, not only that this loop turns.
void FsProcess::OnPing(uint64_t number) {
  BootTime busy_since = session_ ? session_->BusySince() : kNever;
  if (busy_since != kNever && loop_->Now() - busy_since > kHungAfter) return;
  keeper_->Send(ChildMessageType::kPong, number);
  for (const std::string& backend : gate_->LostBackends(kLostAfter)) {
    keeper_->Send(ChildMessageType::kPeerRequest, 0, backend);
  }
}

void FsProcess::OnConfig(const ChildMessage& message) {
  Status taken = TakeConfig(message.descriptors.front().get(), message.number);
  keeper_->Send(ChildMessageType::kConfigResult, message.number, taken.ok() ? "" : taken.error().message());
}

Status FsProcess::TakeConfig(int fd, uint64_t generation) {
  LEASEFS_ASSIGN_OR_RETURN(bytes, ReadSealedMemory(fd, kMaxConfigBytes));
  LEASEFS_ASSIGN_OR_RETURN(config, DecodeForFs(bytes.Expose()));
  LEASEFS_RETURN_IF_ERROR(gate_->Configure(config, generation));
  generation_ = generation;
  config_ = std::move(config);
  audit_->Configure(config_.audit);
  return Ok();
}

void FsProcess::OnPeer(ChildMessage message) {
  Status connected = gate_->ConnectBackend(message.text, MakeFdStream(*loop_, std::move(message.descriptors.front())));
  if (!connected.ok()) LogError(std::move(connected).error().Context(StrCat("backend ", message.text)).message());
}

void FsProcess::BeginStop() {
  if (std::exchange(stopping_, true)) return;
  session_->Stop();  // reads no more requests; those who wait are still answered
  Drain(loop_->Now() + kDrainBound);
}

void FsProcess::Drain(BootTime until) {
  if (session_->counters().parked == 0 || loop_->Now() >= until) End(kExitOk);
  loop_->After(kDrainStep, [this, until] { Drain(until); });
}

void FsProcess::End(ExitStatus status) {
  audit_->Stop(kAuditBound);
  AuditRing::Figures audit = ring_->figures();
  if (audit.accepted < audit.appended) {
    LogError(StrCat(audit.appended - audit.accepted, " audit records are lost: no sink took them"));
  }
  _exit(status);
}

Status Run(const Arguments& arguments) {
  LEASEFS_RETURN_IF_ERROR(BeginChild(arguments, "fs", "leasefsd-fs"));
  FsProcess process(arguments);
  LEASEFS_RETURN_IF_ERROR(process.Prepare());
  return process.Serve();
}

}  // namespace

int RunFs(const Arguments& arguments) {
  Status run = Run(arguments);
  return run.ok() ? kExitOk : FailChild(run.error());
}

}  // namespace leasefs
