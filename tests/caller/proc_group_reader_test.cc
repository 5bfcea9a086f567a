// Against the real /proc. Other identities are tried by root only.
#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/fsuid.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "fs/base/unique_fd.h"
#include "fs/caller/caller.h"

namespace leasefs {
namespace {

using Groups = std::vector<gid_t>;

UniqueFd OpenProc() { return UniqueFd(open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC)); }

Groups OwnGroups() {
  Groups groups(static_cast<size_t>(getgroups(0, nullptr)));
  EXPECT_GE(getgroups(static_cast<int>(groups.size()), groups.data()), 0);
  std::sort(groups.begin(), groups.end());
  groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
  return groups;
}

TEST(ProcGroupReaderTest, ReadsTheGroupsOfAThread) {
  UniqueFd proc = OpenProc();
  ProcGroupReader reader(proc.get());
  Result<Groups> groups = reader.Groups({geteuid(), getegid(), gettid()});
  ASSERT_TRUE(groups.ok()) << groups.error().message();
  EXPECT_EQ(*groups, OwnGroups());
  std::thread([&] {
    ASSERT_NE(gettid(), getpid());
    EXPECT_TRUE(reader.Groups({geteuid(), getegid(), gettid()}).ok());
  }).join();
}

TEST(ProcGroupReaderTest, DeniesWhomItCannotLookAt) {
  UniqueFd proc = OpenProc();
  ProcGroupReader reader(proc.get());
  constexpr auto kNobody = static_cast<uid_t>(-1);
  for (const Caller& caller : {Caller{geteuid(), getegid(), 0}, Caller{kNobody, getegid(), gettid()},
                               Caller{geteuid(), kNobody, gettid()}, Caller{geteuid(), getegid(), 0x7ffffff0},
                               Caller{geteuid(), getegid(), -5}, Caller{geteuid() + 1, getegid(), gettid()},
                               Caller{geteuid(), getegid() + 1, gettid()}}) {
    Result<Groups> groups = reader.Groups(caller);
    ASSERT_FALSE(groups.ok());
    EXPECT_EQ(groups.error().kind(), ErrorKind::kDenied);
  }
}

TEST(ProcGroupReaderTest, ADescriptorThatIsNoProcfsIsDeniedOrOurFault) {
  UniqueFd directory(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  EXPECT_FALSE(ProcGroupReader(directory.get()).Groups({geteuid(), getegid(), gettid()}).ok());
  Result<Groups> groups = ProcGroupReader(-1).Groups({geteuid(), getegid(), gettid()});
  ASSERT_FALSE(groups.ok());
  EXPECT_EQ(groups.error().kind(), ErrorKind::kInternal);
}

// A child with an identity of its own, until the object goes.
class Stranger {
 public:
  explicit Stranger(const Groups& groups) {
    int ready[2], stop[2];
    if (pipe2(ready, O_CLOEXEC) != 0 || pipe2(stop, O_CLOEXEC) != 0) abort();
    pid_ = fork();
    if (pid_ == 0) {
      close(stop[1]);
      char byte = setgroups(groups.size(), groups.data()) == 0 && setresgid(0, 0, 0) == 0 ? '+' : '-';
      setfsgid(2000);
      setfsuid(3000);
      if (write(ready[1], &byte, 1) == 1 && read(stop[0], &byte, 1) >= 0) _exit(0);
      _exit(1);
    }
    close(ready[1]);
    close(stop[0]);
    stop_ = UniqueFd(stop[1]);
    UniqueFd wait(ready[0]);
    char byte = 0;
    EXPECT_EQ(read(wait.get(), &byte, 1), 1);
    EXPECT_EQ(byte, '+');
  }
  ~Stranger() {
    stop_.Reset();
    waitpid(pid_, nullptr, 0);
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
  UniqueFd stop_;
};

TEST(ProcGroupReaderTest, TheFilesystemIdentityCountsAndNoOther) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to be somebody else";
  Stranger stranger({20, 4, 4, 27});
  UniqueFd proc = OpenProc();
  ProcGroupReader reader(proc.get());
  Result<Groups> groups = reader.Groups({3000, 2000, stranger.pid()});
  ASSERT_TRUE(groups.ok()) << groups.error().message();
  EXPECT_EQ(*groups, (Groups{4, 20, 27}));
  EXPECT_FALSE(reader.Groups({0, 0, stranger.pid()}).ok());
}

TEST(ProcGroupReaderTest, AsManyGroupsAsTheKernelAllows) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to be somebody else";
  Groups many;
  for (gid_t i = 0; i < 65536; ++i) many.push_back(4294000000 + i);
  Stranger stranger(many);
  UniqueFd proc = OpenProc();
  ProcGroupReader reader(proc.get());
  Result<Groups> groups = reader.Groups({3000, 2000, stranger.pid()});
  ASSERT_TRUE(groups.ok()) << groups.error().message();
  EXPECT_EQ(*groups, many);
  EXPECT_TRUE(reader.Groups({geteuid(), getegid(), gettid()}).ok());
}

TEST(ProcGroupReaderTest, KeepsNoDescriptor) {
  UniqueFd proc = OpenProc();
  ProcGroupReader reader(proc.get());
  int before = dup(proc.get());
  close(before);
  for (int i = 0; i < 100; ++i) (void)reader.Groups({geteuid(), getegid(), gettid()});
  int after = dup(proc.get());
  close(after);
  EXPECT_EQ(before, after);
}

}  // namespace
}  // namespace leasefs
