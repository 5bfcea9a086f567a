#include "fs/fuse/session_core.h"

#include <linux/fuse.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

#include "fs/base/log.h"
#include "fs/base/strings.h"
#include "fs/fuse/init_exchange.h"
#include "fs/fuse/lowlevel.h"

namespace leasefs {

namespace {
thread_local Delivery* current_delivery = nullptr;
}  // namespace

Delivery* CurrentDelivery() {
  return current_delivery;
}

void SessionCore::Process(Delivery delivery) {
  Examined examined = ExamineRequest(delivery.raw);
  if (examined.malformed) metrics.CountMalformed();
  delivery.unique = examined.unique;
  delivery.opcode = examined.opcode;
  switch (examined.disposition) {
    case Disposition::kDeliver:
      Deliver(delivery);
      return;
    case Disposition::kInit:
      if (!init_accepted.load() && delivery.unique != kReplayUnique) slots.RecordInit(delivery.raw);
      Deliver(delivery);
      return;
    case Disposition::kInterrupt:
      Interrupt(InterruptedUnique(delivery.raw));
      return;
    case Disposition::kRefuse:
      metrics.Count(examined.error == EROFS ? Operation::kChange : Operation::kOther, true);
      ReplyRaw(examined.unique, examined.error);
      return;
    case Disposition::kDrop:
      return;
  }
}

void SessionCore::Deliver(Delivery& delivery) {
  fuse_buf buffer{};
  buffer.mem = const_cast<std::byte*>(delivery.raw.data());
  buffer.size = delivery.raw.size();
  current_delivery = &delivery;
  fuse_session_process_buf(session, &buffer);
  current_delivery = nullptr;
  // If the INTERRUPT came first, the gate did not know the request yet.
  if (delivery.parked && delivery.interrupted) gate.Interrupt(delivery.unique);
}

void SessionCore::Interrupt(uint64_t unique) {
  metrics.Count(Operation::kOther, false);
  // The mark first: either the gate knows the request already, or Add will see the mark.
  parked.MarkInterrupted(unique);
  gate.Interrupt(unique);
}

bool SessionCore::ReplyRaw(uint64_t unique, int error) {
  fuse_out_header header{};
  header.len = sizeof header;
  header.error = -error;
  header.unique = unique;
  iovec part{&header, sizeof header};
  return writev(device_fd, &part, 1) == static_cast<ssize_t>(sizeof header);
}

void SessionCore::GiveUp(const Examined& request) {
  metrics.CountGivenUp();
  LogError(StrCat("request ", request.unique, " (FUSE opcode ", request.opcode,
                  ") ended the process each time it was run; it is not run again"));
  if (!request.answered) return;
  bool answered = ReplyRaw(request.unique, EIO);
  // Not answered: the kernel has had a reply, perhaps a good one, and may use the handle.
  if (answered && request.opcode == FUSE_OPEN) gate.Abandon(request.unique);
}

void SessionCore::Complain(const std::string& text) {
  constexpr int64_t kInterval = std::chrono::nanoseconds(std::chrono::seconds(1)).count();
  int64_t now = ToNanoseconds(loop.Now());
  int64_t next = next_complaint_.load(std::memory_order_relaxed);
  if (now < next || !next_complaint_.compare_exchange_strong(next, now + kInterval)) return;
  LogError(text);
}

}  // namespace leasefs
