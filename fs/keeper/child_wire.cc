#include "fs/keeper/child_wire.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "fs/base/codec.h"

namespace leasefs {
namespace {

constexpr size_t kMaxText = size_t{16} << 10;
constexpr size_t kMaxMessage = 1 + 8 + 4 + kMaxText;

bool CarriesDescriptor(ChildMessageType type) {
  return type == ChildMessageType::kPeer || type == ChildMessageType::kConfig || type == ChildMessageType::kAuditFile ||
         type == ChildMessageType::kStoreKey || type == ChildMessageType::kFile;
}

union ControlSpace {  // aligned for the one descriptor that a message may carry, and for one too many
  cmsghdr header;
  std::array<char, CMSG_SPACE(2 * sizeof(int))> bytes;
};

Result<std::vector<UniqueFd>> TakeDescriptors(msghdr& header) {
  std::vector<UniqueFd> taken;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof fd);
      taken.emplace_back(fd);
    }
  }
  if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || taken.size() > 1) {
    return Error(ErrorKind::kInvalid, "a message between keeper and child is too long or carries too many descriptors");
  }
  return taken;
}

Result<ChildMessage> Decode(std::span<const std::byte> bytes, std::vector<UniqueFd> descriptors) {
  Reader reader(bytes);
  ChildMessage message;
  message.type = reader.Enum(ChildMessageType::kStatus);
  message.number = reader.U64();
  message.text = reader.String(kMaxText);
  message.descriptors = std::move(descriptors);
  if (!reader.AtEnd() || message.descriptors.size() != (CarriesDescriptor(message.type) ? 1u : 0u)) {
    return Error(ErrorKind::kInvalid, "not a message between keeper and child");
  }
  return message;
}

Error SocketError(int error_number) {
  switch (error_number) {
    case EAGAIN:
    case ENOBUFS:
      return Error(ErrorKind::kBusy, "the other side does not read its messages");
    case EPIPE:
    case ECONNRESET:
    case ENOTCONN:
      return Error(ErrorKind::kUnreachable, "the other side is gone");
    default:
      return ErrnoError("a message between keeper and child", error_number);
  }
}

}  // namespace

ChildMessage ChildMessage::Make(ChildMessageType type, uint64_t number, std::string text, UniqueFd descriptor) {
  ChildMessage message;
  message.type = type;
  message.number = number;
  message.text = std::move(text);
  if (descriptor) message.descriptors.push_back(std::move(descriptor));
  return message;
}

Status SendChildMessage(int socket, const ChildMessage& message) {
  if (message.descriptors.size() != (CarriesDescriptor(message.type) ? 1u : 0u)) {
    return Error(ErrorKind::kInvalid, "a message between keeper and child has the wrong number of descriptors");
  }
  Writer writer;
  writer.U8(static_cast<uint8_t>(message.type));
  writer.U64(message.number);
  writer.String(std::string_view(message.text).substr(0, kMaxText));
  SecretBuffer bytes = std::move(writer).Take();

  iovec part{bytes.ExposeMutable().data(), bytes.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  ControlSpace control{};
  if (!message.descriptors.empty()) {
    header.msg_control = &control;
    header.msg_controllen = CMSG_SPACE(sizeof(int));
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    int fd = message.descriptors.front().get();
    std::memcpy(CMSG_DATA(rights), &fd, sizeof fd);
  }
  ssize_t sent;
  do {
    sent = sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return SocketError(errno);
  return Ok();
}

Result<std::optional<ChildMessage>> ReceiveChildMessage(int socket) {
  std::array<std::byte, kMaxMessage> bytes;
  iovec part{bytes.data(), bytes.size()};
  ControlSpace control{};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = &control;
  header.msg_controllen = sizeof control;
  ssize_t received;
  bool reset = false;  // told once, before the last words, when the other side died with messages unread
  do {
    received = recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (received < 0 && (errno == EINTR || (errno == ECONNRESET && !std::exchange(reset, true))));
  if (received < 0) {
    if (errno == EAGAIN) return std::optional<ChildMessage>();
    return SocketError(errno);
  }
  LEASEFS_ASSIGN_OR_RETURN(descriptors, TakeDescriptors(header));
  if (received == 0) return Error(ErrorKind::kUnreachable, "the other side is gone");
  LEASEFS_ASSIGN_OR_RETURN(message,
                           Decode(std::span(bytes.data(), static_cast<size_t>(received)), std::move(descriptors)));
  return std::optional<ChildMessage>(std::move(message));
}

}  // namespace leasefs
