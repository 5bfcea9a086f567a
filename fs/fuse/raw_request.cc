#include "fs/fuse/raw_request.h"

#include <linux/fuse.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace leasefs {

namespace {

// What follows the header: a struct of at least `fixed` bytes, then `names` strings with their terminators.
struct Shape {
  uint16_t fixed = 0;
  uint8_t names = 0;
  bool answered = true;  // false: the kernel expects no reply
};

template <class T>
constexpr Shape Body(uint8_t names = 0, bool answered = true) {
  return {sizeof(T), names, answered};
}
constexpr Shape Names(uint8_t names) {
  return {0, names, true};
}

constexpr size_t kShapes = FUSE_TMPFILE + 1;

// Opcodes that are not in it have no body that libfuse would look at.
constexpr auto kShapeOf = [] {
  std::array<Shape, kShapes> shapes{};
  shapes[FUSE_LOOKUP] = Names(1);
  shapes[FUSE_FORGET] = Body<fuse_forget_in>(0, false);
  shapes[FUSE_GETATTR] = Body<fuse_getattr_in>();
  shapes[FUSE_SETATTR] = Body<fuse_setattr_in>();
  shapes[FUSE_SYMLINK] = Names(2);
  shapes[FUSE_MKNOD] = Body<fuse_mknod_in>(1);
  shapes[FUSE_MKDIR] = Body<fuse_mkdir_in>(1);
  shapes[FUSE_UNLINK] = Names(1);
  shapes[FUSE_RMDIR] = Names(1);
  shapes[FUSE_RENAME] = Body<fuse_rename_in>(2);
  shapes[FUSE_LINK] = Body<fuse_link_in>(1);
  shapes[FUSE_OPEN] = Body<fuse_open_in>();
  shapes[FUSE_READ] = Body<fuse_read_in>();
  shapes[FUSE_WRITE] = Body<fuse_write_in>();
  shapes[FUSE_RELEASE] = Body<fuse_release_in>();
  shapes[FUSE_FSYNC] = Body<fuse_fsync_in>();
  shapes[FUSE_GETXATTR] = Body<fuse_getxattr_in>(1);
  shapes[FUSE_LISTXATTR] = Body<fuse_getxattr_in>();
  shapes[FUSE_REMOVEXATTR] = Names(1);
  shapes[FUSE_FLUSH] = Body<fuse_flush_in>();
  shapes[FUSE_INIT] = {offsetof(fuse_init_in, flags2), 0, true};
  shapes[FUSE_OPENDIR] = Body<fuse_open_in>();
  shapes[FUSE_READDIR] = Body<fuse_read_in>();
  shapes[FUSE_RELEASEDIR] = Body<fuse_release_in>();
  shapes[FUSE_FSYNCDIR] = Body<fuse_fsync_in>();
  shapes[FUSE_GETLK] = shapes[FUSE_SETLK] = shapes[FUSE_SETLKW] = Body<fuse_lk_in>();
  shapes[FUSE_ACCESS] = Body<fuse_access_in>();
  shapes[FUSE_CREATE] = Body<fuse_create_in>(1);
  shapes[FUSE_INTERRUPT] = Body<fuse_interrupt_in>(0, false);
  shapes[FUSE_BMAP] = Body<fuse_bmap_in>();
  shapes[FUSE_IOCTL] = Body<fuse_ioctl_in>();
  shapes[FUSE_POLL] = Body<fuse_poll_in>();
  shapes[FUSE_NOTIFY_REPLY] = {0, 0, false};
  shapes[FUSE_BATCH_FORGET] = Body<fuse_batch_forget_in>(0, false);
  shapes[FUSE_FALLOCATE] = Body<fuse_fallocate_in>();
  shapes[FUSE_READDIRPLUS] = Body<fuse_read_in>();
  shapes[FUSE_RENAME2] = Body<fuse_rename2_in>(2);
  shapes[FUSE_LSEEK] = Body<fuse_lseek_in>();
  shapes[FUSE_COPY_FILE_RANGE] = Body<fuse_copy_file_range_in>();
  return shapes;
}();

bool Fits(std::span<const std::byte> body, const Shape& shape) {
  if (body.size() < shape.fixed) return false;
  auto rest = body.subspan(shape.fixed);
  for (uint8_t i = 0; i < shape.names; ++i) {
    auto end = std::find(rest.begin(), rest.end(), std::byte{0});
    if (end == rest.end()) return false;
    rest = rest.subspan(static_cast<size_t>(end - rest.begin()) + 1);
  }
  return true;
}

Examined Refuse(Examined examined, int error) {
  examined.disposition = Disposition::kRefuse;
  examined.error = error;
  return examined;
}

Examined Malformed(Examined examined, int error) {
  examined.malformed = true;
  return examined.answered ? Refuse(examined, error) : examined;
}

// Before 7.31 (Linux 5.4) bodies have other sizes, and what we ask for in the reply is not there.
constexpr uint32_t kOldestMinor = 31;

Examined ExamineInit(Examined examined, std::span<const std::byte> body) {
  fuse_init_in init{};
  memcpy(&init, body.data(), std::min(body.size(), sizeof init));
  if (init.major != FUSE_KERNEL_VERSION || init.minor < kOldestMinor) return Refuse(examined, EPROTO);
  if ((init.flags & FUSE_INIT_EXT) && body.size() < sizeof init) return Malformed(examined, EINVAL);
  examined.disposition = Disposition::kInit;
  return examined;
}

}  // namespace

Examined ExamineRequest(std::span<const std::byte> bytes) {
  Examined examined;
  examined.malformed = true;
  fuse_in_header header;
  if (bytes.size() < sizeof header) return examined;
  memcpy(&header, bytes.data(), sizeof header);
  if (header.unique == 0) return examined;  // an answer to 0 would be a notification
  examined.malformed = false;
  examined.opcode = header.opcode;
  examined.unique = header.unique;
  Shape shape = header.opcode < kShapes ? kShapeOf[header.opcode] : Shape{};
  examined.answered = shape.answered;
  if (header.len != bytes.size()) return Malformed(examined, EIO);
  auto body = bytes.subspan(sizeof header);
  if (!Fits(body, shape)) return Malformed(examined, EINVAL);
  switch (header.opcode) {
    case FUSE_INIT:
      return ExamineInit(examined, body);
    case FUSE_INTERRUPT:
      examined.disposition = Disposition::kInterrupt;
      return examined;
    case FUSE_NOTIFY_REPLY:  // we ask for none, and libfuse would keep it for ever
      return examined;
    case FUSE_SETXATTR:  // libfuse 3.14.0 looks for the name in the wrong place, beyond the end if it is short
    case FUSE_TMPFILE:   // not known to libfuse 3.14; a change all the same (S3)
      return Refuse(examined, EROFS);
    default:
      examined.disposition = Disposition::kDeliver;
      return examined;
  }
}

uint64_t InterruptedUnique(std::span<const std::byte> interrupt) {
  fuse_interrupt_in body;
  memcpy(&body, interrupt.data() + sizeof(fuse_in_header), sizeof body);
  return body.unique;
}

}  // namespace leasefs
