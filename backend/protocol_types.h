// What the frames between fs and a backend carry: names, fields, freshness. See protocol.h.
//
// Paths are backend paths: components joined by '/', no leading or trailing '/', the root is ""; no component is empty,
// "." or "..". Key names are raw bytes; the mount's escaping (S4) is fs's business.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "fs/base/secret_buffer.h"
#include "fs/base/time.h"

namespace leasefs::protocol {

inline constexpr uint32_t kProtocolVersion = 4;
inline constexpr size_t kMaxMessageBytes = 1024;  // words for status and logs; Encode cuts longer ones
inline constexpr size_t kMaxVerbBytes = 9;        // AuditEvent::verb

enum class EntryKind : uint8_t { kKey, kFolder };
struct Entry {
  EntryKind kind = EntryKind::kKey;
  std::string name;  // one component or one key, raw
};

struct Field {
  std::string key;
  bool too_large = false;  // over limits.value: no bytes are sent, the file is EFBIG
  SecretBuffer value;
  bool json = false;  // the bytes are the compact JSON text of a value that is no string; the backend vouches for it
};
struct Freshness {
  BootTime fresh_until = kNever;  // until then fs serves the version without asking
  BootTime stale_until = kNever;  // until then fs serves it when the backend cannot answer (S17)
  BootTime lease_end = kNever;    // and never after this (S14)
};

// What names are asked for. kOpen: somebody who may open a key looks it up; where one answer of the source tells both,
// the value may come with the names. What must be minted never does.
enum class Purpose : uint8_t { kNames, kOpen };

enum class HealthState : uint8_t { kUp, kDegraded, kLocked, kDown };

// A path as described above: bounds, no empty, "." or ".." component, no NUL.
bool IsValidPath(std::string_view path);
bool IsValidKey(std::string_view key);  // 1..kMaxKeyBytes bytes, no NUL

}  // namespace leasefs::protocol
