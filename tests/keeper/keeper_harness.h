// A keeper in a process of its own, with fake children, below a temporary folder. Everything that it started, mounted
// or wrote is gone when the harness is, also after a failure.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "fs/base/unique_fd.h"
#include "fs/keeper/keeper.h"

namespace leasefs {

// "leasefs" (60001), "leasefs-backend" (60002, whose primary group it is) and the group "leasefs" (60003), whatever the
// host has.
const AccountDatabase& TestAccounts();

class KeeperHarness {
 public:
  KeeperHarness();
  ~KeeperHarness();
  KeeperHarness(const KeeperHarness&) = delete;
  KeeperHarness& operator=(const KeeperHarness&) = delete;

  std::string Path(const std::string& name) const { return folder_ + "/" + name; }
  KeeperOptions& options() { return options_; }

  void WriteConfig(const std::string& extra = "") const;  // a store "local", a tree, and what `extra` says
  void Tell(const std::string& behaviour) const;          // a file beside the fake child
  void Untell(const std::string& behaviour) const;
  void WriteFile(const std::string& name, const std::string& text, mode_t mode) const;

  // Runs the keeper; `before` runs in its process first.
  void Start(const std::function<void()>& before = {});
  bool StartAndWaitUntilReady();
  pid_t pid() const { return pid_; }
  void Signal(int number) const;
  std::optional<int> WaitForExit();  // status, -signal, or nothing after ten seconds

  std::vector<std::string> Lines(const std::string& containing) const;  // of the fake children
  std::string Log() const;                                              // what the keeper said
  std::vector<std::string> Notifications();                             // all that systemd would have heard
  bool Heard(const std::string& text);
  pid_t ChildPid(const std::string& role) const;  // of its last start
  bool Mounted() const;

  static bool WaitFor(const std::function<bool()>& condition);  // at most ten seconds

 private:
  std::string folder_;
  KeeperOptions options_;
  UniqueFd notify_;
  std::vector<std::string> notifications_;
  pid_t pid_ = 0;
};

}  // namespace leasefs
