#include "fs/main/vault_process.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "backend/http/curl_library.h"
#include "backend/http/http_client.h"
#include "backend/lease/file_lease_list.h"
#include "backend/lease/machine.h"
#include "backend/lease/memory_records.h"
#include "backend/server.h"
#include "backend/store/store.h"
#include "backend/vault/vault_source.h"
#include "fs/base/log.h"
#include "fs/base/stream.h"
#include "fs/base/strings.h"
#include "fs/config/vault_part.h"
#include "fs/keeper/keeper.h"
#include "fs/keeper/memory_files.h"
#include "fs/main/child_runtime.h"
#include "fs/main/keeper_files.h"
#include "fs/main/pending_backend.h"
#include "fs/main/read_file.h"
#include "fs/main/tls_files.h"
#include "fs/main/vault_wiring.h"

namespace leasefs {
namespace {

constexpr size_t kMaxConfigBytes = size_t{16} << 20;
constexpr size_t kMaxBootId = 64;  // a UUID and a newline are 37
constexpr Duration kReportPeriod = std::chrono::seconds(1);
// An address that failed is taken to be down until so long after the next attempt was allowed: nobody has tried since.
constexpr Duration kStillDown = std::chrono::minutes(1);
constexpr Duration kStartLimit = std::chrono::seconds(2);  // readers wait so long for it; files take milliseconds
constexpr Duration kRevokeLimit = std::chrono::seconds(25);  // less than the keeper waits,
constexpr Duration kMintLimit = std::chrono::seconds(3);     // and so is this, for mints and logins that are under way
constexpr Duration kConnectAgain = std::chrono::seconds(5);

class VaultProcess {
 public:
  Status Serve();

 private:
  Status Prepare();
  void ReadStateKey();
  Status OpenList(Result<SecretBuffer> text);
  Status Connect();
  void UsePem(TlsFiles::Pem pem);
  void OnMessage(ChildMessage message);
  Status TakeConfig(int fd);
  void BeginStop(bool revoke);
  void LogWhatIsLeft();
  void TellProblem(const std::string& problem);
  void TellReport();
  void TellHealth(const std::string& why);
  void LogLogins(const protocol::Report& report);

