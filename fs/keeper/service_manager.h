// What systemd is told (sd_notify(3), spoken by hand) and wants to hear. Without systemd every call does nothing.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "fs/base/time.h"
#include "fs/base/unique_fd.h"

namespace leasefs {

class ServiceManager {
 public:
  // From NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, which are taken out of the environment.
  ServiceManager();

  void Ready(std::string_view status);
  void Reloading();  // RELOADING=1 with MONOTONIC_USEC; ended by Ready
  void Stopping();
  void SetStatus(std::string_view status);
  // Call as often as the main work is known to go on; it is passed on a few times per WatchdogSec=.
  void Alive(BootTime now);

 private:
  void Send(std::string_view assignments);
  UniqueFd socket_;
  std::string address_;  // of the manager; empty: there is none
  Duration watchdog_{};  // between two WATCHDOG=1; zero: not asked for
  BootTime last_alive_{};
};

}  // namespace leasefs
