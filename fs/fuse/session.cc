#include "fs/fuse/session.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstring>
#include <vector>

#include "fs/base/log.h"
#include "fs/base/strings.h"
#include "fs/fuse/init_exchange.h"
#include "fs/fuse/operations.h"
#include "fs/fuse/worker.h"

namespace leasefs {

namespace {

constexpr uint32_t kMaxReplays = 3;
constexpr auto kNotifierBound = std::chrono::milliseconds(500);

struct SessionDeleter {
  void operator()(fuse_session* session) const { fuse_session_destroy(session); }
};
using SessionHandle = std::unique_ptr<fuse_session, SessionDeleter>;

void Log(enum fuse_log_level, const char* format, va_list arguments) {
  char text[512];
  vsnprintf(text, sizeof text, format, arguments);
  text[strcspn(text, "\n")] = '\0';
  LogWarning(text);
}

void Init(void*, fuse_conn_info* connection) noexcept {
  ChooseCapabilities(connection);
}

ssize_t WriteDevice(int fd, iovec* parts, int count, void* userdata) noexcept {
  auto& core = *static_cast<SessionCore*>(userdata);
  const Delivery* delivery = CurrentDelivery();
  if (delivery != nullptr && delivery->opcode == FUSE_INIT) [[unlikely]] {
    const auto* header = static_cast<const fuse_out_header*>(parts[0].iov_base);
    if (header->error == 0) {
      PatchInitReply(delivery->raw, std::span(parts, static_cast<size_t>(count)));
      core.init_accepted.store(true);
    } else if (!core.init_accepted.load()) {
      core.slots.ForgetInit();
    }
    if (header->unique == kReplayUnique)
      return static_cast<ssize_t>(header->len);  // the kernel had its answer long ago
  }
  ssize_t written;
  do {
    written = writev(fd, parts, count);
  } while (written < 0 && errno == EINTR);  // the signal that wakes workers
  return written;
}

// libfuse's own loop is not used.
ssize_t ReadDevice(int fd, void* buffer, size_t size, void*) noexcept {
  return read(fd, buffer, size);
}

// Takes a descriptor of its own, since libfuse closes it.
Result<SessionHandle> MakeSession(SessionCore* core) {
  fuse_lowlevel_ops operations{};
  operations.init = Init;
  SetNameOperations(&operations);
  SetFileOperations(&operations);
  SetAttributeOperations(&operations);
  SetChangeOperations(&operations);
  char name[] = "leasefs";
  char* argv[] = {name, nullptr};
  fuse_args arguments = FUSE_ARGS_INIT(1, argv);
  SessionHandle session(fuse_session_new(&arguments, &operations, sizeof operations, core));
  fuse_opt_free_args(&arguments);
  if (session == nullptr) return Error(ErrorKind::kInternal, "libfuse makes no session");
  int fd = fcntl(core->device_fd, F_DUPFD_CLOEXEC, 3);
  if (fd < 0) return ErrnoError("duplicating the FUSE device", errno);
  fuse_custom_io io{};
  io.read = ReadDevice;
  io.writev = WriteDevice;
  if (int error = fuse_session_custom_io(session.get(), &io, fd); error != 0) {
    close(fd);
    return ErrnoError("handing the FUSE device to libfuse", -error);
  }
  return session;
}

}  // namespace

size_t SlotsMemoryBytes() {
  return RequestSlots::kBytes;
}

std::string_view OperationName(Operation operation) {
  switch (operation) {
    case Operation::kLookup:
      return "lookup";
    case Operation::kGetAttributes:
      return "getattr";
    case Operation::kOpen:
      return "open";
    case Operation::kRead:
      return "read";
    case Operation::kRelease:
      return "release";
    case Operation::kOpenDirectory:
      return "opendir";
    case Operation::kReadDirectory:
      return "readdir";
    case Operation::kReleaseDirectory:
      return "releasedir";
    case Operation::kAccess:
      return "access";
    case Operation::kStatFs:
      return "statfs";
    case Operation::kGetExtendedAttribute:
      return "getxattr";
    case Operation::kListExtendedAttributes:
      return "listxattr";
    case Operation::kChange:
      return "change";
    case Operation::kOther:
      return "other";
  }
  std::abort();
}

struct FuseSession::Impl {
  Impl(const Options& options, RequestSlots slots)
      : core(options.loop, options.gate, options.notifier, options.device_fd, slots), on_over(options.on_over) {}

  void Over();
  Status RecoverInit();
  void RecoverParked(const ParkedRequests::Survivor& survivor);
  void RecoverSlot(size_t slot);
  BootTime ArrivalOf(int64_t recorded) const;

