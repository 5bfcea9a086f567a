#include "backend/store/admin_server.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "backend/store/admin_verbs.h"
#include "backend/store/admin_wire.h"
#include "fs/base/log.h"
#include "fs/base/strings.h"

namespace leasefs {

using store_admin::AdminReply;
using store_admin::AdminRequest;
using store_admin::Right;
using store_admin::Verb;
using store_admin::VerbSpec;

namespace {

using std::chrono::seconds;

constexpr Duration kRecordTimeout = seconds(2);
constexpr Duration kAppliedTimeout = seconds(1);
constexpr Duration kUnlockPause = seconds(1);  // passphrases are not to be tried out, and each one costs much time
constexpr Duration kLogPause = seconds(1);
constexpr size_t kBackupPart = size_t{256} << 10;

// One request on its way.
struct Call {
  PeerCredentials peer;
  AdminRequest request;
  const VerbSpec& spec;
  PeerReply reply;
  protocol::Record record;
};
using CallPointer = std::shared_ptr<Call>;

void Answer(const Call& call, const AdminReply& reply) {
  SecretBuffer payload = reply.Encode();
  if (payload.size() > store_admin::kMaxAdminPayload) {
    AdminReply too_large;
    too_large.error = Error(ErrorKind::kTooLarge, "the answer is too long: ask for less, as a directory further down");
    payload = too_large.Encode();
  }
  call.reply.Finish(store_admin::kReplyFrame, std::move(payload));
}

void Refuse(const Call& call, Error error) {
  AdminReply reply;
  reply.error = std::move(error);
  Answer(call, reply);
}

protocol::Record RecordOf(const Call& call) {
  protocol::Record record;
  record.verb = call.spec.name;
  record.path = store_admin::PathForAudit(call.request);
  record.version = call.request.version;
  record.uid = call.peer.uid;
  record.gid = call.peer.gid;
  record.pid = static_cast<uint32_t>(call.peer.pid);
  return record;
}

// What takes many turns of the loop: the copying of a backup, or the end of a rekey. One at a time.
struct Job {
  CallPointer call;
  std::unique_ptr<StoreCopy> copy;  // null: a rekey
};

}  // namespace

struct AdminServer::Impl : std::enable_shared_from_this<AdminServer::Impl> {
  Impl(FdLoop& its_loop, StoreBackend& its_backend, BackendServer& its_fs, AdminOptions its_options)
      : loop(its_loop), backend(its_backend), fs(its_fs), options(its_options) {}

  void OnRequest(const PeerCredentials& peer, uint16_t type, std::span<const std::byte> payload, PeerReply reply);
  Status Admit(const Call& call);
  void Record(const CallPointer& call);
  void Perform(const CallPointer& call);
  void Fail(const Call& call, Error error);
  std::string CopyPath() const;
  Status StartJob(const CallPointer& call);
  void GoOnLater();
  void GoOn();
  Status StartSending(const CallPointer& call);
  void SendBackup(const CallPointer& call, const std::shared_ptr<UniqueFd>& copy);
  void LogGarbage(const PeerCredentials& peer, const std::string& what);

