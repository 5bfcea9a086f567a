// Bounds of what others can make leasefs hold. Bytes unless the name says otherwise.
#pragma once

#include <cstddef>
#include <cstdint>

namespace leasefs {

inline constexpr size_t kMaxValueBytes = size_t{1} << 20;      // default of limits.value; over it EFBIG
inline constexpr size_t kHardMaxValueBytes = size_t{4} << 20;  // the most that limits.value may be set to
inline constexpr size_t kMaxSecretBytes = size_t{6} << 20;     // all values of one secret together
inline constexpr size_t kMaxKeysPerSecret = 4096;              // count
inline constexpr size_t kMaxPathBytes = 4096;                  // a backend path, PATH_MAX
inline constexpr size_t kMaxNameBytes = 255;                   // one component on the mount, NAME_MAX
inline constexpr size_t kMaxKeyBytes = 1024;                   // a key's name in a backend, before escaping
inline constexpr size_t kMaxFramePayload = size_t{8} << 20;

}  // namespace leasefs
