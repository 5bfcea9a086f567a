#include "tests/cli/scripted_peer.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "fs/base/frame.h"

namespace leasefs::cli {

bool PeerConnection::ReadExactly(std::byte* to, size_t size) {
  while (size > 0) {
    const ssize_t got = recv(fd_, to, size, 0);
    if (got <= 0) return false;
    to += got;
    size -= static_cast<size_t>(got);
  }
  return true;
}

SecretBuffer PeerConnection::ReadFrame() {
  std::array<std::byte, FrameConnection::kHeaderBytes> header{};
  if (!ReadExactly(header.data(), header.size())) return {};
  uint32_t size = 0;
  std::memcpy(&size, header.data(), sizeof size);
  SecretBuffer payload(size);
  if (size > 0 && !ReadExactly(payload.ExposeMutable().data(), size)) return {};
  return payload;
}

void PeerConnection::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

void PeerConnection::WriteFrame(uint16_t type, const SecretBuffer& payload) {
  Write(EncodeFrame(type, payload).ExposeText());
}

void PeerConnection::WaitForHangUp() {
  std::byte one{};
  while (recv(fd_, &one, 1, 0) > 0) {
  }
}

ScriptedPeer::ScriptedPeer(const std::string& socket_path, Script script)
    : listener_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)), stop_(eventfd(0, EFD_CLOEXEC)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket_path.c_str(), socket_path.size());
  unlink(socket_path.c_str());  // of a peer before this one
  if (bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) std::abort();
  if (listen(listener_.get(), 8) != 0) std::abort();
  thread_ = std::thread([this, script = std::move(script)] { Serve(script); });
}

ScriptedPeer::~ScriptedPeer() {
  eventfd_write(stop_.get(), 1);
  thread_.join();
}

void ScriptedPeer::Serve(const Script& script) {
  for (;;) {
    std::array<pollfd, 2> ready = {{{listener_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
    if (poll(ready.data(), ready.size(), -1) < 0 || ready[1].revents != 0) return;
    const UniqueFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    PeerConnection connection(fd.get());
    script(connection);
  }
}

ScriptedStore::ScriptedStore(const std::string& socket_path, Answer answer)
    : peer_(socket_path, [this, answer = std::move(answer)](PeerConnection& connection) {
        const SecretBuffer payload = connection.ReadFrame();
        auto request = store_admin::AdminRequest::Decode(payload.Expose());
        if (!request.ok()) return;
        store_admin::AdminReply reply = answer(request.value());
        requests_.push_back(std::move(request).value());
        for (const std::string& part : data_)
          connection.WriteFrame(store_admin::kDataFrame, SecretBuffer::CopyOf(part));
        connection.WriteFrame(store_admin::kReplyFrame, reply.Encode());
      }) {}

}  // namespace leasefs::cli
