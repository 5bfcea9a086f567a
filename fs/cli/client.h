// The command's side of the daemon's sockets: connect, one request frame, one reply. Blocking, with bounds on time and
// size.
//
// SECURITY: whatever comes from the other end is data to be checked; a reply that is too long, cut or not a reply is an
// error.
#pragma once

#include <chrono>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "backend/store/admin_wire.h"
#include "fs/base/secret_buffer.h"
#include "fs/base/unique_fd.h"
#include "fs/cli/failure.h"
#include "fs/control/wire.h"

namespace leasefs::cli {

struct ClientTimes {
  std::chrono::milliseconds connect{5000};
  std::chrono::milliseconds silence{30'000};  // the longest time without a byte, in either direction
};

// For what takes a store a while: sealing everything anew, copying it, storing thousands of secrets.
inline constexpr ClientTimes kPatient = {.connect = std::chrono::seconds(5), .silence = std::chrono::minutes(10)};

class Client {
 public:
  struct Frame {
    uint16_t type = 0;
    SecretBuffer payload;
  };

  static Outcome<Client> Connect(const std::string& socket_path, const ClientTimes& times = {});

  Finished Send(uint16_t type, const SecretBuffer& payload);
  // A frame of more than `max_payload` bytes is an error, and nothing is allocated for it.
  Outcome<Frame> Receive(size_t max_payload);

 private:
  Client(UniqueFd socket, std::string path, ClientTimes times)
      : socket_(std::move(socket)), path_(std::move(path)), times_(times) {}
  Finished ReadAll(std::span<std::byte> bytes, bool first);
  Failure Lost(std::string_view what) const;

  UniqueFd socket_;
  std::string path_;
  ClientTimes times_;
};

// One verb of the control socket; the reply's JSON.
Outcome<std::string> AskControl(const std::string& socket_path, const control::ControlRequest& request,
                                const ClientTimes& times = {});

// One verb of a store's socket. `on_data` gets the parts of a backup; without it such a part is an error.
using OnData = std::function<Finished(std::span<const std::byte>)>;
Outcome<store_admin::AdminReply> AskStore(const std::string& socket_path, const store_admin::AdminRequest& request,
                                          const ClientTimes& times = {}, const OnData& on_data = {});

// An error that the daemon answered, with what to do about one of its kind.
Failure FromDaemon(const Error& error);

}  // namespace leasefs::cli
