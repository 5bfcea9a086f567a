#include "backend/store/admin_verbs.h"

#include <algorithm>
#include <array>

#include "fs/base/aead.h"
#include "fs/base/strings.h"

namespace leasefs::store_admin {
namespace {

Error Invalid(std::string message) {
  return {ErrorKind::kInvalid, std::move(message)};
}

Status AcceptAnything(const AdminRequest&) {
  return Ok();
}

Status CheckSecretNamed(const AdminRequest& request) {
  if (request.path.empty()) return Invalid("no secret is named: say which, as in web/tls");
  return Ok();
}

Status CheckPuts(const AdminRequest& request) {
  if (request.puts.empty()) return Invalid("there is nothing to put: name a key and where its value comes from");
  for (const Store::Put& put : request.puts) {
    if (put.secret.empty()) return Invalid("a key without a secret: say to which path it belongs, as in web/tls");
  }
  return Ok();
}

Status CheckPut(const AdminRequest& request) {
  if (request.puts.size() > 1) return Invalid("put takes one secret; import takes many");
  return CheckPuts(request);
}

Status CheckRollback(const AdminRequest& request) {
  if (request.version == 0) return Invalid("no version is named: `leasefs history` shows which there are");
  return CheckSecretNamed(request);
}

Status CheckKey(const AdminRequest& request) {
  const StoreKey& key = request.key;
  if (key.bytes.empty()) return Invalid("no key was given: a key file, or a passphrase that is not empty");
  if (key.kind == StoreKey::Kind::kRaw && key.bytes.size() != kKeyBytes)
    return Invalid("that is no key of a store: it has 32 bytes");
  return Ok();
}

// `keys` of `fields`, all of them when none is named.
Status Choose(std::vector<protocol::Field>& fields, const std::vector<std::string>& keys, const std::string& secret) {
  for (const std::string& key : keys) {
    if (std::any_of(fields.begin(), fields.end(), [&](const protocol::Field& field) { return field.key == key; }))
      continue;
    return Error(ErrorKind::kNotFound,
                 StrCat(Printable(secret), " has no key ", Printable(key), ": `leasefs ls` shows its keys"));
  }
  if (keys.empty()) return Ok();
  std::erase_if(fields, [&](const protocol::Field& field) {
    return std::find(keys.begin(), keys.end(), field.key) == keys.end();
  });
  return Ok();
}

Result<AdminReply> Put(StoreBackend& backend, AdminRequest& request, uint32_t author) {
  AdminReply reply;
  LEASEFS_ASSIGN_OR_RETURN(versions, backend.Apply(std::move(request.puts), author, "put"));
  reply.versions = std::move(versions);
  return reply;
}

Result<AdminReply> Import(StoreBackend& backend, AdminRequest& request, uint32_t author) {
  AdminReply reply;
  LEASEFS_ASSIGN_OR_RETURN(versions, backend.Apply(std::move(request.puts), author, "import"));
  reply.versions = std::move(versions);
  return reply;
}

Result<AdminReply> Get(StoreBackend& backend, AdminRequest& request, uint32_t /*author*/) {
  LEASEFS_ASSIGN_OR_RETURN(got, backend.store()->Get(request.path, request.version));
  LEASEFS_RETURN_IF_ERROR(Choose(got.second, request.keys, request.path));
  AdminReply reply;
  reply.versions.push_back(got.first);
  reply.fields = std::move(got.second);
  return reply;
}

Result<AdminReply> List(StoreBackend& backend, AdminRequest& request, uint32_t /*author*/) {
  AdminReply reply;
  if (request.recursive) {
    reply.paths = backend.store()->Secrets(request.path);
    if (reply.paths.empty() && !request.path.empty()) {
      return Error(ErrorKind::kNotFound,
                   StrCat("nothing at ", Printable(request.path), ": `leasefs ls` shows what there is"));
    }
    return reply;
  }
  LEASEFS_ASSIGN_OR_RETURN(entries, backend.store()->List(request.path));
  reply.entries = std::move(entries);
  return reply;
}

Result<AdminReply> Remove(StoreBackend& backend, AdminRequest& request, uint32_t author) {
  LEASEFS_RETURN_IF_ERROR(backend.Remove(request.path, request.keys, author));
  return AdminReply();
}

Result<AdminReply> History(StoreBackend& backend, AdminRequest& request, uint32_t /*author*/) {
  AdminReply reply;
  LEASEFS_ASSIGN_OR_RETURN(history, backend.store()->History(request.path));
  reply.history = std::move(history);
  return reply;
}

Result<AdminReply> Rollback(StoreBackend& backend, AdminRequest& request, uint32_t author) {
  AdminReply reply;
  LEASEFS_ASSIGN_OR_RETURN(version, backend.Rollback(request.path, request.version, author));
  reply.versions.push_back(version);
  return reply;
}

Result<AdminReply> Unlock(StoreBackend& backend, AdminRequest& request, uint32_t /*author*/) {
  LEASEFS_RETURN_IF_ERROR(backend.TryOpen(request.key));
  return AdminReply();
}

Result<AdminReply> Rekey(StoreBackend& backend, AdminRequest& request, uint32_t /*author*/) {
  LEASEFS_RETURN_IF_ERROR(backend.store()->Rekey(request.key));
  return AdminReply();
}

Result<AdminReply> TellStatus(StoreBackend& backend, AdminRequest& /*request*/, uint32_t /*author*/) {
  AdminReply reply;
  reply.state = backend.StateText();
  if (backend.is_open()) reply.figures = backend.store()->figures();
  return reply;
}

// In the order of Verb. Columns: recorded, needs_store, changes.
constexpr std::array kVerbs = {
    VerbSpec{Verb::kPut, "put", Right::kOperate, true, true, true, CheckPut, Put},
    VerbSpec{Verb::kGet, "get", Right::kReveal, true, true, false, CheckSecretNamed, Get},
    VerbSpec{Verb::kList, "ls", Right::kObserve, false, true, false, AcceptAnything, List},
    VerbSpec{Verb::kRemove, "rm", Right::kOperate, true, true, true, CheckSecretNamed, Remove},
    VerbSpec{Verb::kHistory, "history", Right::kObserve, false, true, false, CheckSecretNamed, History},
    VerbSpec{Verb::kRollback, "rollback", Right::kOperate, true, true, true, CheckRollback, Rollback},
    VerbSpec{Verb::kImport, "import", Right::kOperate, true, true, true, CheckPuts, Import},
    VerbSpec{Verb::kUnlock, "unlock", Right::kReveal, true, false, true, CheckKey, Unlock},
    VerbSpec{Verb::kRekey, "rekey", Right::kReveal, true, true, false, CheckKey, Rekey},
    VerbSpec{Verb::kFinishRekey, "rekey-end", Right::kReveal, true, true, false, AcceptAnything, nullptr},
    VerbSpec{Verb::kBackup, "backup", Right::kReveal, true, true, false, AcceptAnything, nullptr},
    VerbSpec{Verb::kStatus, "status", Right::kObserve, false, false, false, AcceptAnything, TellStatus},
};

constexpr bool TableIsInOrder() {
  for (size_t i = 0; i < kVerbs.size(); ++i) {
    if (static_cast<size_t>(kVerbs[i].verb) != i || kVerbs[i].name.size() > protocol::kMaxVerbBytes) return false;
  }
  return kVerbs.size() == static_cast<size_t>(kLastVerb) + 1;
}
static_assert(TableIsInOrder());

std::string CommonDirectory(const std::string& a, const std::string& b) {
  size_t same = static_cast<size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
  auto ends = [same](const std::string& path) { return same == path.size() || path[same] == '/'; };
  if (ends(a) && ends(b)) return a.substr(0, same);
  size_t slash = a.substr(0, same).rfind('/');
  return slash == std::string::npos ? "" : a.substr(0, slash);
}

}  // namespace

const VerbSpec& SpecOf(Verb verb) {
  return kVerbs[static_cast<size_t>(verb)];
}

std::string PathForAudit(const AdminRequest& request) {
  if (request.puts.empty()) return request.path;
  std::string common = request.puts.front().secret;
  for (const Store::Put& put : request.puts) common = CommonDirectory(common, put.secret);
  return common;
}

}  // namespace leasefs::store_admin
