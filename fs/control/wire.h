// The wire of the control socket of fs (`control.sock`): one request frame, one reply frame, then the next. Frames are
// those of fs/base/frame.h with at most kMaxControlPayload bytes. Replies carry a JSON document, which never holds a
// secret.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fs/base/result.h"
#include "fs/base/secret_buffer.h"

namespace leasefs::control {

inline constexpr uint16_t kRequestFrame = 1;
inline constexpr uint16_t kReplyFrame = 2;
inline constexpr size_t kMaxControlPayload = size_t{1} << 20;

// Who may use a verb. Every verb names one of these (verbs.h).
enum class Right : uint8_t {
  kObserve,  // root and the group leasefs: look
  kOperate,  // root and the group leasefs: change what is shown
  kReveal,   // root only: values leave by the socket, or keys change
};

struct ControlRequest {
  std::string verb;
  std::vector<std::string> arguments;  // at most 16, each at most 4096 bytes
  SecretBuffer Encode() const;
  static Result<ControlRequest> Decode(std::span<const std::byte> payload);
};

struct ControlReply {
  std::optional<Error> error;  // with words that say what to do next
  std::string json;            // one document, "{}" at least, when there is no error
  SecretBuffer Encode() const;
  static Result<ControlReply> Decode(std::span<const std::byte> payload);
};

}  // namespace leasefs::control
