#include "fs/keeper/holdings.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "fs/base/aead.h"
#include "fs/base/log.h"
#include "fs/base/strings.h"
#include "fs/config/config_codec.h"
#include "fs/config/vault_part.h"
#include "fs/keeper/child_wire.h"
#include "fs/keeper/memory_files.h"
#include "fs/keeper/run_files.h"

namespace leasefs {
namespace {

// All that a child's environment may hold: how its log lines look.
constexpr const char* kPassedVariables[] = {"JOURNAL_STREAM", "NO_COLOR", "LEASEFS_LOG"};

constexpr gid_t kNoGroup = 65534;  // "nogroup", the kernel's overflow group

std::string StoreSocketPath(const std::string& run_directory, const std::string& backend) {
  return StrCat(run_directory, "/store-", backend, ".sock");
}

Result<RuleUser> ServiceUser(const AccountDatabase& accounts, const char* key, const std::string& name) {
  auto user = accounts.User(name);
  if (!user) {
    return Error(ErrorKind::kInvalid, StrCat(key, " = \"", Printable(name),
                                             "\": there is no such user: make it (systemd-sysusers "
                                             "leasefs.conf), or name another"));
  }
  // SECURITY: the whole point of the children is that they are not root.
  if (user->uid == 0) return Error(ErrorKind::kInvalid, StrCat(key, " = \"", Printable(name), "\": must not be root"));
  if (user->primary_group == 0) {
    return Error(ErrorKind::kInvalid,
                 StrCat(key, " = \"", Printable(name), "\": its primary group must not be root's"));
  }
  return *user;
}

Status ResolveAccounts(Holdings& holdings, const Config& config, const AccountDatabase& accounts) {
  LEASEFS_ASSIGN_OR_RETURN(fs_user, ServiceUser(accounts, "user", config.user));
  LEASEFS_ASSIGN_OR_RETURN(backend_user, ServiceUser(accounts, "backend_user", config.backend_user));
  if (fs_user.uid == backend_user.uid) {
    return Error(ErrorKind::kInvalid,
                 "user and backend_user are the same: each could read the other's memory; name two users");
  }
  auto group = accounts.Group(config.group);
  if (!group) {
    return Error(ErrorKind::kInvalid, StrCat("group = \"", Printable(config.group),
                                             "\": there is no such group: make it "
                                             "(systemd-sysusers leasefs.conf), or name another"));
  }
  holdings.fs_user = fs_user;
  holdings.backend_user = backend_user;
  holdings.group = *group;
  return Ok();
}

Status OpenSockets(Holdings& holdings, const Config& config) {
  LEASEFS_ASSIGN_OR_RETURN(control, ListenAt(config.run_directory + "/control.sock", holdings.group.gid));
  holdings.control_listener = std::move(control);
  for (const BackendOptions& backend : config.backends) {
    if (backend.type != BackendType::kStore) continue;
    LEASEFS_ASSIGN_OR_RETURN(store, ListenAt(StoreSocketPath(config.run_directory, backend.name), holdings.group.gid));
    holdings.store_listeners[backend.name] = std::move(store);
  }
  return Ok();
}

Status MakeMemories(Holdings& holdings, SurvivingMemorySizes sizes, Random& random) {
  LEASEFS_ASSIGN_OR_RETURN(slots, MakeStateMemory("leasefs-slots", sizes.slots));
  LEASEFS_ASSIGN_OR_RETURN(state, MakeStateMemory("leasefs-state", sizes.state));
  LEASEFS_ASSIGN_OR_RETURN(audit, MakeStateMemory("leasefs-audit", sizes.audit));
  holdings.slots_memory = std::move(slots);
  holdings.state_memory = std::move(state);
  holdings.audit_memory = std::move(audit);
  holdings.state_key = SecretBuffer(kKeyBytes);
  random.Fill(holdings.state_key.ExposeMutable());
  return Ok();
}

Status MakeLeaseMemories(Holdings& holdings, const Config& config, size_t bytes, Random& random) {
  holdings.lease_key = SecretBuffer(kKeyBytes);
  random.Fill(holdings.lease_key.ExposeMutable());
  for (const BackendOptions& backend : config.backends) {
    if (backend.type == BackendType::kStore) continue;
    LEASEFS_ASSIGN_OR_RETURN(memory, MakeStateMemory("leasefs-leases", bytes));
    holdings.lease_memories[backend.name] = std::move(memory);
  }
  return Ok();
}

Status Fill(Holdings& holdings, const Config& config, const AccountDatabase& accounts, SurvivingMemorySizes sizes,
            Random& random) {
  LEASEFS_RETURN_IF_ERROR(ResolveAccounts(holdings, config, accounts));
  LEASEFS_RETURN_IF_ERROR(PrepareRunDirectory(config.run_directory));
  LEASEFS_ASSIGN_OR_RETURN(lock, LockRunDirectory(config.run_directory));
  holdings.lock = std::move(lock);
  holdings.run_directory = config.run_directory;
  if (!config.audit.file.empty()) {
    LEASEFS_ASSIGN_OR_RETURN(audit_file, OpenAuditFile(config.audit.file));
    holdings.audit_file = std::move(audit_file);
  }
  LEASEFS_RETURN_IF_ERROR(OpenSockets(holdings, config));
  LEASEFS_RETURN_IF_ERROR(MakeMemories(holdings, sizes, random));
  LEASEFS_RETURN_IF_ERROR(MakeLeaseMemories(holdings, config, sizes.leases, random));
  LEASEFS_ASSIGN_OR_RETURN(procfs, OpenCallerProcfs());
  holdings.procfs = std::move(procfs);
  LEASEFS_ASSIGN_OR_RETURN(mount, FuseMount::Create(config.mount));
  holdings.mount = std::move(mount);
  return Ok();
}

std::vector<std::string> ChildEnvironment() {
  std::vector<std::string> environment;
  for (const char* name : kPassedVariables) {
    if (const char* value = std::getenv(name)) environment.push_back(StrCat(name, "=", value));
  }
  return environment;
}

// The keeper's own stays open for the next start of the child.
Status AddCopy(ChildSpec& spec, int number, int fd) {
  UniqueFd copy(fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (!copy) return ErrnoError("copying a descriptor", errno);
  spec.descriptors.push_back({number, std::move(copy)});
  return Ok();
}

// SECURITY: no part of the daemon may be in the group that may use the sockets, else fs could change a store. Often the
// user's primary group is just that one; then the process gets the group that owns nothing.
gid_t ChildGroup(const RuleUser& user, const RuleGroup& control_group) {
  return user.primary_group == control_group.gid ? kNoGroup : user.primary_group;
}

// `arguments`: those of the role.
Result<ChildSpec> CommonSpec(const std::string& executable, std::vector<std::string> arguments, const RuleUser& user,
                             const Holdings& holdings, const Config& config, UniqueFd keeper_socket,
                             const SecretBuffer& config_part) {
  ChildSpec spec;
  spec.executable = executable;
  spec.environment = ChildEnvironment();
  spec.arguments = {"leasefsd",
                    "--uid",
                    std::to_string(user.uid),
                    "--gid",
                    std::to_string(ChildGroup(user, holdings.group)),
                    "--peer-group",
                    std::to_string(holdings.group.gid)};
  if (config.memory.require_lock) spec.arguments.emplace_back("--require-lock");
  spec.arguments.insert(spec.arguments.end(), arguments.begin(), arguments.end());
  LEASEFS_ASSIGN_OR_RETURN(memory, MakeSealedMemory("leasefs-config", config_part.Expose()));
  spec.descriptors.push_back({kKeeperSocket, std::move(keeper_socket)});
  spec.descriptors.push_back({kConfigFile, std::move(memory)});
  return spec;
}

}  // namespace

Result<Holdings> Holdings::Acquire(const Config& config, const AccountDatabase& accounts, SurvivingMemorySizes sizes,
                                   Random& random) {
  Holdings holdings;
  Status filled = Fill(holdings, config, accounts, sizes, random);
  if (!filled.ok()) {
    holdings.GiveBack();
    return std::move(filled).error();
  }
  return holdings;
}

Status Holdings::MountAnew(const Config& config, SurvivingMemorySizes sizes, Random& random) {
  mount.reset();
  LEASEFS_RETURN_IF_ERROR(MakeMemories(*this, sizes, random));
  LEASEFS_ASSIGN_OR_RETURN(new_mount, FuseMount::Create(config.mount));
  mount = std::move(new_mount);
  return Ok();
}

void Holdings::GiveBack() {
  if (mount) mount->Detach();
  if (control_listener) unlink((run_directory + "/control.sock").c_str());
  for (const auto& [backend, listener] : store_listeners) unlink(StoreSocketPath(run_directory, backend).c_str());
  control_listener.Reset();
  store_listeners.clear();
}

Result<ChildSpec> FsSpec(const Holdings& holdings, const Config& config, uint64_t generation,
                         const std::string& executable, UniqueFd keeper_socket) {
  std::vector<std::string> arguments = {"--role", "fs", "--generation", std::to_string(generation)};
  LEASEFS_ASSIGN_OR_RETURN(spec, CommonSpec(executable, arguments, holdings.fs_user, holdings, config,
                                            std::move(keeper_socket), EncodeForFs(config)));
  LEASEFS_ASSIGN_OR_RETURN(key, MakeKeyPipe(holdings.state_key));
  spec.descriptors.push_back({kStateKeyPipe, std::move(key)});
  const std::pair<int, int> kept[] = {
      {kListener, holdings.control_listener.get()},     {kFuseDevice, holdings.mount->device()},
      {kSlotsMemory, holdings.slots_memory.get()},      {kStateMemory, holdings.state_memory.get()},
      {kAuditMemory, holdings.audit_memory.get()},      {kCallerProcfs, holdings.procfs.get()},
      {kAuditFileDescriptor, holdings.audit_file.get()}};
  for (const auto& [number, fd] : kept) {
    if (fd >= 0) LEASEFS_RETURN_IF_ERROR(AddCopy(spec, number, fd));
  }
  return std::move(spec);
}

Result<ChildSpec> StoreSpec(const Holdings& holdings, const Config& config, const BackendOptions& backend,
                            const std::string& executable, UniqueFd keeper_socket, Result<UniqueFd> key) {
  std::vector<std::string> arguments = {"--role", "store", "--name", backend.name};
  if (!key.ok()) {
    arguments.emplace_back("--key-problem");
    arguments.push_back(key.error().message());
  }
  LEASEFS_ASSIGN_OR_RETURN(
      spec, CommonSpec(executable, arguments, holdings.backend_user, holdings, config, std::move(keeper_socket),
                       EncodeForStore(backend, config.limits, config.audit)));
  LEASEFS_RETURN_IF_ERROR(AddCopy(spec, kListener, holdings.store_listeners.at(backend.name).get()));
  if (key.ok() && key->valid()) spec.descriptors.push_back({kStoreKeyFile, std::move(*key)});
  return std::move(spec);
}

Result<ChildSpec> VaultSpec(const Holdings& holdings, const Config& config, const BackendOptions& backend,
                            const std::string& executable, UniqueFd keeper_socket) {
  LEASEFS_ASSIGN_OR_RETURN(spec, CommonSpec(executable, {"--role", "vault", "--name", backend.name},
                                            holdings.backend_user, holdings, config, std::move(keeper_socket),
                                            EncodeForVault(config, backend)));
  LEASEFS_ASSIGN_OR_RETURN(key, MakeKeyPipe(DeriveKey(holdings.lease_key, {}, StrCat("leases of ", backend.name))));
  spec.descriptors.push_back({kStateKeyPipe, std::move(key)});
  LEASEFS_RETURN_IF_ERROR(AddCopy(spec, kLeaseMemory, holdings.lease_memories.at(backend.name).get()));
  return std::move(spec);
}

}  // namespace leasefs
