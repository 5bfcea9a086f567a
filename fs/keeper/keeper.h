// Keeper: root, small and single-threaded. Mounts, holds what must survive, keeps one fs and one process per backend
// running, reads the configuration file (and nothing else that anybody could have written), and unmounts at the end.
//
// It makes no system call on the mount and waits for no child: a child that does not answer is killed and replaced.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fs/base/loop.h"
#include "fs/config/config_reader.h"
#include "fs/config/options.h"
#include "fs/keeper/holdings.h"
#include "fs/keeper/reload.h"
#include "fs/keeper/service_manager.h"
#include "fs/keeper/supervised_child.h"

namespace leasefs {

enum ExitStatus : int {
  kExitOk = 0,
  kExitFailure = 1,
  kExitConfiguration = 78,  // EX_CONFIG of sysexits(3): a restart does not help
};

struct KeeperOptions {
  std::string config_path;                          // absolute: read again at a reload
  std::string child_executable = "/proc/self/exe";  // stays the running binary when the file is replaced
  SurvivingMemorySizes memory;
  SupervisedChild::Options fs_watch;  // names are set by the keeper
  // Patient: opening a store, with a passphrase or with many rows, holds its loop for as long as it takes.
  SupervisedChild::Options backend_watch{.missed_pings = 60};
  Duration ready_limit = std::chrono::seconds(30);  // READY=1 without a backend that is not ready by then
  Duration drain_limit = std::chrono::seconds(3);   // fs writes its audit records when the kernel has ended the mount
  Duration stop_limit = std::chrono::seconds(5);    // then children are killed
  Duration revoke_limit = std::chrono::seconds(30);  // the same, when leases are revoked before
};

class Keeper {
 public:
  Keeper(KeeperOptions options, Config config, const AccountDatabase& accounts);
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;

  // Until SIGTERM or SIGINT, or until fs cannot be started. Blocks these, SIGHUP and SIGUSR1 in the process. What goes
  // wrong is logged. To be called once.
  ExitStatus Run();

 private:
  struct BackendChild {
    std::string name;  // the backend's
    std::unique_ptr<SupervisedChild> child;
    bool lacks_key = false;  // a store: its process was started without one, since the key file could not be opened
  };

  // keeper.cc: life and signals
  Status Begin();
  Status WatchSignals();
  void WatchMounts();
  void MakeChildren();
  void OnSignal();
  void OnSignalNumber(uint32_t number);
  void MendMount();
  void MountAnew(bool fs_was_killed);
  void ReopenAuditFile();
  void UseAuditFile(UniqueFd file);
  void BeginStop(ExitStatus exit_status, bool revoke = false);
  void OnStopRequest(bool revoke);
  void KillAll();
  void StopIfAllDead();

  // keeper_children.cc: what children and reloads ask for
  SupervisedChild::Events FsEvents();
  SupervisedChild::Events BackendEvents(const std::string& name);
  void OnFsDeath(const std::string& how);
  void OnBackendDeath(const SupervisedChild& child, const std::string& how);
  void OnFsMessage(const ChildMessage& message);
  void OnBackendMessage(BackendChild& backend, const ChildMessage& message);
  Result<ChildSpec> PrepareBackend(const std::string& name, UniqueFd keeper_socket);
  Result<ChildSpec> PrepareStore(const BackendOptions& options, UniqueFd keeper_socket);
  void SendFile(const BackendChild& backend, uint64_t number);
  void SendKey(BackendChild& backend);
  void RetryKeys();
  void Connect(BackendChild& backend);
  void ConnectAnew(const std::string& name);
  void AnnounceIfReady(bool out_of_time);
  void TellStatus();
  std::string StatusText() const;
  const BackendOptions& FindBackend(const std::string& name) const;
  BackendChild& FindBackendChild(const std::string& name);
  Reload::Events ReloadEvents();
  Result<Config> LoadNewConfig();
  void OfferToFs(const Config& config, uint64_t generation);
  void OnAdopted(const Config& config);
  void OnReloadFinished(const std::vector<uint64_t>& numbers, const std::string& error);

  const KeeperOptions options_;
  const AccountDatabase& accounts_;
  ServiceManager service_manager_;
  std::unique_ptr<FdLoop> loop_;
  UniqueFd signals_;
  UniqueFd mounts_;  // /proc/self/mountinfo, which polls as changed
  Holdings holdings_;
  Reload reload_;
  std::optional<UniqueFd> next_audit_file_;  // of the configuration that is on its way, when it names another
  std::unique_ptr<SupervisedChild> fs_;
  std::vector<BackendChild> backends_;
  bool fs_was_ready_ = false;
  bool announced_ = false;  // READY=1 was sent
  bool stopping_ = false;
  bool mend_planned_ = false;
  bool key_retry_planned_ = false;
  ExitStatus exit_status_ = kExitOk;
};

}  // namespace leasefs
