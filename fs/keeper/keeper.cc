#include "fs/keeper/keeper.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "fs/base/log.h"
#include "fs/base/strings.h"
#include "fs/keeper/log_lines.h"
#include "fs/keeper/process_limits.h"
#include "fs/keeper/run_files.h"

namespace leasefs {
namespace {

constexpr Duration kMendDelay = std::chrono::seconds(1);  // hosts with containers mount often

}  // namespace

Keeper::Keeper(KeeperOptions options, Config config, const AccountDatabase& accounts)
    : options_(std::move(options)), accounts_(accounts), reload_(std::move(config), ReloadEvents()) {}

ExitStatus Keeper::Run() {
  Status begun = Begin();
  if (!begun.ok()) {
    LogErrorLines(begun.error().message());
    service_manager_.SetStatus(begun.error().message());
    return begun.error().kind() == ErrorKind::kInvalid ? kExitConfiguration : kExitFailure;
  }
  loop_->Run();
  backends_.clear();
  fs_.reset();
  holdings_.GiveBack();
  LogInfo("stopped");
  return exit_status_;
}

Status Keeper::Begin() {
  if (geteuid() != 0) {
    return Error(ErrorKind::kInternal,
                 "leasefsd must be started as root: it mounts, and starts its parts as users of their own");
  }
  SetProcessLimits();
  CheckKernelRequestTimeout(reload_.running().limits.deadline);
  LEASEFS_ASSIGN_OR_RETURN(new_loop, FdLoop::Create());
  loop_ = std::move(new_loop);
  LEASEFS_RETURN_IF_ERROR(WatchSignals());
  LEASEFS_ASSIGN_OR_RETURN(acquired, Holdings::Acquire(reload_.running(), accounts_, options_.memory, loop_->random()));
  holdings_ = std::move(acquired);
  WatchMounts();
  MakeChildren();
  loop_->After(options_.ready_limit, [this] { AnnounceIfReady(true); });
  for (BackendChild& backend : backends_) backend.child->Start();
  fs_->Start();
  return Ok();
}

Status Keeper::WatchSignals() {
  signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  for (int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) sigaddset(&set, number);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  signals_.Reset(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_) return ErrnoError("signalfd", errno);
  return loop_->Watch(signals_.get(), EPOLLIN, [this](uint32_t) { OnSignal(); });
}

void Keeper::WatchMounts() {
  mounts_.Reset(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  if (!mounts_) return;
  // A change is told as EPOLLERR.
  Status watched = loop_->Watch(mounts_.get(), 0, [this](uint32_t) {
    if (mend_planned_) return;
    mend_planned_ = true;
    loop_->After(kMendDelay, [this] { MendMount(); });
  });
  if (!watched.ok()) LogWarning(std::move(watched).error().Context("watching mounts").message());
}

void Keeper::MakeChildren() {
  SupervisedChild::Options watch = options_.fs_watch;
  watch.name = "fs";
  watch.may_leave_held_up = true;
  fs_ = std::make_unique<SupervisedChild>(*loop_, watch, FsEvents());
  for (const BackendOptions& backend : reload_.running().backends) {
    watch = options_.backend_watch;
    watch.name = StrCat(backend.type == BackendType::kStore ? "store " : "vault ", backend.name);
    backends_.push_back({backend.name, std::make_unique<SupervisedChild>(*loop_, watch, BackendEvents(backend.name))});
  }
}

void Keeper::OnSignal() {
  signalfd_siginfo info{};
  while (read(signals_.get(), &info, sizeof info) == sizeof info) OnSignalNumber(info.ssi_signo);
}

void Keeper::OnSignalNumber(uint32_t number) {
  switch (number) {
    case SIGHUP:
      reload_.Request(std::nullopt);
      return;
    case SIGUSR1:
      ReopenAuditFile();
      return;
    default:  // SIGTERM, SIGINT; the second one means it
      return stopping_ ? KillAll() : BeginStop(kExitOk);
  }
}

void Keeper::MendMount() {
  mend_planned_ = false;
  if (stopping_) return;
  if (holdings_.mount->Lost()) {
    // fs has noticed, writes the audit records that no sink has yet, and ends. That is followed by a new mount.
    loop_->After(options_.drain_limit, [this] {
      if (!stopping_ && holdings_.mount->Lost()) fs_->Kill();
    });
    return;
  }
  Result<bool> mended = holdings_.mount->Mend();
  if (!mended.ok()) return LogError(mended.error().message());
  if (*mended)
    LogWarning(
        StrCat("somebody unmounted ", holdings_.mount->path(), ": it is mounted again; to end it, stop leasefsd"));
}

void Keeper::MountAnew(bool fs_was_killed) {
  LogError("the kernel has ended the mount (umount -f, or an abort): what was open on it is lost; mounting anew");
  // It counts and tells of them itself, if it can.
  if (fs_was_killed) LogError("fs was killed before it ended: audit records that no sink had yet are lost");
  Status mounted = holdings_.MountAnew(reload_.running(), options_.memory, loop_->random());
  if (mounted.ok()) return;
  LogError(mounted.error().message());
  BeginStop(kExitFailure);
}

void Keeper::ReopenAuditFile() {
  const std::string& path = reload_.running().audit.file;
  if (path.empty()) return;
  auto file = OpenAuditFile(path);
  if (!file.ok()) return LogError(StrCat(file.error().message(), ": the old file stays in use"));
  UseAuditFile(std::move(*file));
  LogInfo(StrCat("audit file ", path, " opened anew"));
}

void Keeper::UseAuditFile(UniqueFd file) {
  holdings_.audit_file = std::move(file);
  if (!holdings_.audit_file) return;  // fs has seen it in its configuration
  UniqueFd copy(fcntl(holdings_.audit_file.get(), F_DUPFD_CLOEXEC, 3));
  if (!copy) {
    LogError("copying the audit file's descriptor failed: fs is replaced, its successor gets it");
    return fs_->Kill();
  }
  fs_->Send(ChildMessage::Make(ChildMessageType::kAuditFile, 0, "", std::move(copy)));
}

void Keeper::BeginStop(ExitStatus status, bool revoke) {
  stopping_ = true;
  exit_status_ = status;
  service_manager_.Stopping();
  fs_->Stop();
  for (BackendChild& backend : backends_) backend.child->Stop(revoke);
  for (const BackendOptions& backend : reload_.running().backends) {
    revoke = revoke || (backend.type == BackendType::kVault && backend.vault.on_stop == VaultOptions::OnStop::kRevoke);
  }
  loop_->After(revoke ? options_.revoke_limit : options_.stop_limit, [this] { KillAll(); });
  StopIfAllDead();
}

void Keeper::OnStopRequest(bool revoke) {
  if (stopping_) return;
  LogInfo(revoke ? "stopping, as asked by `leasefs stop --revoke`: leases are revoked"
                 : "stopping, as asked by `leasefs stop`");
  BeginStop(kExitOk, revoke);
}

void Keeper::KillAll() {
  if (fs_->running()) LogWarning("fs does not end by itself: it is killed");
  fs_->Kill();
  for (BackendChild& backend : backends_) backend.child->Kill();
}

void Keeper::StopIfAllDead() {
  if (!stopping_ || fs_->running()) return;
  for (const BackendChild& backend : backends_) {
    if (backend.child->running()) return;
  }
  loop_->Stop();
}

}  // namespace leasefs
