#include "fs/main/store_process.h"

#include <unistd.h>

#include <array>
#include <memory>
#include <utility>

#include "backend/server.h"
#include "backend/store/admin_server.h"
#include "backend/store/store_backend.h"
#include "fs/base/log.h"
#include "fs/base/stream.h"
#include "fs/base/strings.h"
#include "fs/config/config_codec.h"
#include "fs/keeper/keeper.h"
#include "fs/keeper/memory_files.h"
#include "fs/main/child_runtime.h"
#include "fs/main/read_file.h"

namespace leasefs {
namespace {

constexpr size_t kMaxConfigBytes = size_t{1} << 20;
constexpr size_t kMaxKeyFile = 4096;
constexpr Duration kStatusPeriod = std::chrono::seconds(1);

ServerOptions ServerOptionsOf(const StorePart& part) {
  ServerOptions options;
  options.value_bytes = part.value_bytes;
  return options;
}

class StoreProcess {
 public:
  explicit StoreProcess(const Arguments& arguments) : arguments_(arguments) {}
  Status Serve();

 private:
  Status Prepare();
  void Unlock();
  void UnlockWith(UniqueFd key_file);
  void OnMessage(ChildMessage message);
  Status TakeConfig(int fd);
  void TellStatus();

  const Arguments& arguments_;
  StorePart part_;
  std::unique_ptr<FdLoop> loop_;
  std::unique_ptr<StoreBackend> backend_;
  std::unique_ptr<BackendServer> server_;
  std::unique_ptr<AdminServer> admin_;
  std::unique_ptr<KeeperLink> keeper_;
  std::string told_status_;
};

Status StoreProcess::Prepare() {
  LEASEFS_ASSIGN_OR_RETURN(bytes, ReadSealedMemory(kConfigFile, kMaxConfigBytes));
  LEASEFS_ASSIGN_OR_RETURN(part, DecodeForStore(bytes.Expose()));
  part_ = std::move(part);
  LEASEFS_ASSIGN_OR_RETURN(loop, FdLoop::Create());
  loop_ = std::move(loop);
  StoreSettings settings;
  settings.keep_versions = part_.keep_versions;
  settings.value_bytes = part_.value_bytes;
  backend_ = std::make_unique<StoreBackend>(*loop_, StoreBackend::Options{part_.name, part_.path, settings});
  server_ = std::make_unique<BackendServer>(*loop_, *backend_, ServerOptionsOf(part_));
  AdminOptions options;
  options.group = arguments_.peer_group;
  options.audit_required = part_.audit_required;
  LEASEFS_ASSIGN_OR_RETURN(admin, AdminServer::Create(*loop_, UniqueFd(kListener), *backend_, *server_, options));
  admin_ = std::move(admin);
  LEASEFS_ASSIGN_OR_RETURN(keeper,
                           KeeperLink::Create(*loop_, [this](ChildMessage message) { OnMessage(std::move(message)); }));
  keeper_ = std::move(keeper);
  return Ok();
}

Status StoreProcess::Serve() {
  LEASEFS_RETURN_IF_ERROR(Prepare());
  Unlock();
  TellStatus();
  keeper_->Send(ChildMessageType::kReady);
  loop_->Run();
  return Ok();
}

// A store that cannot be opened is served all the same: as locked, with the reason.
void StoreProcess::Unlock() {
  if (!arguments_.key_problem.empty()) return backend_->StayLocked(arguments_.key_problem);
  if (part_.key == KeySource::Kind::kPassphrase) {
    return backend_->StayLocked(
        StrCat("its passphrase has not been given: run `leasefs store unlock ", part_.name, "`"));
  }
  UnlockWith(UniqueFd(kStoreKeyFile));
}

void StoreProcess::UnlockWith(UniqueFd key_file) {
  Result<SecretBuffer> text = ReadAtMost("reading the key file", key_file.get(), kMaxKeyFile + 1);
  Result<SecretBuffer> key = text.ok() ? ParseKeyFile(*text) : std::move(text);
  if (!key.ok()) return backend_->StayLocked(StrCat(key.error().message(), "; correct it, then `leasefs reload`"));
  Status opened = backend_->TryOpen({StoreKey::Kind::kRaw, std::move(*key)});
  if (!opened.ok()) LogWarning(opened.error().message());
}

void StoreProcess::OnMessage(ChildMessage message) {
  switch (message.type) {
    case ChildMessageType::kPing:
      return keeper_->Send(ChildMessageType::kPong, message.number);
    case ChildMessageType::kPeer:
      return server_->Connect(MakeFdStream(*loop_, std::move(message.descriptors.front())));
    case ChildMessageType::kConfig: {
      Status taken = TakeConfig(message.descriptors.front().get());
      return keeper_->Send(ChildMessageType::kConfigResult, message.number, taken.ok() ? "" : taken.error().message());
    }
    case ChildMessageType::kStoreKey:
      return backend_->is_open() ? void() : UnlockWith(std::move(message.descriptors.front()));
    case ChildMessageType::kStop:
      return loop_->Stop();
    case ChildMessageType::kReady:
    case ChildMessageType::kPong:
    case ChildMessageType::kAuditFile:
    case ChildMessageType::kReloadRequest:
    case ChildMessageType::kPeerRequest:
    case ChildMessageType::kStopRequest:
    case ChildMessageType::kFile:
    case ChildMessageType::kFileProblem:
    case ChildMessageType::kFileRequest:
    case ChildMessageType::kReloadResult:
    case ChildMessageType::kConfigResult:
    case ChildMessageType::kStatus:
      LogError("the keeper sent what is not for a store");
      _exit(kExitFailure);
  }
}

Status StoreProcess::TakeConfig(int fd) {
  LEASEFS_ASSIGN_OR_RETURN(bytes, ReadSealedMemory(fd, kMaxConfigBytes));
  LEASEFS_ASSIGN_OR_RETURN(part, DecodeForStore(bytes.Expose()));
  part_ = std::move(part);
  server_->SetOptions(ServerOptionsOf(part_));
  backend_->SetLimits(part_.keep_versions, part_.value_bytes);
  admin_->SetAuditRequired(part_.audit_required);
  return Ok();
}

// For systemd's status line; the backend itself says more by Health.
void StoreProcess::TellStatus() {
  std::string status = backend_->StateText();
  if (status != told_status_) keeper_->Send(ChildMessageType::kStatus, 0, status);
  told_status_ = std::move(status);
  loop_->After(kStatusPeriod, [this] { TellStatus(); });
}

Status Run(const Arguments& arguments) {
  LEASEFS_RETURN_IF_ERROR(BeginChild(arguments, StrCat("store ", arguments.name), "leasefsd-store"));
  return StoreProcess(arguments).Serve();
}

}  // namespace

int RunStore(const Arguments& arguments) {
  Status run = Run(arguments);
  return run.ok() ? kExitOk : FailChild(run.error());
}

}  // namespace leasefs
