#include "fs/keeper/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "fs/base/log.h"
#include "fs/base/strings.h"

namespace leasefs {
namespace {

constexpr size_t kMaxStatus = 1000;
constexpr int kAlivePerPeriod = 4;

std::string TakeVariable(const char* name) {
  const char* value = std::getenv(name);
  std::string taken = value == nullptr ? "" : value;
  unsetenv(name);
  return taken;
}

uint64_t MonotonicMicroseconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);  // systemd compares with its own
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
}

}  // namespace

ServiceManager::ServiceManager() : address_(TakeVariable("NOTIFY_SOCKET")) {
  std::string period = TakeVariable("WATCHDOG_USEC");
  std::string pid = TakeVariable("WATCHDOG_PID");
  if (address_.empty()) return;
  if (pid.empty() || pid == std::to_string(getpid())) {
    watchdog_ = std::chrono::microseconds(std::strtoll(period.c_str(), nullptr, 10)) / kAlivePerPeriod;
  }
  if ((address_.front() != '/' && address_.front() != '@') || address_.size() >= sizeof(sockaddr_un::sun_path)) {
    address_.clear();
    return;
  }
  if (address_.front() == '@') address_.front() = '\0';
  socket_.Reset(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

void ServiceManager::Ready(std::string_view status) {
  Send(StrCat("READY=1\nSTATUS=", Printable(status, kMaxStatus)));
}
void ServiceManager::Reloading() {
  Send(StrCat("RELOADING=1\nMONOTONIC_USEC=", MonotonicMicroseconds()));
}
void ServiceManager::Stopping() {
  Send("STOPPING=1\nSTATUS=stopping");
}
void ServiceManager::SetStatus(std::string_view status) {
  Send(StrCat("STATUS=", Printable(status, kMaxStatus)));
}

void ServiceManager::Alive(BootTime now) {
  if (watchdog_ == Duration::zero() || now - last_alive_ < watchdog_) return;
  last_alive_ = now;
  Send("WATCHDOG=1");
}

void ServiceManager::Send(std::string_view assignments) {
  if (address_.empty() || !socket_) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, address_.data(), address_.size());
  auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
  ssize_t sent = sendto(socket_.get(), assignments.data(), assignments.size(), MSG_NOSIGNAL,
                        reinterpret_cast<const sockaddr*>(&address), length);
  if (sent < 0) LogWarning(StrCat("telling the service manager: ", std::strerror(errno)));
}

}  // namespace leasefs