  VaultPart part_;
  vault::VaultSettings settings_;
  std::unique_ptr<FdLoop> loop_;
  std::optional<lease::MemoryRecords> records_;
  std::unique_ptr<KeeperLink> keeper_;
  std::unique_ptr<KeeperFiles> files_;
  std::unique_ptr<TlsFiles> tls_;
  PendingBackend backend_;
  std::unique_ptr<BackendServer> server_;
  // Made anew when a reload changes the connection.
  std::unique_ptr<http::HttpClient> http_;
  std::unique_ptr<vault::VaultSource> source_;
  std::unique_ptr<lease::LeaseList> list_;
  std::unique_ptr<lease::LeaseMachine> machine_;
  Loop::TimerId report_timer_ = Loop::kNoTimer;
  std::string told_problem_;  // that stands in the way of the first connection
  std::string list_problem_;  // that there is no list of live leases
  bool down_ = false;  // as the log has it, and so on
  std::map<std::string, bool> login_fails_;
  bool leaving_ = false, stopping_ = false;
};

ServerOptions ServerOptionsOf(const VaultPart& part) {
  ServerOptions options;
  options.value_bytes = part.value_bytes;
  return options;
}

Status VaultProcess::Prepare() {
  LEASEFS_ASSIGN_OR_RETURN(bytes, ReadSealedMemory(kConfigFile, kMaxConfigBytes));
  LEASEFS_ASSIGN_OR_RETURN(part, DecodeForVault(bytes.Expose()));
  part_ = std::move(part);
  LEASEFS_ASSIGN_OR_RETURN(settings, VaultSettingsOf(part_));
  settings_ = std::move(settings);
  LEASEFS_ASSIGN_OR_RETURN(key, ReadKeyPipe(kStateKeyPipe, kKeyBytes));
  close(kStateKeyPipe);
  LEASEFS_ASSIGN_OR_RETURN(loop, FdLoop::Create());
  loop_ = std::move(loop);
  LEASEFS_ASSIGN_OR_RETURN(memory, MapSurvivingMemory(kLeaseMemory, lease::MemoryRecords::kDefaultBytes));
  LEASEFS_ASSIGN_OR_RETURN(records, lease::MemoryRecords::Attach(memory, AeadKey(std::move(key)), loop_->random()));
  records_.emplace(std::move(records));
  LEASEFS_ASSIGN_OR_RETURN(keeper,
                           KeeperLink::Create(*loop_, [this](ChildMessage message) { OnMessage(std::move(message)); }));
  keeper_ = std::move(keeper);
  files_ = std::make_unique<KeeperFiles>(*loop_, VaultFiles(part_.vault), [this](uint64_t number) {
    keeper_->Send(ChildMessageType::kFileRequest, number);
  });
  server_ = std::make_unique<BackendServer>(*loop_, backend_, ServerOptionsOf(part_));
  TellReport();
  tls_ = std::make_unique<TlsFiles>(*loop_, *files_, settings_);
  loop_->After(kStartLimit, [this] {
    if (backend_.IsStarting()) backend_.SetProblem(StrCat("backend ", part_.name, ": it is still reading its files"));
  });
  tls_->Start([this](TlsFiles::Pem pem) { UsePem(std::move(pem)); },
              [this](const std::string& problem) { TellProblem(problem); });
  return Ok();
}

Status VaultProcess::Serve() {
  LEASEFS_RETURN_IF_ERROR(Prepare());
  keeper_->Send(ChildMessageType::kReady);
  loop_->Run();
  return Ok();
}

void VaultProcess::TellReport() {
  loop_->Cancel(report_timer_);
  report_timer_ = loop_->After(kReportPeriod, [this] { TellReport(); });
  if (machine_ == nullptr) return;
  protocol::Report report = machine_->Report();
  if (!part_.vault.state_key) {
    report.note = list_problem_;
  } else if (!list_problem_.empty()) {
    report.problems.push_back(list_problem_);
  }
  std::vector<std::string> failing;
  bool down = true;
  for (const http::AddressReport& address : http_->Addresses()) {
    const bool lately = address.ready_at == kNever || loop_->Now() - address.ready_at < kStillDown;
    down &= lately && !address.last_error.empty();
    if (!address.last_error.empty()) failing.push_back(StrCat(address.address, ": ", address.last_error));
  }
  TellHealth(down ? failing.front() : "");
  report.problems.insert(report.problems.end(), failing.begin() + (down ? 1 : 0), failing.end());
  LogLogins(report);
  backend_.TellReport(std::move(report));
}

// `why` it is down; "": it is not.
void VaultProcess::TellHealth(const std::string& why) {
  const bool down = !why.empty();
  backend_.TellHealth(down ? protocol::HealthState::kDown : protocol::HealthState::kUp, why);
  if (down == std::exchange(down_, down)) return;
  if (down) return LogWarning(StrCat("backend ", part_.name, " is down: ", why));
  LogInfo(StrCat("backend ", part_.name, " answers, or was not asked for a while"));
}

// What no reader is told of. Once: it goes on until the next line about that login.
void VaultProcess::LogLogins(const protocol::Report& report) {
  for (const protocol::ReportIdentity& identity : report.identities) {
    const bool fails = !identity.problem.empty();
    if (fails == std::exchange(login_fails_[identity.name], fails)) continue;
    const std::string login = StrCat("backend ", part_.name, ", ", identity.Title());
    if (fails) LogWarning(StrCat(login, ": ", identity.problem));
    if (!fails) LogInfo(StrCat(login, " is well again"));
  }
}

// What there was to connect with was not enough, or does not belong together.
void VaultProcess::TellProblem(const std::string& problem) {
  const std::string words = StrCat("backend ", part_.name, ": ", problem);
  if (http_ != nullptr) return LogWarning(StrCat(words, "; what was read before stays in use"));
  if (words == std::exchange(told_problem_, words)) return;
  LogError(words);
  keeper_->Send(ChildMessageType::kStatus, 0, problem);
  backend_.SetProblem(words);
}

void VaultProcess::UsePem(TlsFiles::Pem pem) {
  settings_.connection.transport.tls.pem = pem;
  if (http_ == nullptr) return ReadStateKey();
  if (pem == nullptr) return;
  Status used = http_->UsePem(std::move(pem));
  if (!used.ok()) TellProblem(used.error().message());
}

// Without a list all works but one thing: what a power cut leaves behind runs out by itself.
void VaultProcess::ReadStateKey() {
  auto connect = [this](const Status& list) {
    list_problem_ = list.ok() ? ""
                              : StrCat(list.error().message(),
                                       ": leases are not listed on disk, and those of before a power cut are not "
                                       "revoked");
    Status connected = http_ == nullptr ? Connect() : Ok();
    if (connected.ok()) return;
    TellProblem(connected.error().message());
    loop_->After(kConnectAgain, [this] {
      if (http_ == nullptr) ReadStateKey();
    });
  };
  const auto& key = part_.vault.state_key;
  if (!key) return connect(Error(ErrorKind::kNotFound, "no state_key is set"));
  files_->Read(key->name, [this, connect](Result<SecretBuffer> text) {
    if (http_ == nullptr) connect(OpenList(std::move(text)));  // else a change of the PEM made us ask twice
  });
}

Status VaultProcess::OpenList(Result<SecretBuffer> text) {
  if (!text.ok()) return std::move(text).error().Context("state_key");
  LEASEFS_ASSIGN_OR_RETURN(key, ParseKeyFile(*text));
  UniqueFd file(open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
  if (!file) return ErrnoError("boot_id", errno);
  LEASEFS_ASSIGN_OR_RETURN(boot, ReadAtMost("boot_id", file.get(), kMaxBootId));
  const std::string path =
      part_.vault.state_file.empty() ? StrCat("/var/lib/leasefs/", part_.name, ".leases") : part_.vault.state_file;
  LEASEFS_ASSIGN_OR_RETURN(
      list, lease::FileLeaseList::Open(*loop_, path, AeadKey(std::move(key)), std::string(boot.ExposeText())));
  list_ = std::move(list);
  return Ok();
}

Status VaultProcess::Connect() {
  LEASEFS_ASSIGN_OR_RETURN(http, http::HttpClient::Create(settings_.connection, *loop_));
  http_ = std::move(http);
  source_ = std::make_unique<vault::VaultSource>(*loop_, *http_, *files_, settings_, &*records_);
  machine_ = std::make_unique<lease::LeaseMachine>(*loop_, *source_, *records_, MachineOptionsOf(part_), list_.get());
  keeper_->Send(ChildMessageType::kStatus, 0, "");
  backend_.Use(*machine_);
  TellReport();
  return Ok();
}

void VaultProcess::OnMessage(ChildMessage message) {
  switch (message.type) {
    case ChildMessageType::kPing:
      return keeper_->Send(ChildMessageType::kPong, message.number);
    case ChildMessageType::kPeer:
      return server_->Connect(MakeFdStream(*loop_, std::move(message.descriptors.front())));
    case ChildMessageType::kConfig: {
      Status taken = TakeConfig(message.descriptors.front().get());
      return keeper_->Send(ChildMessageType::kConfigResult, message.number, taken.ok() ? "" : taken.error().message());
    }
    case ChildMessageType::kFile:
      return files_->OnFile(message.number, std::move(message.descriptors.front()));
    case ChildMessageType::kFileProblem:
      return files_->OnProblem(message.number, message.text);
    case ChildMessageType::kStop:
      return BeginStop(message.number == 1);
    case ChildMessageType::kReady:
    case ChildMessageType::kPong:
    case ChildMessageType::kAuditFile:
    case ChildMessageType::kStoreKey:
    case ChildMessageType::kStopRequest:
    case ChildMessageType::kReloadRequest:
    case ChildMessageType::kPeerRequest:
    case ChildMessageType::kReloadResult:
    case ChildMessageType::kFileRequest:
    case ChildMessageType::kConfigResult:
    case ChildMessageType::kStatus:
      LogError("the keeper sent what is not for a vault");
      _exit(kExitFailure);
  }
}

// Where the server is and how to log in is taken over by a restart of this process, which costs no reader anything:
// what it holds survives it.
Status VaultProcess::TakeConfig(int fd) {
  LEASEFS_ASSIGN_OR_RETURN(bytes, ReadSealedMemory(fd, kMaxConfigBytes));
  LEASEFS_ASSIGN_OR_RETURN(part, DecodeForVault(bytes.Expose()));
  if (leaving_) return Ok();  // the successor reads the newest
  const bool same_server = part.vault == part_.vault;
  part_ = std::move(part);
  if (!same_server) {
    LogInfo(StrCat("backend ", part_.name, " starts again with its new configuration"));
    leaving_ = true;
    if (machine_ == nullptr) {
      loop_->Stop();
    } else {
      machine_->Leave(kMintLimit, [this] { loop_->Stop(); });
    }
    return Ok();
  }
  server_->SetOptions(ServerOptionsOf(part_));
  if (machine_ != nullptr) machine_->SetOptions(MachineOptionsOf(part_));
  return Ok();
}

// `leasefs stop --revoke` points here.
void VaultProcess::LogWhatIsLeft() {
  const protocol::Report left = machine_->Report();
  const std::string backend = StrCat("backend ", part_.name, ": ");
  for (const protocol::ReportLease& lease : left.leases) {
    LogWarning(StrCat(backend, "a lease of ", Printable(lease.secret), " could not be revoked, and runs out",
                      lease.problem.empty() ? "" : StrCat(": ", lease.problem)));
  }
  for (const std::string& problem : left.problems) LogWarning(StrCat(backend, problem));
}

void VaultProcess::BeginStop(bool revoke) {
  if (std::exchange(stopping_, true)) return;
  revoke = revoke || part_.vault.on_stop == VaultOptions::OnStop::kRevoke;
  if (machine_ == nullptr) {
    if (revoke) LogWarning(StrCat("backend ", part_.name, ": nothing is revoked, since it has no connection yet"));
    return loop_->Stop();
  }
  machine_->Stop(revoke, revoke ? kRevokeLimit : kMintLimit, [this, revoke] {
    if (revoke) LogWhatIsLeft();
    loop_->Stop();
  });
}

Status Run(const Arguments& arguments) {
  LEASEFS_RETURN_IF_ERROR(BeginChild(arguments, StrCat("vault ", arguments.name), "leasefsd-vault", Network::kHost));
  LEASEFS_RETURN_IF_ERROR(http::SetUpCurl());
  return VaultProcess().Serve();
}

}  // namespace

int RunVault(const Arguments& arguments) {
  Status run = Run(arguments);
  return run.ok() ? kExitOk : FailChild(run.error());
}

}  // namespace leasefs
