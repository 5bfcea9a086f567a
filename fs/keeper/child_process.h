// Starting and reaping one child: fork and exec with exactly the descriptors it needs. Blocks for the fork only.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "fs/base/result.h"
#include "fs/base/unique_fd.h"

namespace leasefs {

struct ChildSpec {
  std::string executable;
  std::vector<std::string> arguments;    // argv, with argv[0]
  std::vector<std::string> environment;  // all of it
  struct Descriptor {
    int number;  // in the child; 3 or above
    UniqueFd fd;
  };
  // Descriptor 0 and 1 of the child are /dev/null, 2 is the keeper's; any other that is not named here is closed.
  std::vector<Descriptor> descriptors;
};

// A child in a session of its own, so that a terminal's Ctrl-C reaches the keeper only, with no signal blocked.
class ChildProcess {
 public:
  // The caller is single-threaded. An exec that fails is seen as exit status 127.
  static Result<ChildProcess> Spawn(const ChildSpec& spec);

  pid_t pid() const { return pid_; }
  int pidfd() const { return pidfd_.get(); }  // readable when the child is dead
  void Kill() const;                          // SIGKILL
  void KillAndReap() const;                   // blocks until it is dead
  // How it ended, in words ("exit status 1"), and that it is gone; nothing while it lives.
  std::optional<std::string> Reap() const;
  // After Kill: it is not gone, and yet none of its threads will run a program's code again.
  bool HeldUpInKernel() const;

 private:
  ChildProcess(pid_t pid, UniqueFd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}
  std::optional<std::string> Wait(int flags) const;
  pid_t pid_;
  UniqueFd pidfd_;
};

// Of a process that was sent SIGKILL, by its /proc/PID/task: every thread left is dead or in an uninterruptible wait,
// after which it dies before it gets back to its program. One that cannot be looked at, or runs, makes it false.
bool OnlyDeadOrUninterruptible(const std::string& task_directory);

}  // namespace leasefs
