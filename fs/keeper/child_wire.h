// Between the keeper and a child: a SOCK_SEQPACKET pair, one small message each, some with descriptors.
//
// The keeper answers nothing that a child could make it wait for. Messages with a type it does not know end the child.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "fs/base/result.h"
#include "fs/base/unique_fd.h"

namespace leasefs {

enum class ChildMessageType : uint8_t {
  // keeper -> child
  kPing,          // number; the watchdog (answer: kPong with the same number)
  kPeer,          // + one descriptor: text = the backend's name. A fresh socket to it (or to fs); the old one is dead
  kConfig,        // + one descriptor: a memfd with the child's part of the configuration; number = rules generation
  kAuditFile,     // + one descriptor: the audit file, opened anew
  kStop,          // number: 1 = revoke leases. The child drains and exits 0
  kReloadResult,  // number = that of kReloadRequest; text: "" or the error
  kStoreKey,      // + one descriptor: the key file or credential, opened anew, for a store that is locked
  kFile,          // + one descriptor: the answer to kFileRequest of the same number
  kFileProblem,   // or why it cannot be had: number, text
  // child -> keeper
  kReady,  // serves
  kPong,
  kReloadRequest,  // number chosen by the child
  kPeerRequest,    // text = the backend whose connection has ended: a fresh one is wanted (fs)
  kFileRequest,    // number: a file of the configuration, by its place in VaultFiles (a vault backend)
  kStopRequest,    // number: as in kStop. `leasefs stop` (fs)
  kConfigResult,   // number = rules generation; text: "" or the error
  kStatus,         // text: one line for systemd's STATUS=
};

struct ChildMessage {
  ChildMessageType type = ChildMessageType::kPing;
  uint64_t number = 0;
  std::string text;                   // at most 16 KiB; what is longer is cut when it is sent
  std::vector<UniqueFd> descriptors;  // at most 1

  static ChildMessage Make(ChildMessageType type, uint64_t number = 0, std::string text = "",
                           UniqueFd descriptor = UniqueFd());
};

// Never blocks: kBusy when the other side does not read.
Status SendChildMessage(int socket, const ChildMessage& message);
// The next message, nothing when there is none. kUnreachable: the other side is gone. kInvalid: not a message.
Result<std::optional<ChildMessage>> ReceiveChildMessage(int socket);

// Descriptors that a child finds at these numbers after exec. Which of them exist depends on the role; all others are
// closed.
enum ChildDescriptor : int {
  kKeeperSocket = 3,
  kConfigFile = 4,            // memfd: the child's part of the configuration, sealed
  kStateKeyPipe = 5,          // 32 bytes, then end of file: the key that seals secret bytes in surviving memory
  kListener = 6,              // fs: control.sock; store: store-NAME.sock. Listening
  kFuseDevice = 7,            // fs
  kSlotsMemory = 8,           // fs: request slots and parked requests
  kStateMemory = 9,           // fs: names, versions, handles
  kAuditMemory = 10,          // fs: the audit ring
  kCallerProcfs = 11,         // fs: a procfs that hides nobody
  kAuditFileDescriptor = 12,  // fs: append-only; absent without a file sink
  kStoreKeyFile = 7,          // store: the key file or credential, open for reading; absent with a passphrase
  kLeaseMemory = 8,           // vault: tokens, leases and what was minted
};

}  // namespace leasefs
