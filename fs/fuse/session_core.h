// What the parts of a session share, and the way of one request through them. Private to fs/fuse.
//
// Owned by FuseSession. Deliver and Interrupt may run on any thread; `init_accepted` is set by the one that answers
// INIT.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <string>

#include "fs/base/loop.h"
#include "fs/fuse/metrics.h"
#include "fs/fuse/notifier.h"
#include "fs/fuse/parked_requests.h"
#include "fs/fuse/raw_request.h"
#include "fs/fuse/request_slots.h"
#include "fs/secrets/gate.h"

struct fuse_session;

namespace leasefs {

// One request on its way from its bytes to the gate, on the thread that brings it.
struct Delivery {
  std::span<const std::byte> raw;
  uint64_t unique = 0;
  uint32_t opcode = 0;
  BootTime arrival{};
  uint8_t replays = 0;      // 0: this process read it
  bool has_record = false;  // a predecessor parked it
  // What became of it.
  bool parked = false;       // belongs to whoever answers it; nothing of it may be touched here any more
  bool interrupted = false;  // an INTERRUPT for it was seen before it was parked
};

struct SessionCore {
  SessionCore(const Loop& loop_in, Gate& gate_in, InodeNotifier& notifier_in, int device, RequestSlots memory)
      : loop(loop_in), gate(gate_in), notifier(notifier_in), device_fd(device), slots(memory), parked(memory) {}

  // Examines the bytes of one request and does what they say. `delivery.raw`, times and counts are the caller's.
  void Process(Delivery delivery);
  // Answers a request that ended the process too often.
  void GiveUp(const Examined& request);
  // An error that is the daemon's own fault, or the machine's: one line a second at most.
  void Complain(const std::string& text);
  // Writes a reply without a body past libfuse. False: the kernel does not know the request (any more).
  bool ReplyRaw(uint64_t unique, int error);

  const Loop& loop;
  Gate& gate;
  InodeNotifier& notifier;
  const int device_fd;
  fuse_session* session = nullptr;
  RequestSlots slots;
  ParkedRequests parked;
  SessionMetrics metrics;
  std::atomic<bool> init_accepted{false};
  // By slot: when the request at hand was read, 0 for idle.
  std::array<std::atomic<int64_t>, RequestSlots::kSlots> busy_since{};

 private:
  void Deliver(Delivery& delivery);
  void Interrupt(uint64_t unique);

  std::atomic<int64_t> next_complaint_{0};
};

// The request that this thread is delivering; null on threads that only answer.
Delivery* CurrentDelivery();

}  // namespace leasefs