  FdLoop& loop;
  StoreBackend& backend;
  BackendServer& fs;
  AdminOptions options;
  BootTime next_unlock{};
  BootTime next_log{};
  uint64_t not_logged = 0;
  std::unique_ptr<Job> job;
  std::unique_ptr<PeerServer> peers;
};

void AdminServer::Impl::OnRequest(const PeerCredentials& peer, uint16_t type, std::span<const std::byte> payload,
                                  PeerReply reply) {
  Result<AdminRequest> request = type == store_admin::kRequestFrame
                                     ? AdminRequest::Decode(payload)
                                     : Error(ErrorKind::kInvalid, StrCat("a frame of type ", type));
  if (!request.ok()) return LogGarbage(peer, request.error().message());  // unanswered, so its connection is closed
  Verb verb = request->verb;
  auto call = std::make_shared<Call>(Call{peer, std::move(*request), store_admin::SpecOf(verb), std::move(reply), {}});
  call->record = RecordOf(*call);
  Status admitted = Admit(*call);
  if (!admitted.ok()) return Refuse(*call, std::move(admitted).error());
  if (!call->spec.recorded || (!options.audit_required && !fs.connected())) return Perform(call);
  Record(call);
}

Status AdminServer::Impl::Admit(const Call& call) {
  if (call.spec.right == Right::kReveal && !call.peer.IsRoot()) {
    protocol::Record refusal = call.record;
    refusal.allowed = false;
    refusal.outcome = ErrorKind::kDenied;
    fs.RecordAct(std::move(refusal), kRecordTimeout, [](bool) {});
    return Error(ErrorKind::kDenied, StrCat(call.spec.name, " is for root only: run it with sudo"));
  }
  if (call.spec.needs_store && !backend.is_open()) return backend.why_closed();
  LEASEFS_RETURN_IF_ERROR(call.spec.check(call.request));
  if (call.spec.verb != Verb::kUnlock) return Ok();
  if (loop.Now() < next_unlock) return Error(ErrorKind::kBusy, "one attempt to unlock a second: try again");
  next_unlock = loop.Now() + kUnlockPause;
  return Ok();
}

// What was allowed and recorded has not been done: the audit gets a second record, which says why.
void AdminServer::Impl::Fail(const Call& call, Error error) {
  if (call.spec.recorded) {
    protocol::Record record = call.record;
    record.allowed = false;
    record.outcome = error.kind();
    fs.RecordAct(std::move(record), kRecordTimeout, [](bool) {});
  }
  Refuse(call, std::move(error));
}

void AdminServer::Impl::Record(const CallPointer& call) {
  protocol::Record record = call->record;
  fs.RecordAct(std::move(record), kRecordTimeout, [weak = weak_from_this(), call](bool recorded) {
    auto self = weak.lock();
    if (!self || !call->reply.connected()) return;  // whoever asked does not wait for it any more: nothing has changed
    if (recorded || !self->options.audit_required) return self->Perform(call);
    Refuse(*call, Error(ErrorKind::kInternal, StrCat("the audit cannot record this ", call->spec.name,
                                                     ", so nothing was done: see `leasefs status`, then try again")));
  });
}

void AdminServer::Impl::Perform(const CallPointer& call) {
  if (call->spec.needs_store && !backend.is_open()) return Fail(*call, backend.why_closed());
  const bool takes_turns = call->spec.act == nullptr;
  if (job && (takes_turns || call->spec.verb == Verb::kRekey)) {
    return Fail(*call, Error(ErrorKind::kBusy, StrCat("a ", job->copy ? "backup" : "rekey",
                                                      " is under way: try again when it has ended")));
  }
  if (takes_turns) {
    Status started = StartJob(call);
    return started.ok() ? GoOnLater() : Fail(*call, std::move(started).error());
  }
  Result<AdminReply> result = call->spec.act(backend, call->request, call->peer.uid);
  if (call->spec.verb == Verb::kUnlock) next_unlock = loop.Now() + kUnlockPause;
  call->request = {};  // keys and values are not kept while the reply waits
  if (!result.ok()) return Fail(*call, std::move(result).error());
  if (!call->spec.changes) return Answer(*call, *result);
  auto reply = std::make_shared<AdminReply>(std::move(*result));
  fs.WhenApplied(kAppliedTimeout, [call, reply](bool applied) {
    reply->applied = applied;
    Answer(*call, *reply);
  });
}

std::string AdminServer::Impl::CopyPath() const {
  return backend.path() + ".backup";
}

Status AdminServer::Impl::StartJob(const CallPointer& call) {
  if (call->spec.verb != Verb::kBackup) {
    job = std::make_unique<Job>(Job{call, nullptr});
    return Ok();
  }
  LEASEFS_ASSIGN_OR_RETURN(copy, backend.store()->BeginCopy(CopyPath()));
  job = std::make_unique<Job>(Job{call, std::move(copy)});
  return Ok();
}

// A turn of the loop for each slice, so that readers, the keeper and other peers are answered in between.
void AdminServer::Impl::GoOnLater() {
  loop.After(Duration(0), [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->GoOn();
  });
}

void AdminServer::Impl::GoOn() {
  // Nobody waits for the copy any more. A rekey that has begun goes on: half of it is no state to stay in.
  if (job->copy && !job->call->reply.connected()) return job.reset();
  Result<bool> done = job->copy ? job->copy->Step() : backend.store()->FinishRekeySome();
  if (done.ok() && !*done) return GoOnLater();
  std::unique_ptr<Job> ended = std::move(job);
  if (!done.ok()) return Fail(*ended->call, std::move(done).error());
  if (!ended->copy) return Answer(*ended->call, AdminReply());
  ended->copy.reset();  // closes the file
  Status sending = StartSending(ended->call);
  if (!sending.ok()) Fail(*ended->call, std::move(sending).error());
}

// The copy loses its name at once and is then sent as fast as the peer takes it.
Status AdminServer::Impl::StartSending(const CallPointer& call) {
  const std::string path = CopyPath();
  auto copy = std::make_shared<UniqueFd>(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  int open_error = errno;
  unlink(path.c_str());
  if (!copy->valid()) return ErrnoError(StrCat("opening the backup ", path), open_error);
  SendBackup(call, copy);
  return Ok();
}

void AdminServer::Impl::SendBackup(const CallPointer& call, const std::shared_ptr<UniqueFd>& copy) {
  SecretBuffer part(kBackupPart);
  ssize_t size = read(copy->get(), part.ExposeMutable().data(), part.size());
  if (size < 0) return Fail(*call, ErrnoError("reading the backup", errno));
  if (size == 0) return Answer(*call, AdminReply());
  part.Resize(static_cast<size_t>(size));
  call->reply.Send(store_admin::kDataFrame, std::move(part));
  call->reply.WhenDrained(kBackupPart, [weak = weak_from_this(), call, copy] {
    if (auto self = weak.lock()) self->SendBackup(call, copy);
  });
}

void AdminServer::Impl::LogGarbage(const PeerCredentials& peer, const std::string& what) {
  if (loop.Now() < next_log) {
    ++not_logged;
    return;
  }
  std::string more = not_logged == 0 ? "" : StrCat(" (and ", not_logged, " more like it)");
  LogWarning(StrCat("uid ", peer.uid, ", pid ", peer.pid,
                    " sent no request to the store's socket and is disconnected: ", what, more));
  not_logged = 0;
  next_log = loop.Now() + kLogPause;
}

Result<std::unique_ptr<AdminServer>> AdminServer::Create(FdLoop& loop, UniqueFd listener, StoreBackend& backend,
                                                         BackendServer& fs, AdminOptions options) {
  auto impl = std::make_shared<Impl>(loop, backend, fs, options);
  for (const char* suffix : {"", "-wal", "-journal"})
    unlink((impl->CopyPath() + suffix).c_str());  // a predecessor died
  PeerServer::Options peer_options;
  peer_options.group = options.group;
  peer_options.timeout = options.peer_timeout;
  peer_options.max_payload = store_admin::kMaxAdminPayload;
  peer_options.too_much_type = store_admin::kReplyFrame;
  peer_options.too_much = [] {
    AdminReply reply;
    reply.error = Error(ErrorKind::kBusy, "too many large requests at once: nothing was done");
    return reply.Encode();
  };
  auto on_request = [weak = std::weak_ptr<Impl>(impl)](const PeerCredentials& peer, uint16_t type,
                                                       std::span<const std::byte> payload, PeerReply reply) {
    if (auto self = weak.lock()) self->OnRequest(peer, type, payload, std::move(reply));
  };
  LEASEFS_ASSIGN_OR_RETURN(peers, PeerServer::Create(loop, std::move(listener), peer_options, on_request));
  impl->peers = std::move(peers);
  return std::unique_ptr<AdminServer>(new AdminServer(std::move(impl)));
}

AdminServer::AdminServer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
AdminServer::~AdminServer() {
  impl_->peers.reset();
}

void AdminServer::SetAuditRequired(bool required) {
  impl_->options.audit_required = required;
}
PeerServer::Figures AdminServer::figures() const {
  return impl_->peers->figures();
}

}  // namespace leasefs
