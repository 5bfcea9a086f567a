// Who is asking: the identity that the kernel put into the request, and what it lets us learn of the waiting thread.
#pragma once

#include <sys/types.h>

#include <string_view>
#include <vector>

#include "fs/base/result.h"

namespace leasefs {

// From the request's header. fsuid and fsgid of the calling thread. SECURITY: uid 0 with tid 0 is "unknown", never
// root, and 0xffffffff is an identity that could not be mapped; known() is false for both and such callers are denied
// (S21).
struct Caller {
  uid_t uid = 0;
  gid_t gid = 0;
  pid_t tid = 0;  // a thread's id, in the mounter's pid namespace
  bool known() const { return tid != 0 && uid != static_cast<uid_t>(-1) && gid != static_cast<gid_t>(-1); }
};

// A process: its id and, since ids are used again, when it started (clock ticks since boot).
struct ProcessId {
  pid_t pid = 0;
  uint64_t start = 0;
  bool operator==(const ProcessId&) const = default;
};

// Reads a caller's supplementary groups, and its process. Only valid between a request and its reply: then the thread
// cannot end, so that its id cannot be used again. Any thread; does a few system calls on procfs, which do not block on
// the network or the mount.
class GroupReader {
 public:
  virtual ~GroupReader() = default;
  // Sorted, without duplicates, without the caller's gid being added. kDenied when procfs does not know the thread or
  // its fsuid and fsgid are not those of the request.
  virtual Result<std::vector<gid_t>> Groups(const Caller& caller) const = 0;
  // The process of the calling thread. kDenied when procfs does not know it.
  virtual Result<ProcessId> Process(const Caller& caller) const = 0;
  // At any time. A zombie is not alive: its descriptors are closed.
  virtual bool Alive(const ProcessId& process) const = 0;
};

// Reads `TID/status` below `procfs`, a directory descriptor of a procfs that hides nobody; stays the owner's.
class ProcGroupReader : public GroupReader {
 public:
  explicit ProcGroupReader(int procfs) : procfs_(procfs) {}
  Result<std::vector<gid_t>> Groups(const Caller& caller) const override;
  Result<ProcessId> Process(const Caller& caller) const override;
  bool Alive(const ProcessId& process) const override;

 private:
  int procfs_;
};

// The parser, for tests and fuzzing. kDenied for anything that is not a complete status text or names another fsuid
// or fsgid.
Result<std::vector<gid_t>> ParseStatusGroups(std::string_view status, const Caller& caller);

// Of `TID/status` and `PID/stat`; 0 when it is not there, or when the process is dead.
pid_t ParseThreadGroup(std::string_view status);
uint64_t ParseStartOfLiving(std::string_view stat);

}  // namespace leasefs
