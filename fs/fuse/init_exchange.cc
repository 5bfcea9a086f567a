#include "fs/fuse/init_exchange.h"

#include <linux/fuse.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstring>

#include "fs/fuse/lowlevel.h"

namespace leasefs {

namespace {

// From protocol 7.39 (Linux 6.6), later than our headers: shared mappings of direct_io files (S2).
constexpr uint64_t kDirectIoAllowMmap = uint64_t{1} << 36;

}  // namespace

void ChooseCapabilities(fuse_conn_info* connection) {
  // A handle of an inode (the touch of a pinned, superseded one) must find it again.
  connection->want |= connection->capable & FUSE_CAP_EXPORT_SUPPORT;
  // An inode's bytes never change (S8): there is nothing to invalidate when attributes are fetched again.
  connection->want &= ~static_cast<unsigned>(FUSE_CAP_AUTO_INVAL_DATA);
  connection->max_write = kMaxWrite;
  connection->max_background = kMaxBackground;
  connection->congestion_threshold = kMaxBackground * 3 / 4;
}

void PatchInitReply(std::span<const std::byte> request, std::span<iovec> reply) {
  if (reply.size() != 2 || reply[1].iov_len < sizeof(fuse_init_out)) return;
  fuse_init_in in{};
  auto body = request.subspan(sizeof(fuse_in_header));
  memcpy(&in, body.data(), std::min(body.size(), sizeof in));
  uint64_t offered = in.flags;
  if (in.flags & FUSE_INIT_EXT) offered |= uint64_t{in.flags2} << 32;

  fuse_init_out out;
  memcpy(&out, reply[1].iov_base, sizeof out);
  // libfuse before 3.17.1 forgets PARALLEL_DIROPS: one slow LOOKUP would hold up all others in its directory.
  uint64_t wanted = offered & (FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES);
  if (offered & FUSE_INIT_EXT) wanted |= offered & (FUSE_INIT_EXT | kDirectIoAllowMmap);
  out.flags |= static_cast<uint32_t>(wanted);
  out.flags2 |= static_cast<uint32_t>(wanted >> 32);
  // libfuse derives it from max_write, which would make READs of 4 KiB.
  if (offered & FUSE_MAX_PAGES) out.max_pages = kMaxPages;
  memcpy(reply[1].iov_base, &out, sizeof out);
}

}  // namespace leasefs
