// The INIT exchange: what we ask of libfuse, and what we ask of the kernel behind libfuse's back, which version 3.14
// cannot ask.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

struct fuse_conn_info;
struct iovec;

namespace leasefs {

inline constexpr uint32_t kMaxWrite = 4096;     // so that a request fits into a slot
inline constexpr uint16_t kMaxPages = 256;      // 1 MiB per READ all the same
inline constexpr uint16_t kMaxBackground = 64;  // RELEASE and readahead
// Of a replayed INIT: matches no request of the kernel; never 0, that is a notification.
inline constexpr uint64_t kReplayUnique = 0x7ffffffffffffff0;

// libfuse's init callback.
void ChooseCapabilities(fuse_conn_info* connection);
// `request` is the raw INIT, `reply` what libfuse is about to write for it: header and fuse_init_out. Sets only what
// the kernel offered.
void PatchInitReply(std::span<const std::byte> request, std::span<iovec> reply);

}  // namespace leasefs
