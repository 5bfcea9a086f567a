// A daemon that does what the test says: listens on a socket and runs the script for each connection, on a thread of
// its own.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "backend/store/admin_wire.h"
#include "fs/base/unique_fd.h"

namespace leasefs::cli {

// One connection, as the script sees it. Blocking; a failed call ends quietly, the test notices by what the command
// says.
class PeerConnection {
 public:
  explicit PeerConnection(int fd) : fd_(fd) {}
  // The payload of the next frame, "" when there is none.
  SecretBuffer ReadFrame();
  void Write(std::string_view bytes);
  void WriteFrame(uint16_t type, const SecretBuffer& payload);
  void WaitForHangUp();

 private:
  bool ReadExactly(std::byte* to, size_t size);
  int fd_;
};

class ScriptedPeer {
 public:
  using Script = std::function<void(PeerConnection&)>;
  ScriptedPeer(const std::string& socket_path, Script script);
  ~ScriptedPeer();
  ScriptedPeer(const ScriptedPeer&) = delete;
  ScriptedPeer& operator=(const ScriptedPeer&) = delete;

 private:
  void Serve(const Script& script);
  UniqueFd listener_;
  UniqueFd stop_;
  std::thread thread_;
};

// A store that answers each request by `answer`, and remembers the requests.
class ScriptedStore {
 public:
  using Answer = std::function<store_admin::AdminReply(store_admin::AdminRequest&)>;
  ScriptedStore(const std::string& socket_path, Answer answer);
  std::vector<store_admin::AdminRequest>& requests() { return requests_; }  // while no command runs
  // Sent before each reply, as parts of a backup.
  void SetData(std::vector<std::string> parts) { data_ = std::move(parts); }

 private:
  std::vector<store_admin::AdminRequest> requests_;
  std::vector<std::string> data_;
  ScriptedPeer peer_;
};

}  // namespace leasefs::cli
