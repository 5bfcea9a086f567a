#include "fs/base/unique_fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>

namespace leasefs {
namespace {

int OpenNull() {
  return open("/dev/null", O_RDONLY | O_CLOEXEC);
}
bool IsOpen(int fd) {
  return fcntl(fd, F_GETFD) >= 0;
}

TEST(UniqueFdTest, ClosesWhatItHolds) {
  int raw = OpenNull();
  {
    UniqueFd fd(raw);
    EXPECT_TRUE(fd.valid());
    EXPECT_EQ(fd.get(), raw);
  }
  EXPECT_FALSE(IsOpen(raw));
  EXPECT_FALSE(UniqueFd());
}

TEST(UniqueFdTest, MovesAndReleases) {
  UniqueFd first(OpenNull());
  int raw = first.get();
  UniqueFd second(std::move(first));
  EXPECT_EQ(second.get(), raw);
  UniqueFd third(OpenNull());
  int replaced = third.get();
  third = std::move(second);
  EXPECT_FALSE(IsOpen(replaced));
  EXPECT_TRUE(IsOpen(raw));
  EXPECT_EQ(third.Release(), raw);
  EXPECT_FALSE(third);
  EXPECT_TRUE(IsOpen(raw));
  close(raw);
}

TEST(UniqueFdTest, KeepsErrno) {
  UniqueFd fd(OpenNull());
  errno = ENOTTY;
  fd.Reset();
  EXPECT_EQ(errno, ENOTTY);
}

TEST(UniqueFdDeathTest, AbortsWhenSomebodyElseClosedIt) {
  EXPECT_DEATH(
      {
        UniqueFd fd(OpenNull());
        close(fd.get());
      },
      "");
}

}  // namespace
}  // namespace leasefs
