#include <cstdlib>
#include <utility>

#include "fs/base/log.h"
#include "fs/base/strings.h"
#include "fs/config/config_codec.h"
#include "fs/config/vault_part.h"
#include "fs/keeper/keeper.h"
#include "fs/keeper/log_lines.h"
#include "fs/keeper/memory_files.h"
#include "fs/keeper/process_limits.h"
#include "fs/keeper/run_files.h"

namespace leasefs {
namespace {

constexpr Duration kKeyRetry = std::chrono::seconds(1);

}  // namespace

SupervisedChild::Events Keeper::FsEvents() {
  SupervisedChild::Events events;
  events.prepare = [this](UniqueFd keeper_socket) {
    return FsSpec(holdings_, reload_.running(), reload_.generation(), options_.child_executable,
                  std::move(keeper_socket));
  };
  events.on_started = [this] {
    for (BackendChild& backend : backends_) Connect(backend);
  };
  events.on_ready = [this] {
    if (announced_) LogInfo("fs serves again");
    fs_was_ready_ = true;
    AnnounceIfReady(false);
    reload_.OnFsReady();
  };
  events.on_message = [this](const ChildMessage& message) { OnFsMessage(message); };
  events.on_pong = [this] { service_manager_.Alive(loop_->Now()); };
  events.on_death = [this](const std::string& how) { OnFsDeath(how); };
  return events;
}

SupervisedChild::Events Keeper::BackendEvents(const std::string& name) {
  SupervisedChild::Events events;
  events.prepare = [this, name](UniqueFd keeper_socket) { return PrepareBackend(name, std::move(keeper_socket)); };
  events.on_started = [this, name] { Connect(FindBackendChild(name)); };
  events.on_ready = [this] { AnnounceIfReady(false); };
  events.on_message = [this, name](const ChildMessage& message) { OnBackendMessage(FindBackendChild(name), message); };
  events.on_pong = [] {};
  events.on_death = [this, name](const std::string& how) { OnBackendDeath(*FindBackendChild(name).child, how); };
  return events;
}

Result<ChildSpec> Keeper::PrepareBackend(const std::string& name, UniqueFd keeper_socket) {
  const BackendOptions& options = FindBackend(name);
  if (options.type == BackendType::kStore) return PrepareStore(options, std::move(keeper_socket));
  return VaultSpec(holdings_, reload_.running(), options, options_.child_executable, std::move(keeper_socket));
}

Result<ChildSpec> Keeper::PrepareStore(const BackendOptions& options, UniqueFd keeper_socket) {
  Result<UniqueFd> key = OpenKeyFile(options.store.key);
  FindBackendChild(options.name).lacks_key = !key.ok();
  if (!key.ok()) {
    LogWarning(StrCat("store ", options.name, " starts locked: ", key.error().message()));
    RetryKeys();
  }
  return StoreSpec(holdings_, reload_.running(), options, options_.child_executable, std::move(keeper_socket),
                   std::move(key));
}

// A store that is open already does not look at it.
void Keeper::SendKey(BackendChild& backend) {
  const BackendOptions& options = FindBackend(backend.name);
  const KeySource& source = options.store.key;
  if (options.type != BackendType::kStore || source.kind == KeySource::Kind::kPassphrase) return;
  if (!backend.child->ready()) return;
  Result<UniqueFd> key = OpenKeyFile(source);
  if (!key.ok()) return;
  backend.lacks_key = false;
  backend.child->Send(ChildMessage::Make(ChildMessageType::kStoreKey, 0, "", std::move(*key)));
}

// The daemon may run before `leasefs store init` has made the key.
void Keeper::RetryKeys() {
  if (std::exchange(key_retry_planned_, true)) return;
  loop_->After(kKeyRetry, [this] {
    key_retry_planned_ = false;
    for (BackendChild& backend : backends_) {
      if (backend.lacks_key) SendKey(backend);
      if (backend.lacks_key) RetryKeys();
    }
  });
}

void Keeper::OnFsDeath(const std::string& how) {
  reload_.OnFsDeath();
  if (stopping_) return StopIfAllDead();
  if (!fs_was_ready_) {
    std::string reason = fs_->status().empty() ? how : fs_->status();
    LogError(StrCat("fs cannot start: ", reason));
    service_manager_.SetStatus(StrCat("fs cannot start: ", reason));
    return BeginStop(kExitFailure);
  }
  LogWarning(StrCat("fs ended (", how, "): its successor takes over"));
  if (holdings_.mount->Lost()) MountAnew(!how.starts_with("exit status"));
}

void Keeper::OnBackendDeath(const SupervisedChild& child, const std::string& how) {
  if (stopping_) return StopIfAllDead();
  LogWarning(StrCat(child.name(), " ended (", how, "): it is started again"));
}

void Keeper::OnFsMessage(const ChildMessage& message) {
  if (message.type == ChildMessageType::kReloadRequest) return reload_.Request(message.number);
  if (message.type == ChildMessageType::kConfigResult) return reload_.OnResult(message.number, message.text);
  if (message.type == ChildMessageType::kPeerRequest) return ConnectAnew(message.text);
  if (message.type == ChildMessageType::kStopRequest) return OnStopRequest(message.number == 1);
  TellStatus();
}

void Keeper::OnBackendMessage(BackendChild& backend, const ChildMessage& message) {
  SupervisedChild& child = *backend.child;
  if (message.type == ChildMessageType::kFileRequest) return SendFile(backend, message.number);
  if (message.type == ChildMessageType::kReloadRequest || message.type == ChildMessageType::kPeerRequest ||
      message.type == ChildMessageType::kStopRequest) {
    LogError(StrCat(child.name(), ": a backend asks for nothing of that kind: it is killed"));
    return child.Kill();
  }
  if (message.type == ChildMessageType::kConfigResult && !message.text.empty()) {
    LogError(StrCat(child.name(), " did not take the configuration over: ", message.text));
  }
  TellStatus();
}

// SECURITY: it asks by number, so that it gets the files of its own configuration and no others. Opened anew each time,
// since what lies there is replaced from time to time.
void Keeper::SendFile(const BackendChild& backend, uint64_t number) {
  const VaultOptions& vault = FindBackend(backend.name).vault;
  const std::vector<KeySource> files = VaultFiles(vault);
  Result<UniqueFd> file = Error(ErrorKind::kInvalid, "the configuration names no such file");
  if (number < files.size()) {
    file = vault.state_key == files[number] ? OpenKeyFile(files[number]) : OpenCredential(files[number]);
  }
  backend.child->Send(file.ok() ? ChildMessage::Make(ChildMessageType::kFile, number, "", std::move(*file))
                                : ChildMessage::Make(ChildMessageType::kFileProblem, number, file.error().message()));
}

void Keeper::Connect(BackendChild& backend) {
  if (!fs_->running() || !backend.child->running()) return;
  auto pair = MakeStreamPair();
  if (!pair.ok()) return LogError(StrCat("connecting fs and ", backend.child->name(), ": ", pair.error().message()));
  fs_->Send(ChildMessage::Make(ChildMessageType::kPeer, 0, backend.name, std::move(pair->first)));
  backend.child->Send(ChildMessage::Make(ChildMessageType::kPeer, 0, backend.name, std::move(pair->second)));
}

// One of the two ended the connection, since the other broke the protocol. A backend that is not there is connected
// when it starts.
void Keeper::ConnectAnew(const std::string& name) {
  for (BackendChild& backend : backends_) {
    if (backend.name != name || !backend.child->ready()) continue;
    LogWarning(StrCat("fs has lost ", backend.child->name(), ", which runs: they are connected again"));
    return Connect(backend);
  }
}

void Keeper::AnnounceIfReady(bool out_of_time) {
  if (announced_ || stopping_ || !fs_->ready()) return;
  bool all_ready = true;
  for (const BackendChild& backend : backends_) all_ready = all_ready && backend.child->ready();
  if (!all_ready && !out_of_time) return;
  announced_ = true;
  service_manager_.Ready(StatusText());
  LogInfo(StatusText());
}

void Keeper::TellStatus() {
  if (announced_ && !stopping_) service_manager_.SetStatus(StatusText());
}

std::string Keeper::StatusText() const {
  std::string text = StrCat("serving ", holdings_.mount->path(), ", configuration ", reload_.generation());
  for (const BackendChild& backend : backends_) {
    const std::string& status = backend.child->status();
    if (!backend.child->ready()) {
      text += StrCat("; ", backend.child->name(), ": not ready");
    } else if (!status.empty()) {
      text += StrCat("; ", backend.child->name(), ": ", status);
    }
  }
  return text;
}

const BackendOptions& Keeper::FindBackend(const std::string& name) const {
  for (const BackendOptions& backend : reload_.running().backends) {
    if (backend.name == name) return backend;
  }
  std::abort();  // backends do not come and go by a reload
}

Keeper::BackendChild& Keeper::FindBackendChild(const std::string& name) {
  for (BackendChild& backend : backends_) {
    if (backend.name == name) return backend;
  }
  std::abort();
}

Reload::Events Keeper::ReloadEvents() {
  Reload::Events events;
  events.load = [this] { return LoadNewConfig(); };
  events.offer = [this](const Config& config, uint64_t generation) { OfferToFs(config, generation); };
  events.adopted = [this](const Config& config) { OnAdopted(config); };
  events.finished = [this](const std::vector<uint64_t>& numbers, const std::string& error) {
    OnReloadFinished(numbers, error);
  };
  return events;
}

// With everything that can fail, so that nothing can once fs has agreed.
Result<Config> Keeper::LoadNewConfig() {
  service_manager_.Reloading();
  LEASEFS_ASSIGN_OR_RETURN(config, LoadConfig(options_.config_path, accounts_, {.key_files = KeyFileCheck::kAll}));
  next_audit_file_.reset();
  if (config.audit.file == reload_.running().audit.file) return std::move(config);
  next_audit_file_.emplace();
  if (!config.audit.file.empty()) {
    LEASEFS_ASSIGN_OR_RETURN(file, OpenAuditFile(config.audit.file));
    next_audit_file_ = std::move(file);
  }
  return std::move(config);
}

void Keeper::OfferToFs(const Config& config, uint64_t generation) {
  auto memory = MakeSealedMemory("leasefs-config", EncodeForFs(config).Expose());
  if (!memory.ok()) return reload_.OnResult(generation, memory.error().message());
  fs_->Send(ChildMessage::Make(ChildMessageType::kConfig, generation, "", std::move(*memory)));
}

void Keeper::OnAdopted(const Config& config) {
  CheckKernelRequestTimeout(config.limits.deadline);
  for (const std::string& warning : config.warnings) LogWarning(warning);
  if (next_audit_file_) UseAuditFile(std::move(*next_audit_file_));
  next_audit_file_.reset();
  for (BackendChild& backend : backends_) {
    const BackendOptions& options = FindBackend(backend.name);
    SecretBuffer part = options.type == BackendType::kStore ? EncodeForStore(options, config.limits, config.audit)
                                                            : EncodeForVault(config, options);
    auto memory = MakeSealedMemory("leasefs-config", part.Expose());
    if (memory.ok())
      backend.child->Send(ChildMessage::Make(ChildMessageType::kConfig, reload_.generation(), "", std::move(*memory)));
    SendKey(backend);
  }
}

void Keeper::OnReloadFinished(const std::vector<uint64_t>& numbers, const std::string& error) {
  if (stopping_) return;
  for (uint64_t number : numbers) fs_->Send(ChildMessage::Make(ChildMessageType::kReloadResult, number, error));
  if (error.empty()) {
    LogInfo(StrCat("configuration ", reload_.generation(), " is in force"));
    service_manager_.Ready(StatusText());
    return;
  }
  LogErrorLines(error);
  LogError("the configuration was not loaded: nothing was changed");
  service_manager_.Ready(StrCat("configuration not loaded: ", error, "; ", StatusText()));
}

}  // namespace leasefs
