// The document itself and the tables of plain settings: [limits], [audit], [memory].
#include "fs/base/strings.h"
#include "fs/config/bounds.h"
#include "fs/config/sections.h"

namespace leasefs {
namespace {

std::optional<Fault> RunDirectoryFault(std::string_view path) {
  if (auto fault = AbsolutePathFault(path)) return fault;
  if (path.size() <= bounds::kRunDirectoryBytes) return std::nullopt;
  return Fault{StrCat("is ", path.size(), " bytes long"),
               StrCat("give at most ", bounds::kRunDirectoryBytes, ", since socket paths are short")};
}

std::optional<Fault> OptionalFileFault(std::string_view path) {
  return path.empty() ? std::nullopt : AbsolutePathFault(path);
}

std::optional<Fault> SocketFault(std::string_view path) {
  if (path.empty()) return std::nullopt;
  if (auto fault = AbsolutePathFault(path)) return fault;
  if (path.size() <= bounds::kSocketPathBytes) return std::nullopt;
  return Fault{StrCat("is ", path.size(), " bytes long"), StrCat("a socket has at most ", bounds::kSocketPathBytes)};
}

// The users that the daemon's own processes become. A default is not looked up here: it is made by the installation.
void ReadIdentity(TableReader& document, Config& config) {
  const AccountDatabase& accounts = document.draft().accounts;
  auto user_fault = [&accounts](std::string_view name) -> std::optional<Fault> {
    if (name.size() <= bounds::kAccountNameBytes && accounts.User(std::string(name))) return std::nullopt;
    return Fault{StrCat("names the unknown user \"", Printable(name, 64), "\""), "create it or correct the name"};
  };
  auto group_fault = [&accounts](std::string_view name) -> std::optional<Fault> {
    if (name.size() <= bounds::kAccountNameBytes && accounts.Group(std::string(name))) return std::nullopt;
    return Fault{StrCat("names the unknown group \"", Printable(name, 64), "\""), "create it or correct the name"};
  };
  document.ReadString("user", config.user, user_fault);
  document.ReadString("backend_user", config.backend_user, user_fault);
  document.ReadString("group", config.group, group_fault);
}

void ReadLimits(TableReader table, LimitOptions& limits) {
  table.ReadDuration("deadline", bounds::kDeadlineMin, bounds::kDeadlineMax, limits.deadline);
  table.ReadInteger("waiting_secrets_per_uid", bounds::kWaitingMin, bounds::kWaitingMax,
                    limits.waiting_secrets_per_uid);
  table.ReadInteger("scoped_leases_per_uid", bounds::kScopedLeasesMin, bounds::kScopedLeasesMax,
                    limits.scoped_leases_per_uid);
  table.ReadSize("value", bounds::kValueMin, kHardMaxValueBytes, limits.value_bytes);
  table.ReadSize("memory", bounds::kMemoryMin, bounds::kMemoryMax, limits.memory_bytes);
  table.ReadInteger("names", bounds::kNamesMin, bounds::kNamesMax, limits.names);
  table.Finish();
}

void ReadAudit(TableReader table, AuditOptions& audit) {
  table.ReadBool("required", audit.required);
  table.ReadString("file", audit.file, OptionalFileFault);
  table.ReadBool("syslog", audit.syslog);
  table.ReadString("syslog_socket", audit.syslog_socket, SocketFault);
  table.Finish();
}

}  // namespace

void ReadDocument(const TomlValue& root, const std::string& file, Draft& draft) {
  TableReader document(root, file, "", TableReader::Kind::kSettings, draft);
  document.ReadString("mount", draft.config.mount, AbsolutePathFault);
  document.ReadString("run_directory", draft.config.run_directory, RunDirectoryFault);
  ReadIdentity(document, draft.config);
  if (auto table = document.ReadTable("limits")) ReadLimits(*table, draft.config.limits);
  if (auto table = document.ReadTable("audit")) ReadAudit(*table, draft.config.audit);
  if (auto table = document.ReadTable("memory")) {
    table->ReadBool("require_lock", draft.config.memory.require_lock);
    table->Finish();
  }
  ReadBackends(document);
  ReadTrees(document);
  ReadRules(document);
  ReadFiles(document);
  document.Finish();
}

}  // namespace leasefs