  SessionCore core;
  const std::function<void()> on_over;
  SessionHandle session;
  std::vector<std::unique_ptr<Worker>> workers;
  std::atomic<bool> over{false};
};

FuseSession::FuseSession(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<FuseSession>> FuseSession::Create(const Options& options) {
  LEASEFS_ASSIGN_OR_RETURN(slots, RequestSlots::Attach(options.slots_memory));
  auto impl = std::make_unique<Impl>(options, slots);
  fuse_set_log_func(Log);
  LEASEFS_ASSIGN_OR_RETURN(session, MakeSession(&impl->core));
  impl->session = std::move(session);
  impl->core.session = impl->session.get();
  return std::unique_ptr<FuseSession>(new FuseSession(std::move(impl)));
}

FuseSession::~FuseSession() {
  Stop();
  impl_->core.notifier.Stop();  // it uses the session
  for (const auto& owner : impl_->core.parked.TakeOwners()) owner->Leave();
}

// A crash between the read and this leaves no arrival: the deadline then starts again. So does one from the future.
BootTime FuseSession::Impl::ArrivalOf(int64_t recorded) const {
  BootTime now = core.loop.Now();
  return recorded == 0 ? now : std::min(now, BootTimeFromNanoseconds(recorded));
}

// An INIT that is still in its slot may not have been answered: it is run as any other, before everything else, since
// libfuse answers EIO until it has seen one.
Status FuseSession::Impl::RecoverInit() {
  for (size_t slot = 0; slot < RequestSlots::kSlots; ++slot) {
    if (ExamineRequest(core.slots.request(slot)).disposition == Disposition::kInit) RecoverSlot(slot);
  }
  if (core.init_accepted.load() || core.slots.init().empty()) return Ok();
  std::span<const std::byte> recorded = core.slots.init();
  std::vector<std::byte> request(recorded.begin(), recorded.end());
  memcpy(request.data() + offsetof(fuse_in_header, unique), &kReplayUnique, sizeof kReplayUnique);
  Delivery delivery;
  delivery.raw = request;
  core.Process(delivery);
  if (core.init_accepted.load()) return Ok();
  return Error(ErrorKind::kInternal,
               "the recorded FUSE INIT is refused; stop leasefsd, so that it unmounts, and start it again");
}

void FuseSession::Impl::RecoverParked(const ParkedRequests::Survivor& survivor) {
  RequestSlots::ParkedRecord& record = core.parked.record(survivor.record);
  // A copy: the record is freed, and may be used again, as soon as the request is answered.
  std::vector<std::byte> request(record.bytes().begin(), record.bytes().end());
  if (record.replays >= kMaxReplays) {
    core.parked.Remove(survivor.unique);
    core.GiveUp(ExamineRequest(request));
    return;
  }
  ++record.replays;
  core.metrics.CountReplayed();
  Delivery delivery;
  delivery.raw = request;
  delivery.arrival = ArrivalOf(record.arrival);
  delivery.replays = record.replays;
  delivery.has_record = true;
  core.Process(delivery);
  core.parked.RemoveUnowned(survivor.unique);
}

void FuseSession::Impl::RecoverSlot(size_t slot) {
  RequestSlots::SlotState& state = core.slots.state(slot);
  std::span<const std::byte> request = core.slots.request(slot);
  if (request.empty()) return;
  Examined examined = ExamineRequest(request);
  if (core.parked.Contains(examined.unique) && examined.disposition != Disposition::kInterrupt) {
    // It was parked, and the slot not yet freed.
  } else if (state.replays >= kMaxReplays) {
    core.GiveUp(examined);
  } else {
    ++state.replays;
    core.metrics.CountReplayed();
    Delivery delivery;
    delivery.raw = request;
    delivery.arrival = ArrivalOf(state.arrival);
    delivery.replays = static_cast<uint8_t>(state.replays);
    core.Process(delivery);
  }
  core.slots.Free(slot);
}

Status FuseSession::Recover() {
  SessionCore& core = impl_->core;
  LEASEFS_RETURN_IF_ERROR(impl_->RecoverInit());
  for (const ParkedRequests::Survivor& survivor : core.parked.Survivors()) impl_->RecoverParked(survivor);
  auto is_interrupt = [&](size_t slot) {
    return ExamineRequest(core.slots.request(slot)).disposition == Disposition::kInterrupt;
  };
  // Interrupts last: what they mean must be known again by then.
  for (size_t slot = 0; slot < RequestSlots::kSlots; ++slot) {
    if (!is_interrupt(slot)) impl_->RecoverSlot(slot);
  }
  for (size_t slot = 0; slot < RequestSlots::kSlots; ++slot) impl_->RecoverSlot(slot);
  return Ok();
}

void FuseSession::Impl::Over() {
  if (!over.exchange(true) && on_over) on_over();
}

Status FuseSession::Start(size_t workers) {
  if (workers == 0 || workers > kMaxWorkers) {
    return Error(ErrorKind::kInvalid, StrCat("number of FUSE workers: ", workers, " is not in 1..", kMaxWorkers));
  }
  static_assert(kMaxWorkers == RequestSlots::kSlots);
  Worker::InstallWakeSignal();
  impl_->core.notifier.Start([session = impl_->session.get()](uint64_t inode) {
    return fuse_lowlevel_notify_inval_inode(session, inode, 0, 0);
  });
  for (size_t i = 0; i < workers; ++i) {
    impl_->workers.push_back(std::make_unique<Worker>(impl_->core, i, [impl = impl_.get()] { impl->Over(); }));
    impl_->workers.back()->Start();
  }
  return Ok();
}

void FuseSession::Stop() {
  // First the notifier: the READ that it may be waiting for is answered by a worker.
  if (!impl_->core.notifier.StopWithin(kNotifierBound)) LogWarning("the kernel holds up a notification");
  impl_->workers.clear();
}

void FuseSession::ProcessForTest(std::span<const std::byte> request) {
  Delivery delivery;
  delivery.raw = request;
  delivery.arrival = impl_->core.loop.Now();
  impl_->core.Process(delivery);
}

bool FuseSession::over() const {
  return impl_->over.load();
}

BootTime FuseSession::BusySince() const {
  BootTime since = kNever;
  for (const auto& busy : impl_->core.busy_since) {
    int64_t nanoseconds = busy.load(std::memory_order_relaxed);
    if (nanoseconds != 0) since = std::min(since, BootTimeFromNanoseconds(nanoseconds));
  }
  return since;
}

FuseSession::Counters FuseSession::counters() const {
  Counters counters;
  impl_->core.metrics.CopyTo(&counters);
  ParkedRequests::Counts parked = impl_->core.parked.counts();
  counters.parked = parked.waiting;
  counters.parked_ever = parked.ever;
  counters.park_refused = parked.refused;
  counters.notifier = impl_->core.notifier.counts();
  return counters;
}

}  // namespace leasefs
