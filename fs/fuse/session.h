// FuseSession: a libfuse low-level session over a /dev/fuse that somebody else holds, which can be taken over from a
// process that died.
//
// Reads requests into slots of surviving memory, hands them to the gate and writes the replies. Owned by main; the
// gate, the loop, the notifier, the device and the memory outlive it. Order: Create, Recover (answers what a
// predecessor had read and not answered), Start, Stop. Create, Recover, Start, Stop and the destructor on one thread;
// the rest from any thread. It may be destroyed only when the gate makes no call any more; requests that still wait
// then stay in the memory for a successor.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "fs/base/loop.h"
#include "fs/base/result.h"
#include "fs/base/time.h"
#include "fs/fuse/notifier.h"
#include "fs/secrets/gate.h"

namespace leasefs {

// The size of the slots memory (a sparse memfd): a successor must find the same.
size_t SlotsMemoryBytes();

enum class Operation : uint8_t {
  kLookup,
  kGetAttributes,
  kOpen,
  kRead,
  kRelease,
  kOpenDirectory,
  kReadDirectory,
  kReleaseDirectory,
  kAccess,
  kStatFs,
  kGetExtendedAttribute,
  kListExtendedAttributes,
  kChange,  // everything that is answered EROFS
  kOther,
};
inline constexpr size_t kOperationCount = static_cast<size_t>(Operation::kOther) + 1;
std::string_view OperationName(Operation operation);  // "lookup", "getattr", … for status

class FuseSession {
 public:
  static constexpr size_t kMaxWorkers = 16;

  struct Options {
    int device_fd = -1;                 // /dev/fuse (blocking), or a SOCK_SEQPACKET socket in tests; stays the caller's
    std::span<std::byte> slots_memory;  // SlotsMemoryBytes(), page-aligned, zeros or what a predecessor left
    const Loop& loop;                   // for the time only
    Gate& gate;
    InodeNotifier& notifier;
    std::function<void()>
        on_over;  // may be empty; once, on a worker's thread: the mount is gone, nothing more will come
  };
  struct OperationCounts {
    uint64_t count = 0;
    uint64_t errors = 0;  // answered with an errno, whatever it was
  };
  struct Counters {
    std::array<OperationCounts, kOperationCount> operations;
    uint64_t replayed = 0;   // requests of a predecessor that were run again
    uint64_t given_up = 0;   // answered EIO, since running them ended the process too often
    uint64_t malformed = 0;  // refused before anything looked into them
    uint64_t parked = 0;     // waiting now
    uint64_t parked_ever = 0;
    uint64_t park_refused = 0;  // no record was free
    InodeNotifier::Counts notifier;
  };

  // kInvalid when the memory is not ours or was laid out by another version.
  static Result<std::unique_ptr<FuseSession>> Create(const Options& options);
  ~FuseSession();
  FuseSession(const FuseSession&) = delete;
  FuseSession& operator=(const FuseSession&) = delete;

  // Runs the recorded INIT again, then what a predecessor had read and not answered: parked requests, slots,
  // interrupts. A request that is here for the fourth time is answered EIO. On fresh memory it does nothing.
  Status Recover();
  // Starts `workers` threads (1..kMaxWorkers) and the notifier.
  Status Start(size_t workers);
  // Ends the threads at a request's boundary and waits for them; no request is lost. The notifier, which the kernel may
  // hold up, is waited for half a second. Also done by the destructor, which waits for it to the end.
  void Stop();

  // The mount is gone (ENODEV) or the peer closed the socket.
  bool over() const;
  // When the request that the busiest worker is at was begun; kNever when all are idle. For the watchdog.
  BootTime BusySince() const;
  Counters counters() const;

  // One request on the calling thread, as if a worker had read it, from memory that ends where it ends. Not while
  // workers run.
  void ProcessForTest(std::span<const std::byte> request);

 private:
  struct Impl;
  explicit FuseSession(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace leasefs
