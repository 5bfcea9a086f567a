// A socket with a loop behind it, on a thread of its own, and peers that talk to it by blocking calls.
#pragma once

#include <grp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "fs/base/frame.h"
#include "fs/base/loop.h"
#include "fs/base/secret_buffer.h"
#include "fs/base/unique_fd.h"

namespace leasefs {

class LoopThread {
 public:
  LoopThread() : loop_(std::move(FdLoop::Create()).value()), thread_([this] { loop_->Run(); }) {}
  ~LoopThread() {
    loop_->Stop();
    thread_.join();
  }
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;
  FdLoop& loop() { return *loop_; }
  // Runs on the loop's thread, and waits for it.
  template <class F>
  auto Do(F act) {
    std::packaged_task<decltype(act())()> task(std::move(act));
    auto done = task.get_future();
    loop_->Post([&task] { task(); });
    return done.get();
  }

 private:
  std::unique_ptr<FdLoop> loop_;
  std::thread thread_;
};

class SocketFolder {
 public:
  SocketFolder() {
    char path[] = "/tmp/leasefs-control-XXXXXX";
    path_ = mkdtemp(path);
    chmod(path_.c_str(), 0755);
  }
  ~SocketFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  SocketFolder(const SocketFolder&) = delete;
  SocketFolder& operator=(const SocketFolder&) = delete;
  std::string socket_path() const { return path_ + "/control.sock"; }

  // Anybody may connect as far as the file's mode goes, so that only the check of the peer is left.
  UniqueFd Listen() const {
    UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address = Address();
    if (bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) std::abort();
    if (chmod(socket_path().c_str(), 0666) != 0 || listen(listener.get(), 256) != 0) std::abort();
    return listener;
  }
  sockaddr_un Address() const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socket_path().copy(address.sun_path, sizeof(address.sun_path) - 1);
    return address;
  }

 private:
  std::string path_;
};

class SocketPeer {
 public:
  explicit SocketPeer(const SocketFolder& folder) : socket_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address = folder.Address();
    if (connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) socket_.Reset();
  }

  // False: the other side has closed.
  bool SendBytes(std::string_view bytes) {
    while (!bytes.empty()) {
      ssize_t n = send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }
  bool Send(uint16_t type, std::string_view payload) {
    return SendBytes(EncodeFrame(type, SecretBuffer::CopyOf(payload)).ExposeText());
  }
  bool SendSome(std::string_view bytes) {  // what fits at once
    return send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT) > 0;
  }

  struct Frame {
    uint16_t type = 0;
    std::string payload;
  };
  // Nothing: closed, or nothing came for ten seconds.
  std::optional<Frame> Receive() {
    std::string header = ReceiveBytes(FrameConnection::kHeaderBytes);
    if (header.size() < FrameConnection::kHeaderBytes) return std::nullopt;
    uint32_t size = 0;
    Frame frame;
    memcpy(&size, header.data(), sizeof(size));
    memcpy(&frame.type, header.data() + 4, sizeof(frame.type));
    frame.payload = ReceiveBytes(size);
    if (frame.payload.size() < size) return std::nullopt;
    return frame;
  }
  std::optional<Frame> Ask(uint16_t type, std::string_view payload) {
    if (!Send(type, payload)) return std::nullopt;
    return Receive();
  }
  // True once the other side has closed and sent nothing before.
  bool IsClosed() { return connected() && ReceiveBytes(1).empty() && closed_; }
  bool connected() const { return socket_.valid(); }
  void Close() { socket_.Reset(); }

 private:
  std::string ReceiveBytes(size_t size) {
    std::string bytes(size, '\0');
    size_t done = 0;
    while (done < size) {
      pollfd readable{socket_.get(), POLLIN, 0};
      if (poll(&readable, 1, 10'000) <= 0) break;
      ssize_t n = recv(socket_.get(), bytes.data() + done, size - done, 0);
      if (n <= 0) {
        closed_ = true;
        break;
      }
      done += static_cast<size_t>(n);
    }
    bytes.resize(done);
    return bytes;
  }

  UniqueFd socket_;
  bool closed_ = false;
};

// Runs `act` in a child that is another user; its exit status is the child's, 99 when it cannot become the user.
inline pid_t StartAsUser(uid_t uid, gid_t gid, const std::vector<gid_t>& groups, const std::function<int()>& act) {
  pid_t child = fork();
  if (child != 0) return child;
  bool changed =
      setgroups(groups.size(), groups.data()) == 0 && setresgid(gid, gid, gid) == 0 && setresuid(uid, uid, uid) == 0;
  _exit(changed ? act() : 99);
}

// -1 if it was killed.
inline int ExitStatusOf(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

inline int AsUser(uid_t uid, gid_t gid, const std::vector<gid_t>& groups, const std::function<int()>& act) {
  return ExitStatusOf(StartAsUser(uid, gid, groups, act));
}

}  // namespace leasefs
