#include "fs/base/errno_map.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace leasefs {
namespace {

struct Row {
  ErrorKind kind;
  int number;
  int posix;
};

// S25, and errors = "posix".
constexpr Row kTable[] = {
    {ErrorKind::kDenied, EACCES, EACCES},       {ErrorKind::kNotFound, ENOENT, ENOENT},
    {ErrorKind::kReadOnly, EROFS, EROFS},       {ErrorKind::kUnreachable, ETIMEDOUT, EIO},
    {ErrorKind::kRemote, EREMOTEIO, EIO},       {ErrorKind::kExpired, EKEYEXPIRED, EACCES},
    {ErrorKind::kRevoked, EKEYREVOKED, EACCES}, {ErrorKind::kLoginRefused, EKEYREJECTED, EACCES},
    {ErrorKind::kLocked, ENOKEY, EACCES},       {ErrorKind::kTooLarge, EFBIG, EFBIG},
    {ErrorKind::kBusy, EBUSY, EBUSY},           {ErrorKind::kNoMemory, ENOMEM, ENOMEM},
    {ErrorKind::kInternal, EIO, EIO},           {ErrorKind::kInterrupted, EINTR, EINTR},
};

TEST(ErrnoMapTest, FollowsTheTable) {
  for (const Row& row : kTable) {
    EXPECT_EQ(ErrnoOf(row.kind, false), row.number) << ErrorKindName(row.kind);
    EXPECT_EQ(ErrnoOf(row.kind, true), row.posix) << ErrorKindName(row.kind);
  }
}

TEST(ErrnoMapTest, NoKindBecomesWhatACallerNeverSees) {
  for (int kind = 0; kind <= static_cast<int>(ErrorKind::kInvalid); ++kind) {
    for (bool posix : {false, true}) {
      int number = ErrnoOf(static_cast<ErrorKind>(kind), posix);
      EXPECT_GT(number, 0);
      EXPECT_NE(number, EAGAIN);
      EXPECT_NE(number, ENOSYS);
    }
  }
}

}  // namespace
}  // namespace leasefs
